/* upstream.h: passes one request on to a server outside, by libcurl, and its answer back as it comes. */
#ifndef CRAFT_GATEWAY_UPSTREAM_H
#define CRAFT_GATEWAY_UPSTREAM_H

#include <pthread.h>

#include "lib/buf.h"

struct exchange;

#define UPSTREAM_POOL 16

/* Transfers that are not in use, with their open connections. All zero is valid. */
struct upstream_pool {
	pthread_mutex_t lock;
	struct upstream_link *idle[UPSTREAM_POOL];
	size_t count;
};

/* Closes what lies in it. */
void upstream_pool_free(struct upstream_pool *pool);

struct upstream_request {
	const char *url;
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: none */
	bool post;
	/* Fields of the client's head for which this is true are not passed on; those of the connection, Host,
	 * Content-Length, Cookie, Authorization and Expect never are. */
	bool (*drops)(struct slice name);
	/* Fields that are added, "Name: value"; wiped by the caller. */
	const struct buf *fields;
	size_t field_count;
	/* Doesn't appear in the head of the answer. May be empty. */
	struct slice secret;
	/* Is an answer of this status passed to the client? NULL: any. If not, nothing is sent to it. */
	bool (*passes)(long status);
};

enum upstream_result {
	UPSTREAM_PASSED, /* the client has the whole answer */
	UPSTREAM_CUT,	 /* it has a part of it; x->close is set */
	UPSTREAM_KEPT,	 /* not passed because of its status */
	UPSTREAM_FAILED, /* no answer came */
	UPSTREAM_BODY,	 /* the client's body is at fault: x->body.state */
	UPSTREAM_GONE	 /* the client went away */
};

/* Blocks until it is over. *status: the answer's, 0 without one; *error: why it failed or was cut, without secrets. */
enum upstream_result upstream_pass(struct upstream_pool *pool, struct exchange *x,
				   const struct upstream_request *request, long *status, struct buf *error);

#endif
