/* fuzz_monitor_http.c: any bytes as a request to whoever tells of a daemon: the same answer however it is cut,
 * well-formed, with a length that is its body's, and never later than at the bound of a head. */
#include <assert.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/monitor_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(void *user, struct buf *out)
{
	(void)user;
	buf_add_str(out, "m 1\n");
}

static bool ready(void *user, struct buf *reason)
{
	(void)user;
	buf_add_str(reason, "why");
	return false;
}

static const struct monitor_source source = { print, ready, NULL };

/* As from a socket: what came is kept, up to the bound. An exact copy, so that reading beyond the end is seen. */
static bool answer(const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
	size_t bound = size < MONITOR_HEAD_MAX ? size : MONITOR_HEAD_MAX;
	for (size_t have = 0; have < bound;) {
		have += bound - have < piece ? bound - have : piece;
		autofree char *copy = xmalloc(have);
		memcpy(copy, data, have);
		if (monitor_answer(&source, slice_make(copy, have), out))
			return true;
	}
	assert(bound < MONITOR_HEAD_MAX);
	return false;
}

static void check(struct buf *out)
{
	static const char begin[] = "HTTP/1.1 ", length[] = "\r\nContent-Length: ";
	const char *text = buf_cstr(out), *end = strstr(text, "\r\n\r\n"), *at = strstr(text, length);
	assert(strncmp(text, begin, sizeof(begin) - 1) == 0 && end && at && at < end);
	size_t body = strlen(end + 4);
	assert(out->len == (size_t)(end + 4 - text) + body);
	assert(body == 0 || body == strtoul(at + sizeof(length) - 1, NULL, 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf whole = { 0 }, parts = { 0 };
	if (size < 2)
		return 0;
	bool complete = answer(data + 1, size - 1, size, &whole);
	assert(answer(data + 1, size - 1, (size_t)data[0] + 1, &parts) == complete);
	assert(slice_eq(buf_slice(&whole), buf_slice(&parts)) || size > MONITOR_HEAD_MAX);
	if (complete)
		check(&whole);
	return 0;
}
