/* test_handshake.c: parsing and checking of the upgrade request, whole and cut at every byte, and the
 * answers. */
#include "ws-bridge/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define REQUEST_LINE "GET /workspace/team?since=4 HTTP/1.1\r\n"
#define REQUIRED                                                                                                       \
	"Host: example.com\r\n"                                                                                        \
	"Upgrade: websocket\r\n"                                                                                       \
	"Connection: Upgrade\r\n"                                                                                      \
	"Sec-WebSocket-Version: 13\r\n"                                                                                \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GOOD(more) REQUEST_LINE REQUIRED more "\r\n"

/* Parses bytes that grow by `step`, each time at another place in memory. Leaves the last copy in
 * *copy, for the slices. */
static enum handshake_result parse(struct handshake *hs, struct slice in, size_t first, size_t step, char **copy)
{
	*hs = (struct handshake){ 0 };
	enum handshake_result rc = HANDSHAKE_MORE;
	for (size_t len = first; rc == HANDSHAKE_MORE; len += step < in.len - len ? step : in.len - len) {
		free(*copy);
		/* exactly as long as what came, so that valgrind and ASan see every access beyond it */
		*copy = malloc(len ? len : 1);
		assert_non_null(*copy);
		memcpy(*copy, in.ptr, len);
		rc = handshake_parse(hs, *copy, len);
		if (len == in.len)
			break;
	}
	return rc;
}

static void free_copy(char **p)
{
	free(*p);
}

/* Parses and, that being well, verifies. Returns the status, 101 for a good one, 0 for "more". */
static unsigned outcome(struct handshake *hs, struct slice in, size_t first, size_t step, char **copy)
{
	enum handshake_result rc = parse(hs, in, first, step, copy);
	if (rc == HANDSHAKE_OK)
		rc = handshake_verify(hs);
	if (rc == HANDSHAKE_BAD) {
		assert_non_null(hs->error);
		return hs->status;
	}
	return rc == HANDSHAKE_OK ? 101 : 0;
}

/* The same status, however the request is cut. */
static void expect_slice(struct slice in, unsigned status, const char *error)
{
	struct handshake hs;
	__attribute__((cleanup(free_copy))) char *copy = NULL;
	for (size_t first = 0; first <= in.len; first++) {
		assert_int_equal(outcome(&hs, in, first, SIZE_MAX, &copy), status);
		if (error)
			assert_string_equal(hs.error, error);
	}
	assert_int_equal(outcome(&hs, in, 1, 1, &copy), status);
}

static void expect(const char *in, unsigned status, const char *error)
{
	expect_slice(slice_of(in), status, error);
}

static void complete_request(void **state)
{
	(void)state;
	static const char in[] = GOOD("Origin: https://app\r\n"
				      "authorization:\t Bearer key \t\r\n"
				      "X-REQUEST-ID:abc\r\n"
				      "X-Real-IP: 10.0.0.1\r\n"
				      "X-Other: \xc3\xa9\r\n"
				      "X-Empty:\r\n") "\x81\x80";
	struct handshake hs;
	__attribute__((cleanup(free_copy))) char *copy = NULL;
	assert_int_equal(outcome(&hs, SLICE_LIT(in), 10, 7, &copy), 101);
	assert_true(slice_eq_str(hs.method, "GET"));
	assert_true(slice_eq_str(hs.target, "/workspace/team?since=4"));
	assert_true(slice_eq_str(hs.host, "example.com"));
	assert_true(slice_eq_str(hs.authorization, "Bearer key"));
	assert_true(slice_eq_str(hs.origin, "https://app"));
	assert_true(slice_eq_str(hs.request_id, "abc"));
	assert_true(slice_eq_str(hs.real_ip, "10.0.0.1"));
	assert_true(slice_eq_str(hs.key, "dGhlIHNhbXBsZSBub25jZQ=="));
	assert_int_equal(hs.head_len, sizeof(in) - 1 - 2);
	assert_false(hs.deflate);
	expect(GOOD(""), 101, NULL);
}

static void absent_headers(void **state)
{
	(void)state;
	struct handshake hs = { 0 };
	struct slice in = SLICE_LIT(GOOD(""));
	assert_int_equal(handshake_parse(&hs, in.ptr, in.len), HANDSHAKE_OK);
	assert_null(hs.authorization.ptr);
	assert_null(hs.origin.ptr);
	assert_null(hs.request_id.ptr);
	assert_null(hs.real_ip.ptr);
}

static void incomplete(void **state)
{
	(void)state;
	static const char in[] = GOOD("");
	for (size_t n = 0; n < sizeof(in) - 1; n++) {
		struct handshake hs = { 0 };
		assert_int_equal(handshake_parse(&hs, in, n), HANDSHAKE_MORE);
	}
	expect("\r\n" GOOD(""), 101, NULL);
	expect("\r\n\r\n" GOOD(""), 400, "Malformed request line");
}

