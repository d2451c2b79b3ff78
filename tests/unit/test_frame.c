/* test_frame.c: the rules of RFC 6455 in the frame reader, and the encoders. */
#include "frame_stream.h"

/* RFC 6455 section 5.7, those that a client sends. */
static void rfc_frames(void **state)
{
	(void)state;
	expect_raw(SLICE_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text:Hello");
	expect_raw(SLICE_LIT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "pong:Hello");
	/* the server's forms, unmasked, are no client's */
	expect_raw(SLICE_LIT("\x81\x05\x48\x65\x6c\x6c\x6f"), "fail:1002");
	expect_raw(SLICE_LIT("\x89\x05\x48\x65\x6c\x6c\x6f"), "fail:1002");
	expect_raw(SLICE_LIT("\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"), "fail:1002");
}

static void single_frames(void **state)
{
	(void)state;
	autobuf text = { 0 };
	expect_one(FIN | TEXT, SLICE_LIT(""), "text");
	expect_one(FIN | TEXT, SLICE_LIT("x"), "text:x");
	expect_one(FIN | TEXT, SLICE_LIT("\xe2\x82\xac"), "text:\xe2\x82\xac");
	expect_one(FIN | TEXT, repeated(&text, 'a', 125), "text:125 bytes");
	expect_one(FIN | TEXT, repeated(&text, 'a', 126), "text:126 bytes");
	expect_one(FIN | TEXT, repeated(&text, 'a', MAX_MESSAGE), "text:1000 bytes");
	expect_one(FIN | BINARY, SLICE_LIT(""), "binary");
	expect_one(FIN | BINARY, SLICE_LIT("\xff\xfe"), "binary");
	expect_one(FIN | BINARY, repeated(&text, 'a', MAX_MESSAGE), "binary");
	expect_one(FIN | PING, SLICE_LIT(""), "ping");
	expect_one(FIN | PING, SLICE_LIT("p"), "ping:p");
	expect_one(FIN | PING, repeated(&text, 'a', 125), "ping:125 bytes");
	expect_one(FIN | PONG, SLICE_LIT("unasked"), "pong:unasked");
}

static void wide_lengths(void **state)
{
	(void)state;
	autobuf text = { 0 };
	autobuf in = { 0 };
	static const size_t sizes[] = { 65535, 65536, 200000 };
	static const char *const events[] = { "text:65535 bytes", "text:65536 bytes", "text:200000 bytes" };
	for (size_t i = 0; i < 3; i++) {
		add_frame(&in, FIN | TEXT, repeated(&text, 'a', sizes[i]));
		expect_max(&in, 1 << 20, false, events[i]);
	}
}

static void sequences(void **state)
{
	(void)state;
	autobuf in = { 0 };
	add_text(&in, FIN | TEXT, "one");
	add_text(&in, FIN | PING, "p");
	add_text(&in, FIN | TEXT, "");
	add_text(&in, FIN | BINARY, "b");
	add_text(&in, FIN | TEXT, "two");
	expect(&in, "text:one ping:p text binary text:two");
}

static void fragments(void **state)
{
	(void)state;
	autobuf in = { 0 };
	add_text(&in, TEXT, "Hel");
	add_text(&in, FIN | CONT, "lo");
	add_text(&in, TEXT, "");
	add_text(&in, CONT, "");
	add_text(&in, FIN | CONT, "");
	add_text(&in, TEXT, "a");
	add_text(&in, CONT, "");
	add_text(&in, CONT, "b");
	add_text(&in, FIN | CONT, "");
	add_text(&in, TEXT, "");
	add_text(&in, FIN | CONT, "late");
	add_text(&in, BINARY, "\xff");
	add_text(&in, FIN | CONT, "\xff");
	expect(&in, "text:Hello text text:ab text:late binary");
	/* a character cut between fragments */
	add_text(&in, TEXT, "\xf0\x9f");
	add_text(&in, CONT, "\x98");
	add_text(&in, FIN | CONT, "\x80");
	expect(&in, "text:\xf0\x9f\x98\x80");
}

static void control_between_fragments(void **state)
{
	(void)state;
	autobuf in = { 0 };
	add_text(&in, TEXT, "a");
	add_text(&in, FIN | PING, "1");
	add_text(&in, CONT, "b");
	add_text(&in, FIN | PONG, "2");
	add_text(&in, FIN | PING, "");
	add_text(&in, FIN | CONT, "c");
	add_text(&in, BINARY, "x");
	add_text(&in, FIN | PING, "3");
	add_text(&in, FIN | CONT, "y");
	expect(&in, "ping:1 pong:2 ping text:abc ping:3 binary");
	add_text(&in, TEXT, "a");
	add_text(&in, FIN | CLOSE, "\x03\xe8");
	add_text(&in, FIN | CONT, "b");
	expect(&in, "close:1000");
}

static void continuation_rules(void **state)
{
	(void)state;
	autobuf in = { 0 };
	expect_one(CONT, SLICE_LIT("a"), "fail:1002");
	expect_one(FIN | CONT, SLICE_LIT("a"), "fail:1002");
	static const int openers[] = { TEXT, FIN | TEXT, BINARY, FIN | BINARY };
	for (size_t i = 0; i < 4; i++) {
		add_text(&in, TEXT, "a");
		add_text(&in, openers[i], "b");
		expect(&in, "fail:1002");
	}
	add_text(&in, TEXT, "a");
	add_text(&in, FIN | CONT, "b");
	add_text(&in, FIN | CONT, "c");
	expect(&in, "text:ab fail:1002");
}

static void reserved_bits_and_opcodes(void **state)
{
	(void)state;
	autobuf in = { 0 };
	static const int bits[] = { RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3 };
	static const int opcodes[] = { TEXT, BINARY, PING, PONG, CLOSE };
	for (size_t b = 0; b < 5; b++)
		for (size_t o = 0; o < 5; o++)
			expect_one(FIN | bits[b] | opcodes[o], SLICE_LIT("\x03\xe8"), "fail:1002");
	for (int opcode = 0; opcode < 16; opcode++) {
		if ((opcode > BINARY && opcode < CLOSE) || opcode > PONG) {
			expect_one(FIN | opcode, SLICE_LIT("x"), "fail:1002");
			add_text(&in, TEXT, "a");
			add_text(&in, FIN | opcode, "x");
			expect(&in, "fail:1002");
		}
	}
}

static void control_limits(void **state)
{
	(void)state;
	autobuf text = { 0 };
	static const int opcodes[] = { PING, PONG, CLOSE };
	for (size_t i = 0; i < 3; i++) {
		expect_one(FIN | opcodes[i], repeated(&text, 'a', 126), "fail:1002");
		expect_one(FIN | opcodes[i], repeated(&text, 'a', 70000), "fail:1002");
		expect_one(opcodes[i], SLICE_LIT("x"), "fail:1002");
	}
}

static void length_forms(void **state)
{
	(void)state;
	autobuf text = { 0 };
	autobuf in = { 0 };
	add_frame_width(&in, FIN | TEXT, 2, repeated(&text, 'a', 125));
	expect(&in, "fail:1002");
	add_frame_width(&in, FIN | TEXT, 8, repeated(&text, 'a', 125));
	expect(&in, "fail:1002");
	add_frame_width(&in, FIN | TEXT, 8, repeated(&text, 'a', 65535));
	expect_max(&in, 1 << 20, false, "fail:1002");
	add_frame_width(&in, FIN | PING, 2, SLICE_LIT("a"));
	expect(&in, "fail:1002");
	expect_raw(SLICE_LIT("\x81\xff\x80\0\0\0\0\0\0\0mask"), "fail:1002");
	expect_raw(SLICE_LIT("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffmask"), "fail:1002");
	expect_raw(SLICE_LIT("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"), "fail:1009");
}

static void too_big(void **state)
{
	(void)state;
	autobuf text = { 0 };
	autobuf in = { 0 };
	/* certain with the header, before any payload */
	expect_raw(SLICE_LIT("\x81\xfe\x03\xe9mask"), "fail:1009");
	expect_raw(SLICE_LIT("\x82\xfe\x03\xe9mask"), "fail:1009");
	static const int openers[] = { TEXT, BINARY };
	for (size_t i = 0; i < 2; i++) {
		add_frame(&in, openers[i], repeated(&text, 'a', 600));
		add_frame(&in, CONT, repeated(&text, 'a', 400));
		add_frame(&in, FIN | PING, SLICE_LIT("p"));
		buf_add_str(&in, "\x80\x81mask");
		expect(&in, "ping:p fail:1009");
	}
	add_frame(&in, TEXT, repeated(&text, 'a', 999));
	buf_add_str(&in, "\x80\xffXXXXXXXXmask");
	memcpy(in.data + in.len - 12, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8);
	expect(&in, "fail:1009");
	add_text(&in, FIN | TEXT, "");
	add_text(&in, FIN | TEXT, "a");
	expect_max(&in, 0, false, "text fail:1009");
}

static void bad_text(void **state)
{
	(void)state;
	autobuf in = { 0 };
	expect_one(FIN | TEXT, SLICE_LIT("\xff"), "fail:1007");
	expect_one(FIN | TEXT, SLICE_LIT("abc\xed\xa0\x80"), "fail:1007");
	expect_one(FIN | TEXT, SLICE_LIT("cut \xe2\x82"), "fail:1007");
	add_text(&in, TEXT, "\xe2\x82");
	add_text(&in, FIN | CONT, "");
	expect(&in, "fail:1007");
	add_text(&in, FIN | TEXT, "fine");
	add_text(&in, TEXT, "\xe2");
	add_text(&in, FIN | PING, "p");
	add_text(&in, FIN | CONT, "x");
	expect(&in, "text:fine ping:p fail:1007");
	/* at once, though most of the frame is still to come */
	expect_raw(SLICE_LIT("\x81\xfe\x03\xe8\0\0\0\0abc\xc0"), "fail:1007");
	/* control payloads are bytes */
	expect_one(FIN | PING, SLICE_LIT("\xff"), "ping:\xff");
}

static void closes(void **state)
{
	(void)state;
	autobuf in = { 0 };
	expect_one(FIN | CLOSE, SLICE_LIT(""), "close:1005");
	expect_one(FIN | CLOSE, SLICE_LIT("\x03\xe8"), "close:1000");
	expect_one(FIN | CLOSE,
		   SLICE_LIT("\x03\xe8"
			     "bye \xe2\x82\xac"),
		   "close:1000:bye \xe2\x82\xac");
	expect_one(FIN | CLOSE, SLICE_LIT("\x03"), "fail:1002");
	expect_one(FIN | CLOSE, SLICE_LIT("\x03\xe8\xff"), "fail:1007");
	expect_one(FIN | CLOSE, SLICE_LIT("\x03\xe8\xe2\x82"), "fail:1007");
	/* nothing counts after it */
	add_text(&in, FIN | CLOSE, "\x03\xe9");
	add_text(&in, FIN | TEXT, "late");
	add_text(&in, FIN | CLOSE, "\x03\xe9");
	expect(&in, "close:1001");
}

static bool code_allowed(unsigned code)
{
	static const struct {
		unsigned min, max;
	} allowed[] = { { 1000, 1003 }, { 1007, 1014 }, { 3000, 4999 } };
	for (size_t i = 0; i < 3; i++)
		if (code >= allowed[i].min && code <= allowed[i].max)
			return true;
	return false;
}

static void close_codes(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 65536; code++) {
		struct frame_reader r;
		struct frame_event ev;
		uint8_t in[] = { FIN | CLOSE, 0x82, 0, 0, 0, 0, (uint8_t)(code >> 8), (uint8_t)code };
		frame_reader_init(&r, MAX_MESSAGE, false);
		assert_int_equal(frame_reader_feed(&r, in, sizeof(in), &ev), sizeof(in));
		assert_int_equal(ev.kind, code_allowed(code) ? FRAME_CLOSE : FRAME_FAIL);
		assert_int_equal(ev.code, code_allowed(code) ? code : FRAME_CLOSE_PROTOCOL);
		assert_int_equal(frame_close_code_valid((uint16_t)code), code_allowed(code));
		frame_reader_free(&r);
	}
}

