/* test_frame_memory.c: the frame reader where it holds memory: compressed messages, and who owns which
 * payload for how long. */
#include "frame_stream.h"

#include "ws-bridge/deflate.h"

#define HELLO_DEFLATED SLICE_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00")

/* RFC 7692 sections 7.2.3.1 to 7.2.3.6 as frames. */
static void deflate_vectors(void **state)
{
	(void)state;
	autobuf in = { 0 };
	add_frame(&in, FIN | RSV1 | TEXT, HELLO_DEFLATED);
	add_frame(&in, RSV1 | TEXT, SLICE_LIT("\xf2\x48\xcd"));
	add_frame(&in, FIN | PING, SLICE_LIT("p"));
	add_frame(&in, FIN | CONT, SLICE_LIT("\xc9\xc9\x07\x00"));
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"));
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"));
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"));
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\x00"));
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT(""));
	add_frame(&in, FIN | RSV1 | BINARY, HELLO_DEFLATED);
	add_frame(&in, FIN | TEXT, SLICE_LIT("plain"));
	expect_deflate(&in,
		       "text:Hello ping:p text:Hello text:Hello text:Hello text:Hello text text binary text:plain");
}

static void deflate_fragments(void **state)
{
	(void)state;
	autobuf in = { 0 };
	struct slice hello = HELLO_DEFLATED;
	for (size_t i = 0; i <= hello.len; i++) {
		add_frame(&in, RSV1 | TEXT, slice_make(hello.ptr, i));
		add_frame(&in, CONT, SLICE_LIT(""));
		add_frame(&in, FIN | CONT, slice_make(hello.ptr + i, hello.len - i));
		add_frame(&in, FIN | PING, SLICE_LIT("p"));
		expect_deflate(&in, "text:Hello ping:p");
	}
}

static void deflate_rules(void **state)
{
	(void)state;
	autobuf in = { 0 };
	/* not agreed */
	add_frame(&in, FIN | RSV1 | TEXT, HELLO_DEFLATED);
	expect(&in, "fail:1002");
	/* only the first frame of a message has the bit, control frames never */
	add_frame(&in, RSV1 | TEXT, SLICE_LIT("\xf2\x48\xcd"));
	add_frame(&in, FIN | RSV1 | CONT, SLICE_LIT("\xc9\xc9\x07\x00"));
	expect_deflate(&in, "fail:1002");
	add_frame(&in, TEXT, SLICE_LIT("a"));
	add_frame(&in, FIN | RSV1 | CONT, HELLO_DEFLATED);
	expect_deflate(&in, "fail:1002");
	add_frame(&in, FIN | RSV1 | PING, SLICE_LIT("p"));
	expect_deflate(&in, "fail:1002");
	add_frame(&in, FIN | RSV2 | TEXT, SLICE_LIT("p"));
	expect_deflate(&in, "fail:1002");
	/* data */
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\xff\xff\xff\xff"));
	expect_deflate(&in, "fail:1007");
	add_frame(&in, FIN | RSV1 | BINARY, SLICE_LIT("\xff\xff\xff\xff"));
	expect_deflate(&in, "fail:1007");
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\xf2\x48\xcd"));
	expect_deflate(&in, "fail:1007");
	/* with the context of the message before, which was declined (7.2.3.2) */
	add_frame(&in, FIN | RSV1 | TEXT, HELLO_DEFLATED);
	add_frame(&in, FIN | RSV1 | TEXT, SLICE_LIT("\xf2\x00\x11\x00\x00"));
	expect_deflate(&in, "text:Hello fail:1007");
}

static void add_deflated(struct buf *in, int first, struct slice plain)
{
	struct deflate_encoder *e = deflate_encoder_new(9);
	autobuf packed = { 0 };
	deflate_encode(e, plain, &packed);
	add_frame(in, first | RSV1, buf_slice(&packed));
	deflate_encoder_free(e);
}

