/* body.h: the body of a request, of either framing, bounded and read once. */
#ifndef CRAFT_GATEWAY_BODY_H
#define CRAFT_GATEWAY_BODY_H

#include "conn.h"
#include "http_chunked.h"
#include "http_head.h"

enum body_state {
	BODY_OPEN,
	BODY_DONE,
	BODY_BAD,	/* not the coding it says, or cut off */
	BODY_TOO_LARGE, /* more than max */
	BODY_TIMEOUT
};

struct body {
	struct conn *conn;
	enum body_state state;
	bool expects_continue, chunked;
	uint64_t left; /* of a length; with chunked: of max */
	int64_t deadline;
	struct http_chunked coding;
};

/* The body that the head announces. A length above max is BODY_TOO_LARGE at once. */
void body_init(struct body *b, struct conn *conn, const struct http_head *head, uint64_t max);
/* Up to n bytes of content; n > 0. 0: none any more, b->state says why. Sends "100 Continue" first, where it is waited
 * for. */
size_t body_read(struct body *b, char *out, size_t n);

#endif
