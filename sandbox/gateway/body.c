/* body.c: reads the bodies of requests. */
#include "body.h"

#include "lib/clock.h"

/* Between two bytes, and for all of it. */
#define IDLE_MS 60000
#define TOTAL_MS 900000

void body_init(struct body *b, struct conn *conn, const struct http_head *head, uint64_t max)
{
	*b = (struct body){ .conn = conn, .chunked = head->chunked };
	b->expects_continue = head->expects_continue;
	b->left = head->chunked ? max : head->length;
	b->deadline = clock_ms() + TOTAL_MS;
	if (!head->chunked && head->length == 0)
		b->state = BODY_DONE;
	else if (b->left > max)
		b->state = BODY_TOO_LARGE;
}

static bool fill(struct body *b)
{
	int64_t deadline = clock_ms() + IDLE_MS;
	enum conn_result result = conn_fill(b->conn, deadline < b->deadline ? deadline : b->deadline);
	if (result != CONN_OK)
		b->state = result == CONN_TIMEOUT ? BODY_TIMEOUT : BODY_BAD;
	return result == CONN_OK;
}

static size_t take(struct body *b, struct slice data, char *out)
{
	memcpy(out, data.ptr, data.len);
	b->left -= data.len;
	return data.len;
}

static size_t read_length(struct body *b, char *out, size_t n)
{
	struct slice pending = conn_pending(b->conn);
	if (pending.len == 0 && !fill(b))
		return 0;
	pending = conn_pending(b->conn);
	size_t size = pending.len < n ? pending.len : n;
	if (size > b->left)
		size = (size_t)b->left;
	(void)take(b, slice_make(pending.ptr, size), out);
	conn_use(b->conn, size);
	if (b->left == 0)
		b->state = BODY_DONE;
	return size;
}

/* Looks at no more than n bytes at a time, so that what it decodes has room. */
static size_t read_chunked(struct body *b, char *out, size_t n)
{
	while (b->state == BODY_OPEN) {
		struct slice pending = conn_pending(b->conn), data;
		size_t used;
		if (pending.len > n)
			pending.len = n;
		enum http_chunked_result result = http_chunked_read(&b->coding, pending, &used, &data);
		if (result == HTTP_CHUNKED_DATA && data.len > b->left) {
			b->state = BODY_TOO_LARGE;
			return 0;
		}
		size_t taken = result == HTTP_CHUNKED_DATA ? take(b, data, out) : 0;
		conn_use(b->conn, used);
		if (taken)
			return taken;
		if (result == HTTP_CHUNKED_MORE && conn_pending(b->conn).len == 0)
			(void)fill(b);
		else if (result == HTTP_CHUNKED_END || result == HTTP_CHUNKED_BAD)
			b->state = result == HTTP_CHUNKED_END ? BODY_DONE : BODY_BAD;
	}
	return 0;
}

size_t body_read(struct body *b, char *out, size_t n)
{
	if (b->state != BODY_OPEN)
		return 0;
	if (b->expects_continue && !conn_write(b->conn, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"))) {
		b->state = BODY_BAD;
		return 0;
	}
	b->expects_continue = false;
	return b->chunked ? read_chunked(b, out, n) : read_length(b, out, n);
}