static void deflate_limits(void **state)
{
	(void)state;
	autobuf text = { 0 };
	autobuf in = { 0 };
	static const int openers[] = { FIN | TEXT, FIN | BINARY };
	static const char *const fits[] = { "text:1000 bytes", "binary" };
	for (size_t i = 0; i < 2; i++) {
		add_deflated(&in, openers[i], repeated(&text, 'a', MAX_MESSAGE));
		expect_deflate(&in, fits[i]);
		add_deflated(&in, openers[i], repeated(&text, 'a', MAX_MESSAGE + 1));
		expect_deflate(&in, "fail:1009");
		add_deflated(&in, openers[i], repeated(&text, 'a', 8 << 20));
		expect_deflate(&in, "fail:1009");
	}
	add_deflated(&in, FIN | TEXT, repeated(&text, 'a', 100000));
	expect_max(&in, 100000, true, "text:100000 bytes");
	/* bad text beyond the cap is too big, before it bad text */
	(void)repeated(&text, 'a', MAX_MESSAGE + 1);
	text.data[MAX_MESSAGE] = (char)0xff;
	add_deflated(&in, FIN | TEXT, buf_slice(&text));
	expect_deflate(&in, "fail:1009");
	text.data[MAX_MESSAGE - 1] = (char)0xff;
	add_deflated(&in, FIN | TEXT, buf_slice(&text));
	expect_deflate(&in, "fail:1007");
	/* data that never make output end somewhere: empty stored blocks */
	add_frame(&in, RSV1 | TEXT, SLICE_LIT("\x00\x00\x00\xff\xff"));
	for (int i = 0; i < 1000; i++)
		add_frame(&in, CONT, SLICE_LIT("\x00\x00\x00\xff\xff"));
	expect_deflate(&in, "fail:1009");
}

static void deflate_text_checked(void **state)
{
	(void)state;
	autobuf in = { 0 };
	add_deflated(&in, FIN | TEXT, SLICE_LIT("\xf0\x9f\x98\x80"));
	add_deflated(&in, FIN | TEXT, SLICE_LIT("cut \xf0\x9f"));
	expect_deflate(&in, "text:\xf0\x9f\x98\x80 fail:1007");
	add_deflated(&in, TEXT, SLICE_LIT("\xc0 bad at once"));
	expect_deflate(&in, "fail:1007");
}

/* Memory: where payloads lie, who frees them, what an idle reader holds. */

static void zero_copy(void **state)
{
	(void)state;
	autobuf in = { 0 };
	struct frame_reader r;
	struct frame_event ev;
	frame_reader_init(&r, MAX_MESSAGE, false);
	add_text(&in, FIN | TEXT, "Hello");
	(void)frame_reader_feed(&r, (uint8_t *)in.data, in.len, &ev);
	assert_ptr_equal(ev.payload.ptr, in.data + 6);
	assert_null(r.message.data);
	autobuf taken = frame_reader_take(&r, &ev);
	assert_ptr_not_equal(taken.data, ev.payload.ptr);
	assert_true(slice_eq_str(buf_slice(&taken), "Hello"));
	frame_reader_free(&r);
}

static void take_assembled(void **state)
{
	(void)state;
	autobuf in = { 0 };
	struct frame_reader r;
	struct frame_event ev;
	frame_reader_init(&r, MAX_MESSAGE, false);
	add_text(&in, TEXT, "Hel");
	add_text(&in, FIN | CONT, "lo");
	(void)frame_reader_feed(&r, (uint8_t *)in.data, in.len, &ev);
	assert_int_equal(ev.kind, FRAME_TEXT);
	const char *where = ev.payload.ptr;
	autobuf taken = frame_reader_take(&r, &ev);
	assert_ptr_equal(taken.data, where);
	assert_true(slice_eq_str(buf_slice(&taken), "Hello"));
	assert_null(r.message.data);
	(void)frame_reader_feed(&r, NULL, 0, &ev);
	assert_int_equal(ev.kind, FRAME_NONE);
	frame_reader_free(&r);
}

