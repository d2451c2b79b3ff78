/* host.h: this host among the others: signs on, takes sandboxes and jobs from the database, tells that it lives, tidies
 * up. */
#ifndef CRAFT_SANDBOX_HOST_H
#define CRAFT_SANDBOX_HOST_H

#include "daemon.h"

struct host;

/* protection: names of the protections in force, for people. Signs on and adopts what a daemon before has left. */
struct host *host_new(struct daemon *daemon, const char *protection);
void host_free(struct host *host);

/* Four times a second or so. */
void host_tick(struct host *host, uint64_t now);
/* For struct store_events; user is the host. */
void host_connected(void *user);
void host_notified(void *user, const char *payload);
/* The one that it was made with. */
const struct daemon *host_daemon(const struct host *host);
/* Does it take sandboxes and jobs? */
bool host_serves(const struct host *host);
/* Signs off: no sandbox is given to this host any more. */
void host_leave(struct host *host);

#endif