static void request_lines(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		unsigned status;
	} cases[] = {
		{ "GET / HTTP/1.1", 101 },
		{ "GET /a%2Fb?x=%00&y HTTP/1.1", 101 },
		{ "GET /\xc3\xa9 HTTP/1.1", 101 },
		{ "GET / HTTP/1.2", 101 },
		{ "POST / HTTP/1.1", 405 },
		{ "get / HTTP/1.1", 405 },
		{ "GET / HTTP/1.0", 505 },
		{ "GET / HTTP/2.0", 505 },
		{ "GET / HTTP/0.9", 505 },
		{ "GET / http/1.1", 400 },
		{ "GET / HTTP/1.10", 400 },
		{ "GET / HTTP/11", 400 },
		{ "GET / HTTP/a.1", 400 },
		{ "GET /", 400 },
		{ "GET", 400 },
		{ "", 400 },
		{ " GET / HTTP/1.1", 400 },
		{ "GET  / HTTP/1.1", 400 },
		{ "GET /  HTTP/1.1", 400 },
		{ "GET / HTTP/1.1 ", 400 },
		{ "GET /a b HTTP/1.1", 400 },
		{ "GET /a\tb HTTP/1.1", 400 },
		{ "GET\t/ HTTP/1.1", 400 },
		{ "G(T / HTTP/1.1", 400 },
		{ "GET a HTTP/1.1", 400 },
		{ "GET http://example.com/ HTTP/1.1", 400 },
		{ "OPTIONS * HTTP/1.1", 400 },
		{ "GET / HTTP/1.1\x01", 400 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autobuf in = { 0 };
		buf_addf(&in, "%s\r\n%s\r\n", cases[i].line, REQUIRED);
		expect(buf_cstr(&in), cases[i].status, NULL);
	}
}

static void header_syntax(void **state)
{
	(void)state;
	expect(GOOD("Folded: a\r\n b\r\n"), 400, "Folded header line");
	expect(REQUEST_LINE " Folded: first\r\n" REQUIRED "\r\n", 400, "Folded header line");
	expect(GOOD("\tFolded\r\n"), 400, "Folded header line");
	expect(GOOD("Blank : x\r\n"), 400, "Malformed header name");
	expect(GOOD("Bl ank: x\r\n"), 400, "Malformed header name");
	expect(GOOD(": x\r\n"), 400, "Malformed header name");
	expect(GOOD("N\xc3\xa4me: x\r\n"), 400, "Malformed header name");
	expect(GOOD("no colon\r\n"), 400, "Header line without a colon");
	expect(GOOD("X: a\x01\r\n"), 400, "Control byte in the request");
	expect(GOOD("X: a\x7f\r\n"), 400, "Control byte in the request");
	expect_slice(SLICE_LIT(GOOD("X: a\0b\r\n")), 400, "Control byte in the request");
}

static void line_ends(void **state)
{
	(void)state;
	expect("GET / HTTP/1.1\nHost: a\n\n", 400, "LF without CR");
	expect(GOOD("X: a\n"), 400, "LF without CR");
	expect(GOOD("X: a\nY: b\r\n"), 400, "LF without CR");
	expect(GOOD("X: a\rb\r\n"), 400, "CR without LF");
	expect(GOOD("X: a\r\r\n"), 400, "CR without LF");
	expect("\n" GOOD(""), 400, "LF without CR");
	/* at once, without waiting for the end */
	expect("GET / HTTP/1.1\n", 400, "LF without CR");
}

static void host_and_body(void **state)
{
	(void)state;
	expect(REQUEST_LINE "Upgrade: websocket\r\n\r\n", 400, "Host header missing");
	expect(REQUEST_LINE "Host:\r\n\r\n", 400, "Host header missing");
	expect(GOOD("Host: other\r\n"), 400, "More than one Host header");
	expect(GOOD("Content-Length: 0\r\n"), 101, NULL);
	expect(GOOD("Content-Length: 5\r\n"), 400, "An upgrade request can't have a body");
	expect(GOOD("Content-Length: 00x\r\n"), 400, "An upgrade request can't have a body");
	expect(GOOD("Content-Length:\r\n"), 400, "An upgrade request can't have a body");
	expect(GOOD("Content-Length: 0\r\ncontent-length: 0\r\n"), 400, "More than one Content-Length header");
	expect(GOOD("Transfer-Encoding: chunked\r\n"), 400, "An upgrade request can't have a body");
}

