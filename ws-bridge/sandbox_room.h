/* sandbox_room.h: clients of sandboxes: how they get to a sandbox's messages, and what becomes of what they send. */
#ifndef CRAFT_SANDBOX_ROOM_H
#define CRAFT_SANDBOX_ROOM_H

#include <libpq-fe.h>
#include <sys/queue.h>

#include "frame.h"

struct conn;
struct event;
struct request;

/* What a sandbox's connection has beyond others; it is the connection's. */
struct sandbox_client {
	char *workspace, *session;
	bool unnamed; /* it came without ?client= */
	/* Requests under way (courier.c). */
	size_t requests, bytes;
	size_t with_courier[2];	       /* those that the small and the big courier have */
	size_t in_order;	       /* those of them that aren't tool requests */
	TAILQ_HEAD(, request) backlog; /* those that wait for what the other courier has */
};
void sandbox_client_free(struct sandbox_client *client); /* may be NULL */
/* Are requests of it under way? client may be NULL. */
bool sandbox_client_waits(const struct sandbox_client *client);

/* An upgrade wants a sandbox: asks the database whether there is one, and goes on when it has answered. */
void sandbox_join(struct conn *conn, struct slice workspace, struct slice session);
/* The answer of api.sandbox_open; NULL: the query failed. Accepts or refuses the upgrade. */
void sandbox_opened(struct conn *conn, const PGresult *result);

/* A whole text message came: answers it, or puts the request on its way. */
void sandbox_received(struct conn *conn, const struct frame_event *ev);
/* Is a message that has a target for this client? For the one of that name; and where the one that asked came without a
 * name and is gone, for whoever came back without one (?since=, above 0): else nobody would ever hear of it. */
bool sandbox_hears(const struct conn *conn, struct event *e);
/* Tells a client that its request can't be done. tool: it was a tool request, with this id (JSON text). */
void sandbox_refuse(struct conn *conn, bool tool, struct slice id, const char *text);

#endif
