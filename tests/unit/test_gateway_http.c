/* test_gateway_http.c: request heads, chunked bodies and heads of answers, as the gateways read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/gateway/answer_head.h"
#include "sandbox/gateway/http_chunked.h"
#include "sandbox/gateway/http_head.h"

static void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}

static enum http_head_result parse(const char *text, struct http_head *head)
{
	size_t used;
	return http_head_parse(slice_of(text), head, &used);
}

/* ---- heads ---- */

static void reads_a_head(void **state)
{
	static const char text[] =
		"POST /v1/messages?beta=true HTTP/1.1\r\nhost: x\r\nX-Empty:\r\nX-Blanks: \t a b\t \r\n"
		"CONTENT-length: 17\r\nExpect: 100-Continue\r\n\r\nbody\r\n\r\n";
	struct http_head head;
	struct slice value;
	size_t used;
	(void)state;
	assert_int_equal(http_head_parse(SLICE_LIT(text), &head, &used), HTTP_HEAD_OK);
	assert_int_equal(used, strlen(text) - strlen("body\r\n\r\n"));
	assert_slice(head.method, "POST");
	assert_slice(head.target, "/v1/messages?beta=true");
	assert_int_equal(head.count, 5);
	assert_true(http_head_get(&head, "x-blanks", &value));
	assert_slice(value, "a b");
	assert_true(http_head_get(&head, "X-EMPTY", &value));
	assert_slice(value, "");
	assert_false(http_head_get(&head, "x", &value));
	assert_true(head.has_length && head.length == 17 && !head.chunked);
	assert_true(head.keep_alive && head.expects_continue && !head.old);
}

static void knows_when_a_connection_ends(void **state)
{
	struct http_head head;
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n", &head), HTTP_HEAD_OK);
	assert_false(head.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &head), HTTP_HEAD_OK);
	assert_false(head.keep_alive);
	assert_true(head.old);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", &head), HTTP_HEAD_OK);
	assert_true(head.keep_alive && head.chunked && !head.has_length);
}

static void waits_for_the_end(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_head head;
	size_t used;
	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(http_head_parse(slice_make(text, n), &head, &used), HTTP_HEAD_MORE);
	assert_int_equal(http_head_parse(SLICE_LIT(text), &head, &used), HTTP_HEAD_OK);
}