static void repeated_headers(void **state)
{
	(void)state;
	static const char *const names[] = { "Host",
					     "Authorization",
					     "Origin",
					     "X-Request-Id",
					     "X-Real-IP",
					     "Sec-WebSocket-Key",
					     "Sec-WebSocket-Version" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		autobuf in = { 0 };
		buf_addf(&in, REQUEST_LINE REQUIRED "%s: 13\r\n%s: 13\r\n\r\n", names[i], names[i]);
		expect(buf_cstr(&in), 400, NULL);
	}
	/* lists may come in several lines */
	expect(REQUEST_LINE "Host: a\r\nUpgrade: h2c, foo/1\r\nUpgrade: , WebSocket\r\nConnection: keep-alive\r\n"
			    "Connection: close, UPGRADE\r\nSec-WebSocket-Version: 13\r\n"
			    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	       101, NULL);
}

static void upgrade_rules(void **state)
{
	(void)state;
	static const struct {
		const char *upgrade, *connection, *version, *key;
		unsigned status;
	} cases[] = {
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==", 101 },
		{ "WEBSOCKET", "keep-alive,upgrade", "13", "++++////0000aaaaZZZZzw==", 101 },
		{ "", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "h2c", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "websockets", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "websocket", "", "13", "dGhlIHNhbXBsZSBub25jZQ==", 400 },
		{ "websocket", "keep-alive", "13", "dGhlIHNhbXBsZSBub25jZQ==", 400 },
		{ "websocket", "Upgrade", "", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "websocket", "Upgrade", "12", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "websocket", "Upgrade", "013", "dGhlIHNhbXBsZSBub25jZQ==", 426 },
		{ "websocket", "Upgrade", "13", "", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ===", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZ===", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQAA", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25-ZQ==", 400 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autobuf in = { 0 };
		buf_addf(&in,
			 "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: %s\r\nConnection: %s\r\n"
			 "Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n",
			 cases[i].upgrade, cases[i].connection, cases[i].version, cases[i].key);
		expect(buf_cstr(&in), cases[i].status, NULL);
	}
	expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, "WebSocket upgrade required");
}

static void head_limit(void **state)
{
	(void)state;
	struct handshake hs = { 0 };
	autobuf in = { 0 };
	buf_add_str(&in, REQUEST_LINE REQUIRED "X: ");
	while (in.len < HANDSHAKE_HEAD_MAX - 4)
		buf_add_char(&in, 'a');
	buf_add_str(&in, "\r\n\r\n");
	assert_int_equal(handshake_parse(&hs, in.data, in.len), HANDSHAKE_OK);
	assert_int_equal(hs.head_len, HANDSHAKE_HEAD_MAX);
	in.len -= 4;
	buf_add_str(&in, "a\r\n\r\n");
	hs = (struct handshake){ 0 };
	assert_int_equal(handshake_parse(&hs, in.data, in.len), HANDSHAKE_BAD);
	assert_int_equal(hs.status, 431);
	hs = (struct handshake){ 0 };
	for (size_t n = 0; n < HANDSHAKE_HEAD_MAX; n++)
		assert_int_equal(handshake_parse(&hs, in.data, n), HANDSHAKE_MORE);
	assert_int_equal(handshake_parse(&hs, in.data, HANDSHAKE_HEAD_MAX), HANDSHAKE_BAD);
	assert_int_equal(hs.status, 431);
}

