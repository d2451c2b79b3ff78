/* test_deflate.c: permessage-deflate of single messages: what the encoder makes, the vectors of
 * RFC 7692 section 7.2.3, broken data, and decoding in pieces. */
#include "ws-bridge/deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Decodes a message that comes in pieces of `step` bytes into rooms of `room` bytes. */
static enum deflate_result decode(struct slice in, size_t step, size_t room, struct buf *out)
{
	struct deflate_decoder *d = deflate_decoder_new();
	enum deflate_result rc = DEFLATE_OK;
	do {
		struct slice piece = { in.ptr, in.len < step ? in.len : step };
		in = slice_make(in.ptr + piece.len, in.len - piece.len);
		do {
			char *at = buf_reserve(out, room);
			size_t n = room;
			rc = deflate_decode(d, &piece, in.len == 0, at, &n);
			assert_true(n <= room);
			out->len += n;
		} while (rc == DEFLATE_FULL);
	} while (in.len > 0 && rc == DEFLATE_OK);
	deflate_decoder_free(d);
	return rc;
}

/* However it is cut, the message decodes to `plain`. */
static void expect_decoded(struct slice in, struct slice plain)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000, SIZE_MAX };
	static const size_t rooms[] = { 1, 2, 5, 4096 };
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
			autobuf out = { 0 };
			assert_int_equal(decode(in, steps[s], rooms[r], &out), DEFLATE_OK);
			assert_true(slice_eq(buf_slice(&out), plain));
		}
	}
}

static void expect_bad(struct slice in)
{
	static const size_t steps[] = { 1, 2, SIZE_MAX };
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		autobuf out = { 0 };
		assert_int_equal(decode(in, steps[s], 64, &out), DEFLATE_BAD);
	}
}

static void rfc_vectors(void **state)
{
	(void)state;
	struct slice hello = SLICE_LIT("Hello");
	/* 7.2.3.1 a fixed Huffman block, 7.2.3.3 one without compression */
	expect_decoded(SLICE_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), hello);
	expect_decoded(SLICE_LIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), hello);
	/* 7.2.3.4 BFINAL set, 7.2.3.5 two blocks */
	expect_decoded(SLICE_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), hello);
	expect_decoded(SLICE_LIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), hello);
	/* 7.2.3.6 the empty message; 7.2.3.2 needs the context of the message before, which was declined */
	expect_decoded(SLICE_LIT("\x00"), SLICE_LIT(""));
	expect_bad(SLICE_LIT("\xf2\x00\x11\x00\x00"));
}

/* Forms that other implementations send and accept. */
static void tolerated_ends(void **state)
{
	(void)state;
	struct slice hello = SLICE_LIT("Hello");
	expect_decoded(SLICE_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00"), hello);		  /* BFINAL, no byte added */
	expect_decoded(SLICE_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), hello); /* tail not removed */
	expect_decoded(SLICE_LIT(""), SLICE_LIT(""));
	expect_decoded(SLICE_LIT("\x02\x00"), SLICE_LIT(""));
	/* two streams, each with BFINAL */
	expect_decoded(SLICE_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00"), SLICE_LIT("HelloHello"));
}

static void broken_data(void **state)
{
	(void)state;
	expect_bad(SLICE_LIT("\x06")); /* reserved block type */
	expect_bad(SLICE_LIT("\xff\xff\xff\xff"));
	expect_bad(SLICE_LIT("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f")); /* length check */
	expect_bad(SLICE_LIT("\x00\x06\x00\xf9\xff\x48"));		   /* cut inside a block */
	expect_bad(SLICE_LIT("\xf2\x48\xcd"));
	expect_bad(SLICE_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00 junk"));
}

/* Text that compresses badly or well, of a size. */
static void fill(struct buf *b, size_t n, bool noise)
{
	uint32_t x = 12345;
	buf_clear(b);
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		buf_add_char(b, noise ? (char)(x >> 24) : (char)('a' + i % 17));
	}
}

static void round_trips(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 2, 63, 1024, 4096, 65535, 65536, 70000, 300000 };
	autobuf plain = { 0 };
	for (int level = 1; level <= 9; level++) {
		struct deflate_encoder *e = deflate_encoder_new(level);
		for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			fill(&plain, sizes[i / 2], i % 2);
			autobuf packed = { 0 };
			autobuf unpacked = { 0 };
			deflate_encode(e, buf_slice(&plain), &packed);
			assert_true(packed.len >= 1);
			assert_int_equal(decode(buf_slice(&packed), SIZE_MAX, 65536, &unpacked), DEFLATE_OK);
			assert_true(slice_eq(buf_slice(&unpacked), buf_slice(&plain)));
			if (plain.len >= 1024 && i % 2 == 0)
				assert_true(packed.len < plain.len / 4);
		}
		deflate_encoder_free(e);
	}
}

