/* courier.h: takes the requests of sandboxes' clients to the database, from where their hosts fetch them. Two couriers,
 * each with a connection of its own, keep big requests from delaying the small ones. */
#ifndef CRAFT_COURIER_H
#define CRAFT_COURIER_H

#include "bridge.h"
#include "lib/buf.h"

struct request;
struct sandbox_message;

/* application: shows in pg_stat_activity. */
struct courier *courier_new(struct bridge *bridge, const char *application);
void courier_free(struct courier *courier); /* nothing may be under way */

/* Connects to the database, if that wasn't done: not every bridge has sandboxes. */
void courier_start(struct courier *courier);

/* Puts a checked request (execute, tool, cancel or diff) on its way; takes over its text. What goes wrong the client is
 * told. Pauses the connection when too much of it is under way. With a ping: the sandbox is in use; nobody is told. */
void courier_submit(struct conn *conn, const struct sandbox_message *m, struct buf text);
/* For a request whose turn has come. */
void courier_enqueue(struct request *r);

/* Sends what may be sent. Call it once a turn of the loop. */
void courier_pump(struct courier *courier);
/* Answers what has waited too long for a database that is away. */
void courier_tick(struct courier *courier, uint64_t now);
/* Is nothing queued or under way? */
bool courier_is_idle(const struct courier *courier);

#endif