/* Encoders */

static void header_encoding(void **state)
{
	(void)state;
	static const struct {
		uint64_t len;
		bool rsv1;
		enum frame_opcode opcode;
		struct slice bytes;
	} cases[] = {
		{ 5, false, TEXT, { "\x81\x05", 2 } },
		{ 7, true, TEXT, { "\xc1\x07", 2 } },
		{ 0, false, PING, { "\x89\0", 2 } },
		{ 125, false, PONG, { "\x8a\x7d", 2 } },
		{ 126, false, TEXT, { "\x81\x7e\0\x7e", 4 } },
		{ 256, false, BINARY, { "\x82\x7e\x01\0", 4 } },
		{ 65535, false, TEXT, { "\x81\x7e\xff\xff", 4 } },
		{ 65536, false, TEXT, { "\x81\x7f\0\0\0\0\0\x01\0\0", 10 } },
		{ UINT64_C(0x1122334455667788), false, TEXT, { "\x81\x7f\x11\x22\x33\x44\x55\x66\x77\x88", 10 } },
		{ 2, false, CLOSE, { "\x88\x02", 2 } },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[FRAME_HEADER_MAX];
		size_t n = frame_header_encode(out, cases[i].opcode, cases[i].rsv1, cases[i].len);
		assert_int_equal(n, cases[i].bytes.len);
		assert_memory_equal(out, cases[i].bytes.ptr, n);
	}
}