static void extension_offers(void **state)
{
	(void)state;
	enum { NO, YES, WINDOW, MALFORMED };
	static const struct {
		const char *value; /* "|" stands for another header line */
		int expected;
	} cases[] = {
		{ "permessage-deflate", YES },
		{ "permessage-deflate; client_max_window_bits", YES },
		{ "permessage-deflate;client_max_window_bits=8", YES },
		{ "permessage-deflate ; client_max_window_bits=\"15\"", YES },
		{ "permessage-deflate; client_max_window_bits=\"1\\0\"", YES },
		{ "permessage-deflate; server_no_context_takeover; client_no_context_takeover", YES },
		{ "permessage-deflate; server_max_window_bits=15", WINDOW },
		{ "permessage-deflate; server_max_window_bits=10", WINDOW },
		{ "permessage-deflate; server_max_window_bits=7", NO },
		{ "permessage-deflate; server_max_window_bits=10, permessage-deflate", WINDOW },
		{ "permessage-deflate; server_max_window_bits", NO },
		{ "permessage-deflate; server_max_window_bits=16", NO },
		{ "permessage-deflate; client_max_window_bits=7", NO },
		{ "permessage-deflate; client_max_window_bits=08", NO },
		{ "permessage-deflate; client_max_window_bits=16", NO },
		{ "permessage-deflate; client_max_window_bits=100000", NO },
		{ "permessage-deflate; client_max_window_bits=a", NO },
		{ "permessage-deflate; client_no_context_takeover=1", NO },
		{ "permessage-deflate; server_no_context_takeover=true", NO },
		{ "permessage-deflate; client_max_window_bits; client_max_window_bits", NO },
		{ "permessage-deflate; client_no_context_takeover; client_no_context_takeover", NO },
		{ "permessage-deflate; unknown", NO },
		{ "permessage-deflate; unknown=1, permessage-deflate; server_max_window_bits=15", WINDOW },
		{ "permessage-deflate, permessage-deflate; server_max_window_bits=15", YES },
		{ "x-webkit-deflate-frame, permessage-deflate", YES },
		{ "foo; bar=\"baz\"; q, , permessage-deflate", YES },
		{ "foo|permessage-deflate", YES },
		{ "permessage-deflate; server_max_window_bits=15|permessage-deflate", WINDOW },
		{ "x-permessage-deflate", NO },
		{ "", NO },
		{ ",", NO },
		{ "permessage-deflate;", MALFORMED },
		{ "permessage-deflate; ;", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=\"", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=\"\"", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=\"1 5\"", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=\"15", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=\"15\\", MALFORMED },
		{ "permessage-deflate; client_max_window_bits=15 10", MALFORMED },
		{ "permessage-deflate; =15", MALFORMED },
		{ "permessage deflate", MALFORMED },
		{ "; a", MALFORMED },
		{ "permessage-deflate, foo=1", MALFORMED },
		{ "\"permessage-deflate\"", MALFORMED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autobuf in = { 0 };
		struct handshake hs = { 0 };
		buf_add_str(&in, REQUEST_LINE REQUIRED "Sec-WebSocket-Extensions: ");
		for (const char *p = cases[i].value; *p; p++) {
			if (*p == '|')
				buf_add_str(&in, "\r\nsec-websocket-extensions:");
			else
				buf_add_char(&in, *p);
		}
		buf_add_str(&in, "\r\n\r\n");
		enum handshake_result rc = handshake_parse(&hs, in.data, in.len);
		int got = rc == HANDSHAKE_BAD ? MALFORMED : hs.deflate_window ? WINDOW : hs.deflate ? YES : NO;
		if (got != cases[i].expected)
			fail_msg("%s: %d, not %d", cases[i].value, got, cases[i].expected);
		expect(buf_cstr(&in), got == MALFORMED ? 400 : 101, NULL);
	}
}

static void accept_answer(void **state)
{
	(void)state;
	/* RFC 6455 section 1.3 */
	struct handshake hs = { .key = SLICE_LIT("dGhlIHNhbXBsZSBub25jZQ==") };
	autobuf out = { 0 };
	assert_true(handshake_accept(&hs, &out));
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
					    "Connection: Upgrade\r\n"
					    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	hs.deflate = true;
	buf_clear(&out);
	assert_true(handshake_accept(&hs, &out));
	assert_non_null(strstr(buf_cstr(&out), "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate; "
					       "server_no_context_takeover; client_no_context_takeover\r\n\r\n"));
	hs.deflate_window = 12;
	buf_clear(&out);
	assert_true(handshake_accept(&hs, &out));
	assert_non_null(strstr(buf_cstr(&out), "; client_no_context_takeover; server_max_window_bits=12\r\n\r\n"));
}

static void error_answers(void **state)
{
	(void)state;
	autobuf out = { 0 };
	handshake_error(&out, 404, "Not found");
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
					    "Content-Length: 21\r\nConnection: close\r\n\r\n"
					    "{\"error\":\"Not found\"}");
	buf_clear(&out);
	handshake_error(&out, 401, "Unauthorized");
	assert_non_null(strstr(buf_cstr(&out), "401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n"));
	buf_clear(&out);
	handshake_error(&out, 426, "x");
	assert_non_null(strstr(buf_cstr(&out), "426 Upgrade Required\r\nUpgrade: websocket\r\n"
					       "Sec-WebSocket-Version: 13\r\n"));
	assert_non_null(strstr(buf_cstr(&out), "\r\nConnection: close, upgrade\r\n"));
	buf_clear(&out);
	handshake_error(&out, 405, "x");
	assert_non_null(strstr(buf_cstr(&out), "405 Method Not Allowed\r\nAllow: GET\r\n"));
	buf_clear(&out);
	handshake_error(&out, 599, "a \"quoted\" \\ \n text");
	assert_non_null(strstr(buf_cstr(&out), "HTTP/1.1 599 Error\r\n"));
	assert_non_null(strstr(buf_cstr(&out), "{\"error\":\"a \\\"quoted\\\" \\\\ \\u000a text\"}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_request), cmocka_unit_test(absent_headers),	cmocka_unit_test(incomplete),
		cmocka_unit_test(request_lines),    cmocka_unit_test(header_syntax),	cmocka_unit_test(line_ends),
		cmocka_unit_test(host_and_body),    cmocka_unit_test(repeated_headers), cmocka_unit_test(upgrade_rules),
		cmocka_unit_test(head_limit),	    cmocka_unit_test(extension_offers), cmocka_unit_test(accept_answer),
		cmocka_unit_test(error_answers),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
