/* join.h: how a connection gets into a room, and catches up with what it missed. */
#ifndef CRAFT_JOIN_H
#define CRAFT_JOIN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct room;

/* A page of the log that was asked for on behalf of one connection; NULL: the query failed. */
void join_page(struct room *room, struct conn *conn, const PGresult *result);

/* Makes the connection a member; it gets nothing until it has caught up. */
void join_room(struct conn *conn, struct room *room);
/* One step of an open connection from its position towards the room's head. */
void join_catch_up(struct conn *conn);
/* Does the ring hold everything after pos? */
bool join_ring_reaches(const struct room *room, int64_t pos);

#endif