static void refuses_heads(void **state)
{
	static const char *const bad[] = {
		"\r\n\r\n",
		"GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\r\nHost: x\n",
		" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
		"GET / http/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
		"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n",
		"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct http_head head;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse(bad[i], &head) != HTTP_HEAD_BAD)
			fail_msg("taken: %s", bad[i]);
}

static void bounds_heads(void **state)
{
	autobuf text = { 0 };
	struct http_head head;
	(void)state;
	buf_add_str(&text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (size_t i = 0; i < HTTP_HEAD_MAX_FIELDS - 1; i++)
		buf_add_str(&text, "A: b\r\n");
	size_t length = text.len;
	buf_add_str(&text, "\r\n");
	assert_int_equal(parse(buf_cstr(&text), &head), HTTP_HEAD_OK);
	text.len = length;
	buf_add_str(&text, "A: b\r\n\r\n");
	assert_int_equal(parse(buf_cstr(&text), &head), HTTP_HEAD_BAD);
	buf_clear(&text);
	buf_add_str(&text, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
	while (text.len < HTTP_HEAD_MAX)
		buf_add_char(&text, 'b');
	assert_int_equal(parse(buf_cstr(&text), &head), HTTP_HEAD_TOO_LARGE);
}

static void knows_what_belongs_to_a_connection(void **state)
{
	struct http_head head;
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: a, X-Mine\r\n\r\n", &head), HTTP_HEAD_OK);
	assert_true(http_head_hop_by_hop(&head, SLICE_LIT("x-mine")));
	assert_false(http_head_hop_by_hop(NULL, SLICE_LIT("x-mine")));
	assert_true(http_head_hop_by_hop(NULL, SLICE_LIT("Proxy-Authorization")));
	assert_true(http_head_hop_by_hop(NULL, SLICE_LIT("TE")));
	assert_false(http_head_hop_by_hop(NULL, SLICE_LIT("accept")));
}

/* ---- chunked bodies ---- */

/* Decodes a body that comes `step` bytes at a time; what is behind its end, in *rest. */
static enum http_chunked_result decode(const char *text, size_t step, struct buf *out, size_t *rest)
{
	struct http_chunked c = { 0 };
	size_t length = strlen(text), at = 0;
	enum http_chunked_result result = HTTP_CHUNKED_MORE;
	while (at < length && result != HTTP_CHUNKED_END && result != HTTP_CHUNKED_BAD) {
		size_t used;
		struct slice data;
		size_t n = length - at < step ? length - at : step;
		result = http_chunked_read(&c, slice_make(text + at, n), &used, &data);
		assert_true(used > 0 && used <= n);
		if (result == HTTP_CHUNKED_DATA)
			buf_add_slice(out, data);
		at += used;
	}
	*rest = length - at;
	return result;
}

static void decodes_chunks(void **state)
{
	(void)state;
	for (size_t step = 1; step < 80; step++) {
		autobuf out = { 0 };
		size_t rest;
		assert_int_equal(decode("5\r\nhello\r\n00A;x=\"y\"\r\n, my world\r\n0\r\nTrailer: a\r\nB: c\r\n\r\nGET",
					step, &out, &rest),
				 HTTP_CHUNKED_END);
		assert_slice(buf_slice(&out), "hello, my world");
		assert_int_equal(rest, 3);
	}
}

static void refuses_chunks(void **state)
{
	static const char *const bad[] = {
		"\r\n",		  ";x\r\n",	   "x\r\n",	    "5 \r\nhello",	     "5\nhello",
		"5\r\nhelloX",	  "5\r\nhello\nX", "5\r\nhello\rX", "-5\r\nhello",	     "0x5\r\nhello",
		"0\r\nA: b\nC: ", "5;x\ny\r\n",	   "0\r\n\rX",	    "fffffffffffffffff\r\n", "+5\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		autobuf out = { 0 };
		size_t rest;
		if (decode(bad[i], 3, &out, &rest) != HTTP_CHUNKED_BAD)
			fail_msg("taken: %s", bad[i]);
	}
}

static void bounds_trailers(void **state)
{
	autobuf text = { 0 }, out = { 0 };
	size_t rest;
	(void)state;
	buf_add_str(&text, "0\r\n");
	for (size_t i = 0; i < 3000; i++)
		buf_add_str(&text, "A: b\r\n");
	assert_int_equal(decode(buf_cstr(&text), 100, &out, &rest), HTTP_CHUNKED_BAD);
}

/* ---- answers ---- */

static void add_lines(struct answer_head *a, const char *const *lines, struct slice secret)
{
	for (; *lines; lines++)
		assert_int_equal(answer_head_add(a, slice_of(*lines), secret), ANSWER_HEAD_MORE);
}

static void cleans_answers(void **state)
{
	static const char *const lines[] = { "HTTP/1.1 100 Continue\r\n",
					     "X-First: 1\r\n",
					     "\r\n",
					     "HTTP/1.1 429 Too Many\r\n",
					     "Retry-After:  7 \r\n",
					     "Set-Cookie: a\r\n",
					     "Connection: close\r\n",
					     "X-Echo: <secret><secret>\r\n",
					     " folded\r\n",
					     "X-Bad: a\rb\r\n",
					     "no colon\r\n",
					     "Bad Name: x\r\n",
					     "Content-Length: 12\r\n",
					     NULL };
	struct answer_head a = { 0 };
	autobuf out = { 0 };
	(void)state;
	add_lines(&a, lines, SLICE_LIT("secret"));
	assert_int_equal(answer_head_add(&a, SLICE_LIT("\r\n"), SLICE_LIT("secret")), ANSWER_HEAD_WHOLE);
	assert_int_equal(a.status, 429);
	answer_head_write(&a, &out, false);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 429 \r\nRetry-After: 7\r\nX-Echo: <***><***>\r\n"
					    "Content-Length: 12\r\n\r\n");
	assert_false(a.chunked);
	answer_head_free(&a);
}

static void frames_answers(void **state)
{
	static const char *const both[] = { "HTTP/1.1 200 OK", "Content-Length: 12", "Transfer-Encoding: chunked",
					    NULL };
	static const char *const none[] = { "HTTP/1.1 204 Nothing", "Content-Length: 12", NULL };
	struct answer_head a = { 0 }, b = { 0 };
	autobuf out = { 0 };
	(void)state;
	add_lines(&a, both, SLICE_LIT(""));
	answer_head_write(&a, &out, true);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
	assert_true(a.chunked);
	buf_clear(&out);
	add_lines(&b, none, SLICE_LIT(""));
	answer_head_write(&b, &out, false);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 204 \r\n\r\n");
	assert_false(b.chunked);
	answer_head_free(&a);
	answer_head_free(&b);
}

static void tells_no_secret(void **state)
{
	static const char *const lines[] = { "HTTP/1.1 204 Nothing", "secret: 1", "X-secret-Y: 2",
					     "X: asecretsecretb",    "Secret: 3", NULL };
	struct answer_head a = { 0 };
	autobuf out = { 0 };
	(void)state;
	add_lines(&a, lines, SLICE_LIT("secret"));
	answer_head_write(&a, &out, false);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 204 \r\nX: a******b\r\nSecret: 3\r\n\r\n");
	answer_head_free(&a);
}

static void frames_odd_lengths_anew(void **state)
{
	static const char *const odd[] = { "12abc", "-1", "5, 5", "0x10", "", "+5" };
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct answer_head a = { 0 };
		autobuf line = { 0 }, out = { 0 };
		buf_addf(&line, "Content-Length: %s\r\n", odd[i]);
		add_lines(
			&a,
			(const char *const[]){ "HTTP/1.1 200 OK\r\n", "Content-Length: 7\r\n", buf_cstr(&line), NULL },
			SLICE_LIT(""));
		answer_head_write(&a, &out, false);
		assert_string_equal(buf_cstr(&out), "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
		assert_true(a.chunked);
		answer_head_free(&a);
	}
}

static void bounds_answers(void **state)
{
	struct answer_head a = { 0 };
	enum answer_head_result result = ANSWER_HEAD_MORE;
	size_t count = 0;
	(void)state;
	for (; result == ANSWER_HEAD_MORE && count < 20000; count++)
		result = answer_head_add(&a, SLICE_LIT("X: yyyyyyyyyy\r\n"), SLICE_LIT(""));
	assert_int_equal(result, ANSWER_HEAD_TOO_LARGE);
	assert_true(a.fields.len <= ANSWER_HEAD_MAX + 16);
	answer_head_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_head),	     cmocka_unit_test(knows_when_a_connection_ends),
		cmocka_unit_test(waits_for_the_end), cmocka_unit_test(refuses_heads),
		cmocka_unit_test(bounds_heads),	     cmocka_unit_test(knows_what_belongs_to_a_connection),
		cmocka_unit_test(decodes_chunks),    cmocka_unit_test(refuses_chunks),
		cmocka_unit_test(bounds_trailers),   cmocka_unit_test(cleans_answers),
		cmocka_unit_test(frames_answers),    cmocka_unit_test(bounds_answers),
		cmocka_unit_test(tells_no_secret),   cmocka_unit_test(frames_odd_lengths_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
