/* join.h: how a connection gets into a room, and catches up with what it missed. */
#ifndef CRAFT_JOIN_H
#define CRAFT_JOIN_H

#include <libpq-fe.h>

struct conn;
struct room;

/* A page of the log that was asked for on behalf of one connection; NULL: the query failed. */
void join_page(struct room *room, struct conn *conn, const PGresult *result);

#endif
