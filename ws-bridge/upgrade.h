/* upgrade.h: from the first byte of a connection to its workspace: HTTP head, key, path, parameters. */
#ifndef CRAFT_UPGRADE_H
#define CRAFT_UPGRADE_H

struct conn;

/* More of the HTTP head lies in conn->in. Refuses the upgrade, waits for more, or hands the connection to hub_join() or
 * sandbox_join(). */
void upgrade_received(struct conn *conn);

#endif