/* A control frame between fragments: taking its payload leaves the message alone. */
static void take_control_payload(void **state)
{
	(void)state;
	autobuf in = { 0 };
	autobuf rest = { 0 };
	struct frame_reader r;
	struct frame_event ev;
	frame_reader_init(&r, MAX_MESSAGE, false);
	add_text(&in, TEXT, "Hel");
	add_text(&in, FIN | PING, "p");
	add_text(&rest, FIN | CONT, "lo");
	(void)frame_reader_feed(&r, (uint8_t *)in.data, in.len - 1, &ev);
	assert_int_equal(ev.kind, FRAME_NONE);
	(void)frame_reader_feed(&r, (uint8_t *)in.data + in.len - 1, 1, &ev);
	assert_int_equal(ev.kind, FRAME_PING);
	autobuf taken = frame_reader_take(&r, &ev);
	assert_true(slice_eq_str(buf_slice(&taken), "p"));
	(void)frame_reader_feed(&r, (uint8_t *)rest.data, rest.len, &ev);
	assert_true(slice_eq_str(ev.payload, "Hello"));
	frame_reader_free(&r);
}

static void idle_holds_nothing(void **state)
{
	(void)state;
	autobuf in = { 0 };
	autobuf log = { 0 };
	struct frame_reader r;
	frame_reader_init(&r, MAX_MESSAGE, true);
	add_frame(&in, FIN | RSV1 | TEXT, HELLO_DEFLATED);
	add_text(&in, TEXT, "a");
	add_text(&in, FIN | PING, "ping");
	add_text(&in, FIN | CONT, "b");
	for (size_t i = 0; i < in.len; i++)
		feed(&r, slice_make(in.data + i, 1), &log);
	assert_string_equal(buf_cstr(&log), "text:Hello ping:ping text:ab");
	assert_null(r.message.data);
	assert_null(r.control.data);
	assert_null(r.decoder);
	frame_reader_free(&r);
}

/* A frame that announces much and sends little costs little. */
static void announced_is_not_allocated(void **state)
{
	(void)state;
	struct frame_reader r;
	struct frame_event ev;
	uint8_t in[] = { FIN | TEXT, 0xff, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0, 0, 0, 'a', 'b' };
	frame_reader_init(&r, (size_t)64 << 20, false);
	assert_int_equal(frame_reader_feed(&r, in, sizeof(in), &ev), sizeof(in));
	assert_int_equal(ev.kind, FRAME_NONE);
	assert_int_equal(r.message.len, 2);
	assert_true(r.message.cap < 1024);
	frame_reader_free(&r);
}

/* What inflates to much is dealt with a share at a time, and comes out whole. */
static void inflating_takes_turns(void **state)
{
	(void)state;
	const size_t size = (size_t)8 << 20;
	struct frame_reader r;
	struct frame_event ev;
	autobuf blanks = { 0 }, packed = { 0 }, in = { 0 };
	memset(buf_reserve(&blanks, size), ' ', size);
	blanks.len = size;
	struct deflate_encoder *e = deflate_encoder_new(6);
	deflate_encode(e, buf_slice(&blanks), &packed);
	deflate_encoder_free(e);
	add_frame(&in, FIN | RSV1 | TEXT, buf_slice(&packed));
	frame_reader_init(&r, size, true);
	size_t at = 0, calls = 0;
	do {
		size_t before = r.size;
		at += frame_reader_feed(&r, (uint8_t *)in.data + at, in.len - at, &ev);
		calls++;
		assert_true(ev.kind == FRAME_TEXT || r.size - before <= (size_t)600 << 10);
		assert_true(frame_reader_memory(&r) <= 2 * size);
	} while (ev.kind == FRAME_BUSY);
	assert_int_equal(ev.kind, FRAME_TEXT);
	assert_int_equal(ev.payload.len, size);
	assert_int_equal(at, in.len);
	assert_true(calls > 13);
	assert_true(frame_reader_is_idle(&r));
	frame_reader_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deflate_vectors),	 cmocka_unit_test(deflate_fragments),
		cmocka_unit_test(deflate_rules),	 cmocka_unit_test(deflate_limits),
		cmocka_unit_test(deflate_text_checked),	 cmocka_unit_test(zero_copy),
		cmocka_unit_test(take_assembled),	 cmocka_unit_test(take_control_payload),
		cmocka_unit_test(idle_holds_nothing),	 cmocka_unit_test(announced_is_not_allocated),
		cmocka_unit_test(inflating_takes_turns),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