static void close_encoding(void **state)
{
	(void)state;
	uint8_t out[FRAME_CONTROL_MAX];
	autobuf text = { 0 };
	assert_int_equal(frame_close_encode(out, FRAME_CLOSE_NO_CODE, SLICE_LIT("ignored")), 0);
	assert_int_equal(frame_close_encode(out, 1000, SLICE_LIT("")), 2);
	assert_memory_equal(out, "\x03\xe8", 2);
	assert_int_equal(frame_close_encode(out, 1012, SLICE_LIT("restart")), 9);
	assert_memory_equal(out, "\x03\xf4restart", 9);
	assert_int_equal(frame_close_encode(out, 1000, repeated(&text, 'a', 123)), 125);
	assert_int_equal(frame_close_encode(out, 1000, repeated(&text, 'a', 124)), 125);
	/* cut before a character, not inside */
	(void)repeated(&text, 'a', 121);
	buf_add_str(&text, "\xe2\x82\xac");
	assert_int_equal(frame_close_encode(out, 1000, buf_slice(&text)), 123);
	(void)repeated(&text, 'a', 120);
	buf_add_str(&text, "\xe2\x82\xac!");
	assert_int_equal(frame_close_encode(out, 1000, buf_slice(&text)), 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_frames),
		cmocka_unit_test(single_frames),
		cmocka_unit_test(wide_lengths),
		cmocka_unit_test(sequences),
		cmocka_unit_test(fragments),
		cmocka_unit_test(control_between_fragments),
		cmocka_unit_test(continuation_rules),
		cmocka_unit_test(reserved_bits_and_opcodes),
		cmocka_unit_test(control_limits),
		cmocka_unit_test(length_forms),
		cmocka_unit_test(too_big),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(closes),
		cmocka_unit_test(close_codes),
		cmocka_unit_test(header_encoding),
		cmocka_unit_test(close_encoding),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
