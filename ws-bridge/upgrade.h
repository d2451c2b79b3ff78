/* upgrade.h: from the first byte of a connection to its workspace: HTTP head, key, path, parameters. */
#ifndef CRAFT_UPGRADE_H
#define CRAFT_UPGRADE_H

#include <libpq-fe.h>

struct conn;

/* More of the HTTP head lies in conn->in. Refuses the upgrade, waits for more, or hands the connection to hub_join() or
 * sandbox_join(). */
void upgrade_received(struct conn *conn);

/* The connection came with a wrong key or none: 401, or 429 above the rate of its address. */
void upgrade_refuse_key(struct conn *conn);

/* What the database says of the workspace's key that the connection came with; NULL: nothing. */
void upgrade_key_read(struct conn *conn, const PGresult *result);

#endif
