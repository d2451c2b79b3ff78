/* exchange.h: requests of a connection one after another, and plain answers to them. */
#ifndef CRAFT_GATEWAY_EXCHANGE_H
#define CRAFT_GATEWAY_EXCHANGE_H

#include "body.h"
#include "gate.h"

struct exchange {
	struct gate *gate;
	struct conn *conn;
	struct http_head head;
	struct body body;
	bool close; /* this is the connection's last one */
};

/* Handles one request; sets x->close when nothing more can be made of the connection. */
typedef void exchange_handler(struct exchange *x);

/* Reads requests until the connection ends, and lets each be handled. Heads that can't be understood are answered with
 * 400 or 431, HTTP/1.0 with 505. Bodies are bounded by max_body; the handler reads them. */
void exchange_run(struct gate *gate, struct conn *conn, uint64_t max_body, exchange_handler *handle);

/* Reads one head: CONN_OK with *used bytes still pending, or why not, after an answer where one makes sense. */
bool exchange_read_head(struct gate *gate, struct conn *conn, int64_t deadline, struct http_head *head, size_t *used);

/* Answers with a short body. If the request's own body wasn't read to its end, the connection is closed. */
void exchange_answer(struct exchange *x, int status, const char *type, struct slice text);
/* The same before there is an exchange; the connection closes. */
void conn_answer(const struct conn *conn, int status, const char *type, struct slice text, bool close, bool no_body);

#define TEXT_PLAIN "text/plain; charset=utf-8"

#endif