/* A message is the same whatever was encoded before it, and goes behind what the buffer holds. */
static void no_context(void **state)
{
	(void)state;
	struct deflate_encoder *e = deflate_encoder_new(6);
	autobuf first = { 0 };
	autobuf second = { 0 };
	buf_add_str(&second, "kept");
	deflate_encode(e, SLICE_LIT("Hello"), &first);
	deflate_encode(e, SLICE_LIT("Hello"), &second);
	assert_true(slice_eq(buf_slice(&first), SLICE_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00")));
	assert_true(slice_eq(buf_slice(&second), SLICE_LIT("kept\xf2\x48\xcd\xc9\xc9\x07\x00")));
	deflate_encoder_free(e);
}

static void empty_message(void **state)
{
	(void)state;
	struct deflate_encoder *e = deflate_encoder_new(DEFLATE_LEVEL_DEFAULT);
	autobuf out = { 0 };
	deflate_encode(e, SLICE_LIT(""), &out);
	assert_true(slice_eq(buf_slice(&out), SLICE_LIT("\0")));
	deflate_encoder_free(e);
}

/* A room is never overrun, whatever the data inflate to: 16 MB out of a few KB come chunk by chunk. */
static void bounded_output(void **state)
{
	(void)state;
	struct deflate_encoder *e = deflate_encoder_new(9);
	autobuf zeros = { 0 };
	autobuf packed = { 0 };
	size_t n = (size_t)16 << 20;
	memset(buf_reserve(&zeros, n), 0, n);
	zeros.len = n;
	deflate_encode(e, buf_slice(&zeros), &packed);
	assert_true(packed.len < (size_t)64 * 1024);
	struct deflate_decoder *d = deflate_decoder_new();
	struct slice in = buf_slice(&packed);
	char out[1000];
	size_t room = sizeof(out);
	assert_int_equal(deflate_decode(d, &in, true, out, &room), DEFLATE_FULL);
	assert_int_equal(room, sizeof(out));
	deflate_decoder_free(d);
	deflate_encoder_free(e);
}

/* What the bytes so far stand for comes out with them, in however small rooms, not with the next ones. */
static void nothing_held_back(void **state)
{
	(void)state;
	struct deflate_encoder *e = deflate_encoder_new(9);
	struct deflate_decoder *d = deflate_decoder_new();
	autobuf plain = { 0 };
	autobuf packed = { 0 };
	memset(buf_reserve(&plain, 1000), 'a', 1000);
	plain.len = 1000;
	deflate_encode(e, buf_slice(&plain), &packed);
	struct slice in = buf_slice(&packed);
	size_t got = 0;
	enum deflate_result rc;
	do {
		char out[7];
		size_t room = sizeof(out);
		rc = deflate_decode(d, &in, false, out, &room);
		got += room;
	} while (rc == DEFLATE_FULL);
	assert_int_equal(rc, DEFLATE_OK);
	assert_int_equal(got, 1000);
	deflate_decoder_free(d);
	deflate_encoder_free(e);
}

static void free_nothing(void **state)
{
	(void)state;
	deflate_encoder_free(NULL);
	deflate_decoder_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_vectors),	  cmocka_unit_test(tolerated_ends),    cmocka_unit_test(broken_data),
		cmocka_unit_test(round_trips),	  cmocka_unit_test(no_context),	       cmocka_unit_test(empty_message),
		cmocka_unit_test(bounded_output), cmocka_unit_test(nothing_held_back), cmocka_unit_test(free_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
