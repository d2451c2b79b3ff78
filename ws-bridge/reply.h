/* reply.h: the answers of one connection, which leave in the order of the requests, however they come about. */
#ifndef CRAFT_REPLY_H
#define CRAFT_REPLY_H

#include <sys/queue.h>

#include "frame_buf.h"

struct conn;

/* Stops reading a connection that has so many requests, of so many bytes, under way (WS_MAX_REQUESTS,
 * WS_MAX_REQUEST_BYTES), and goes on when it has half of that. */
void replies_bound(struct conn *conn, size_t requests, size_t bytes);

struct reply {
	STAILQ_ENTRY(reply) link;
	struct buf request_id;	 /* JSON text; empty: the request had none */
	size_t cost;		 /* bytes of the request, while it is under way */
	struct frame_buf *frame; /* the answer, when it is known */
	int64_t wait_seq;	 /* it leaves only when the connection's position has come to this change */
	uint64_t waits_since;	 /* ms */
};

struct replies {
	STAILQ_HEAD(, reply) list;
	size_t count, bytes, waiting;
	size_t held; /* bytes of the answers that are known and can't leave yet */
};

void replies_init(struct replies *r);
void replies_free(struct replies *r);

/* A place in the row for the answer to a request of `cost` bytes. It is the connection's; it goes with the answer. */
struct reply *reply_expect(struct conn *conn, struct slice request_id, size_t cost);
/* data: JSON. seq: number of the change, or 0. For a resuming client the answer carries it and waits for its place
 * among the events. */
void reply_data(struct conn *conn, struct reply *reply, struct slice data, int64_t seq);
void reply_error(struct conn *conn, struct reply *reply, const char *text);
/* The connection's position moved: sends the answers that waited for it. */
void replies_advance(struct conn *conn);
/* Answers that have waited for their place since before `since` (ms) become errors that say what is known. */
void replies_give_up(struct conn *conn, uint64_t since);

#endif
