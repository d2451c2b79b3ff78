/* frame_stream.h: for the tests of the frame reader: builds client streams and compares the events that
 * they make, written as text. Each stream runs whole, cut in two at every place, and byte by byte. */
#ifndef CRAFT_TEST_FRAME_STREAM_H
#define CRAFT_TEST_FRAME_STREAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws-bridge/frame.h"

#define FIN 0x80
#define RSV1 0x40
#define RSV2 0x20
#define RSV3 0x10
#define CONT FRAME_OP_CONTINUATION
#define TEXT FRAME_OP_TEXT
#define BINARY FRAME_OP_BINARY
#define CLOSE FRAME_OP_CLOSE
#define PING FRAME_OP_PING
#define PONG FRAME_OP_PONG

#define MAX_MESSAGE 1000

/* Builders of client streams */

static inline void add_masked(struct buf *b, struct slice payload)
{
	static const char mask[4] = { 0x37, (char)0xfa, 0x21, 0x3d };
	buf_add(b, mask, 4);
	for (size_t i = 0; i < payload.len; i++)
		buf_add_char(b, payload.ptr[i] ^ mask[i % 4]);
}

/* A masked frame whose length is announced in `width` (0, 2, 8) bytes behind the second. */
static inline void add_frame_width(struct buf *b, int first, size_t width, struct slice payload)
{
	buf_add_char(b, (char)first);
	buf_add_char(b, (char)(0x80 | (width == 8 ? 127 : width == 2 ? 126 : payload.len)));
	for (size_t i = 0; i < width; i++)
		buf_add_char(b, (char)((uint64_t)payload.len >> 8 * (width - 1 - i)));
	add_masked(b, payload);
}

static inline void add_frame(struct buf *b, int first, struct slice payload)
{
	add_frame_width(b, first, payload.len > 65535 ? 8 : payload.len > 125 ? 2 : 0, payload);
}

static inline void add_text(struct buf *b, int first, const char *payload)
{
	add_frame(b, first, slice_of(payload));
}

/* Running a stream */

static const char *const kinds[] = { "none", "text", "binary", "ping", "pong", "close", "fail" };

static inline void record(struct buf *log, const struct frame_event *ev)
{
	buf_addf(log, "%s%s", log->len ? " " : "", kinds[ev->kind]);
	if (ev->code)
		buf_addf(log, ":%u", (unsigned)ev->code);
	if (ev->payload.len > 40)
		buf_addf(log, ":%zu bytes", ev->payload.len);
	else if (ev->payload.len > 0)
		buf_addf(log, ":%.*s", (int)ev->payload.len, ev->payload.ptr);
	assert_int_equal(ev->kind == FRAME_FAIL, ev->reason != NULL);
}

/* Feeds one piece, copied so that valgrind and ASan see every access beyond it. */
static inline void feed(struct frame_reader *r, struct slice piece, struct buf *log)
{
	char *copy = slice_dup(piece);
	uint8_t *data = (uint8_t *)copy;
	size_t len = piece.len;
	struct frame_event ev;
	do {
		size_t n = frame_reader_feed(r, data, len, &ev);
		assert_true(n <= len);
		if (ev.kind == FRAME_NONE || ev.kind == FRAME_FAIL || ev.kind == FRAME_CLOSE)
			assert_int_equal(n, len);
		else
			assert_true(n > 0);
		data += n;
		len -= n;
		if (ev.kind != FRAME_NONE && ev.kind != FRAME_BUSY)
			record(log, &ev);
	} while (ev.kind != FRAME_NONE);
	free(copy);
}

static inline void run_cut(const struct buf *in, size_t max, bool deflate, size_t first, size_t step,
			   const char *expected)
{
	struct frame_reader r;
	autobuf log = { 0 };
	frame_reader_init(&r, max, deflate);
	for (size_t at = 0; at < in->len;) {
		size_t n = at == 0 && first ? first : step;
		if (n > in->len - at)
			n = in->len - at;
		feed(&r, slice_make(in->data + at, n), &log);
		at += n;
	}
	frame_reader_free(&r);
	assert_string_equal(buf_cstr(&log), expected);
}

static inline void expect_max(struct buf *in, size_t max, bool deflate, const char *expected)
{
	size_t stride = in->len < 600 ? 1 : in->len / 97;
	for (size_t first = 0; first < in->len; first += stride)
		run_cut(in, max, deflate, first, SIZE_MAX, expected);
	if (in->len < 20000) {
		run_cut(in, max, deflate, 0, 1, expected);
		run_cut(in, max, deflate, 0, 3, expected);
	}
	buf_clear(in);
}

static inline void expect(struct buf *in, const char *expected)
{
	expect_max(in, MAX_MESSAGE, false, expected);
}

static inline void expect_deflate(struct buf *in, const char *expected)
{
	expect_max(in, MAX_MESSAGE, true, expected);
}

/* One frame, one outcome. */
static inline void expect_one(int first, struct slice payload, const char *expected)
{
	autobuf in = { 0 };
	add_frame(&in, first, payload);
	expect(&in, expected);
}

static inline void expect_raw(struct slice bytes, const char *expected)
{
	autobuf in = { 0 };
	buf_add_slice(&in, bytes);
	expect(&in, expected);
}

static inline struct slice repeated(struct buf *b, char c, size_t n)
{
	buf_clear(b);
	memset(buf_reserve(b, n), c, n);
	b->len = n;
	return buf_slice(b);
}

#endif
