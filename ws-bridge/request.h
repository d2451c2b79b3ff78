/* request.h: a sandbox client's request on its way to the database, and its place among the others of its client. */
#ifndef CRAFT_REQUEST_H
#define CRAFT_REQUEST_H

#include <sys/queue.h>

#include "bridge.h"
#include "lib/buf.h"
#include "sandbox_message.h"

struct request {
	TAILQ_ENTRY(request) link;
	struct conn *conn;	   /* a reference */
	enum sandbox_request kind; /* SANDBOX_PING: only a sign of life, which has no answer and no place */
	const char *name;	   /* the tool's, or NULL */
	bool big;		   /* goes by the big courier */
	struct buf id;		   /* JSON text, or empty */
	struct buf text;	   /* the client's message */
	size_t size;		   /* of the text */
	uint64_t started;	   /* ms */
};
TAILQ_HEAD(request_list, request);

/* Takes over the text. */
struct request *request_new(struct conn *conn, const struct sandbox_message *m, struct buf text);
/* Counts it among those of its client that are under way, and pauses the connection when they are too many. False: it
 * waits until others were handled, and comes by courier_enqueue() then. */
bool request_begin(struct request *r);
/* It was stored, and goes. Those of its client that waited for it follow. */
void request_end(struct request *r);
/* The same for one that wasn't stored; the client is told. */
void request_refuse(struct request *r, const char *text);

#endif
