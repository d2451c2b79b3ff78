/* monitor_http.h: the requests of whoever watches a daemon, and their answers: GET /metrics, /healthz and /readyz.
 * Pure: bytes in, bytes out. Each connection has one request. */
#ifndef CRAFT_MONITOR_HTTP_H
#define CRAFT_MONITOR_HTTP_H

#include "buf.h"

/* What a daemon has to say. */
struct monitor_source {
	void (*metrics)(void *user, struct buf *out);
	/* Can it serve? False: *reason says why not, in words without secrets. */
	bool (*ready)(void *user, struct buf *reason);
	void *user;
};

/* Longest head of a request. */
#define MONITOR_HEAD_MAX 4096

/* Takes what came so far. False: the head isn't complete. Else *out is the whole answer, HTTP/1.1 with Connection:
 * close. */
bool monitor_answer(const struct monitor_source *source, struct slice head, struct buf *out);

#endif
