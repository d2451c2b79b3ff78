/* exchange.c: the loop over a connection's requests. */
#include "exchange.h"

#include "lib/clock.h"

/* An agent thinks for a while between two calls of the model. */
#define KEEP_ALIVE_MS 300000

static const struct reason {
	int status;
	const char *text;
} reasons[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 408, "Request Timeout" },
	{ 413, "Content Too Large" },
	{ 431, "Request Header Fields Too Large" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

void conn_answer(const struct conn *conn, int status, const char *type, struct slice text, bool close, bool no_body)
{
	autobuf out = { 0 };
	buf_addf(&out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", status, reason_of(status),
		 type, text.len, close ? "Connection: close\r\n" : "");
	if (!no_body)
		buf_add_slice(&out, text);
	(void)conn_write(conn, buf_slice(&out));
}

void exchange_answer(struct exchange *x, int status, const char *type, struct slice text)
{
	if (x->body.state != BODY_DONE)
		x->close = true;
	conn_answer(x->conn, status, type, text, x->close, slice_eq_str(x->head.method, "HEAD"));
}

static void refuse_head(const struct conn *conn, enum http_head_result result)
{
	if (result == HTTP_HEAD_TOO_LARGE)
		conn_answer(conn, 431, TEXT_PLAIN, SLICE_LIT("The head of the request is too large.\n"), true, false);
	else
		conn_answer(conn, 400, TEXT_PLAIN, SLICE_LIT("The request can't be understood.\n"), true, false);
}

/* From the first byte on it has to come swiftly, however long the connection was idle. */
static int64_t swift(const struct gate *gate, int64_t deadline)
{
	int64_t soon = clock_ms() + gate->head_timeout;
	return soon < deadline ? soon : deadline;
}

bool exchange_read_head(struct gate *gate, struct conn *conn, int64_t deadline, struct http_head *head, size_t *used)
{
	bool begun = false;
	for (;;) {
		struct slice pending = conn_pending(conn);
		enum http_head_result parsed = http_head_parse(pending, head, used);
		if (parsed == HTTP_HEAD_OK)
			return true;
		if (parsed != HTTP_HEAD_MORE) {
			refuse_head(conn, parsed);
			return false;
		}
		if (pending.len > 0 && !begun)
			deadline = swift(gate, deadline);
		begun = pending.len > 0;
		enum conn_result result = conn_fill(conn, deadline);
		if (result == CONN_TIMEOUT && begun)
			conn_answer(conn, 408, TEXT_PLAIN, SLICE_LIT("The request came too slowly.\n"), true, false);
		if (result != CONN_OK)
			return false;
	}
}

/* The head's slices point into the connection's buffer, where the body and the next request take their place: they move
 * to *copy. */
static void keep_head(struct exchange *x, size_t used, struct buf *copy)
{
	struct slice bytes = conn_pending(x->conn);
	size_t again;
	buf_clear(copy);
	buf_add(copy, bytes.ptr, used);
	conn_use(x->conn, used);
	(void)http_head_parse(buf_slice(copy), &x->head, &again);
}

void exchange_run(struct gate *gate, struct conn *conn, uint64_t max_body, exchange_handler *handle)
{
	autobuf copy = { 0 };
	struct exchange x = { .gate = gate, .conn = conn };
	int64_t patience = gate->head_timeout;
	while (!x.close) {
		size_t used;
		if (!exchange_read_head(gate, conn, clock_ms() + patience, &x.head, &used))
			break;
		keep_head(&x, used, &copy);
		x.close = !x.head.keep_alive;
		body_init(&x.body, conn, &x.head, max_body);
		if (x.head.old)
			exchange_answer(&x, 505, TEXT_PLAIN, SLICE_LIT("HTTP/1.1 is needed.\n"));
		else
			handle(&x);
		patience = KEEP_ALIVE_MS;
	}
	conn_linger(conn);
}
