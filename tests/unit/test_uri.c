/* test_uri.c: paths, queries and the API keys in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth.h"
#include "uri.h"

static void expect_path(const char *target, size_t count, const char *const *segments, bool trailing)
{
	struct uri_path p;
	if (!uri_path_parse(slice_of(target), &p))
		fail_msg("refused: %s", target);
	assert_int_equal(p.count, count);
	assert_int_equal(p.trailing_slash, trailing);
	for (size_t i = 0; i < count; i++)
		assert_true(slice_eq_str(p.seg[i], segments[i]));
	uri_path_free(&p);
}

static void splits_first_and_decodes_once(void **state)
{
	(void)state;
	expect_path("/", 0, NULL, true);
	expect_path("/workspace/a%2Fb/sessions", 3, (const char *[]){ "workspace", "a/b", "sessions" }, false);
	expect_path("/workspace/%2561/", 2, (const char *[]){ "workspace", "%61" }, true);
	expect_path("/a//b", 3, (const char *[]){ "a", "", "b" }, false);
	expect_path("/..%2F../%2e%2e/x", 3, (const char *[]){ "../..", "..", "x" }, false);
	expect_path("/%F0%9F%98%80?q=/x", 1, (const char *[]){ "\xf0\x9f\x98\x80" }, false);
	expect_path("http://host:1/a/b?c", 2, (const char *[]){ "a", "b" }, false);
	expect_path("https://host/", 0, NULL, true);
}

static void expect_joined(const char *target, size_t from, const char *joined)
{
	struct uri_path p;
	autobuf out = { 0 };
	assert_true(uri_path_parse(slice_of(target), &p));
	uri_path_join(&p, from, &out);
	assert_true(slice_eq_str(buf_slice(&out), joined));
	uri_path_free(&p);
}

static void joins_what_was_decoded(void **state)
{
	(void)state;
	expect_joined("/files/w/a%20b/c%2Fd?x=/y", 0, "files/w/a b/c/d");
	expect_joined("/assets/w//b/", 2, "/b");
	expect_joined("/assets/w", 2, "");
	expect_joined("/", 0, "");
}

static void refuses_malformed_paths(void **state)
{
	static const char *const bad[] = { "",
					   "a",
					   "?x",
					   "/%",
					   "/%4",
					   "/%zz",
					   "/a%00b",
					   "/%ff",
					   "/%ed%a0%80",
					   "/%c0%af",
					   "http://host",
					   "http://host#/a",
					   "http://host?/a" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct uri_path p;
		if (uri_path_parse(slice_of(bad[i]), &p))
			fail_msg("accepted: %s", bad[i]);
		uri_path_free(&p);
	}
}

static void bounds_the_segments(void **state)
{
	struct uri_path p;
	autobuf path = { 0 };
	(void)state;
	for (int i = 0; i < URI_MAX_SEGMENTS; i++)
		buf_add_str(&path, "/s");
	assert_true(uri_path_parse(buf_slice(&path), &p));
	assert_int_equal(p.count, URI_MAX_SEGMENTS);
	uri_path_free(&p);
	buf_add_str(&path, "/s");
	assert_false(uri_path_parse(buf_slice(&path), &p));
	uri_path_free(&p);
}

static void encodes_all_but_the_unreserved(void **state)
{
	autobuf all = { 0 }, encoded = { 0 }, decoded = { 0 };
	(void)state;
	uri_encode(&encoded, SLICE_LIT("azAZ09-._~ /?#%&+=:@!$'()*,;\xc3\xa9\x0a\x7f"));
	assert_string_equal(buf_cstr(&encoded),
			    "azAZ09-._~%20%2F%3F%23%25%26%2B%3D%3A%40%21%24%27%28%29%2A%2C%3B%C3%A9%0A%7F");
	for (int c = 0; c < 256; c++)
		buf_add_char(&all, (char)c);
	buf_clear(&encoded);
	uri_encode(&encoded, buf_slice(&all));
	assert_int_equal(encoded.len, 66 + (256 - 66) * 3);
	assert_true(uri_decode(buf_slice(&encoded), &decoded));
	assert_true(slice_eq(buf_slice(&decoded), buf_slice(&all)));
	uri_encode(&encoded, slice_make(NULL, 0));
	assert_int_equal(encoded.len, 66 + (256 - 66) * 3);
}

static void reads_query_parameters(void **state)
{
	autobuf v = { 0 };
	struct slice q = uri_query(slice_of("/p?a=1&bb=x%26y+z&a=2&c&=d#f?g=1"));
	(void)state;
	assert_true(slice_eq_str(q, "a=1&bb=x%26y+z&a=2&c&=d"));
	assert_true(uri_query_get(q, "a", &v));
	assert_string_equal(buf_cstr(&v), "1");
	buf_clear(&v);
	assert_true(uri_query_get(q, "bb", &v));
	assert_string_equal(buf_cstr(&v), "x&y+z");
	buf_clear(&v);
	assert_true(uri_query_get(q, "c", &v));
	assert_int_equal(v.len, 0);
	assert_false(uri_query_get(q, "b", &v));
	assert_false(uri_query_get(q, "g", &v));
	assert_false(uri_query_get(slice_of("a=%z"), "a", &v));
	assert_int_equal(uri_query(slice_of("/p")).len, 0);
	assert_int_equal(uri_query(slice_of("/p#x?y")).len, 0);
}

static enum auth_result check(const char *header, const char *query)
{
	const struct auth_keys keys = { "test-api-key-1", NULL };
	return auth_check(&keys, slice_of(header), slice_of(query));
}

static void checks_the_key(void **state)
{
	(void)state;
	assert_int_equal(check("", ""), AUTH_NONE);
	assert_int_equal(check("Bearer test-api-key-1", ""), AUTH_OK);
	assert_int_equal(check("bEARER   test-api-key-1 ", ""), AUTH_OK);
	assert_int_equal(check("Bearer test-api-key-2", ""), AUTH_WRONG);
	assert_int_equal(check("Bearer", ""), AUTH_WRONG);
	assert_int_equal(check("Bearer ", "apiKey=test-api-key-1"), AUTH_WRONG);
	assert_int_equal(check("Bearertest-api-key-1", ""), AUTH_NONE);
	assert_int_equal(check("", "apiKey=test-api-key-1"), AUTH_OK);
	assert_int_equal(check("", "x=1&apiKey=test%2Dapi-key-1"), AUTH_OK);
	assert_int_equal(check("", "apikey=test-api-key-1"), AUTH_NONE);
	assert_int_equal(check("", "apiKey="), AUTH_WRONG);
	assert_int_equal(check("", "apiKey=test-api-key-1x"), AUTH_WRONG);
	assert_int_equal(check("Bearer wrong", "apiKey=test-api-key-1"), AUTH_WRONG);
	assert_int_equal(check("Bearer test-api-key-1", "apiKey=wrong"), AUTH_OK);
	assert_int_equal(check("Basic dXNlcjpwYXNz", "apiKey=test-api-key-1"), AUTH_OK);
}

static enum auth_result check_two(const char *header, const char *query)
{
	const struct auth_keys keys = { "test-api-key-1", "test-api-key-0" };
	return auth_check(&keys, slice_of(header), slice_of(query));
}

static void checks_two_keys(void **state)
{
	(void)state;
	assert_int_equal(check_two("", ""), AUTH_NONE);
	assert_int_equal(check_two("Bearer test-api-key-1", ""), AUTH_OK);
	assert_int_equal(check_two("Bearer test-api-key-0", ""), AUTH_OK);
	assert_int_equal(check_two("", "apiKey=test-api-key-1"), AUTH_OK);
	assert_int_equal(check_two("", "apiKey=test-api-key-0"), AUTH_OK);
	assert_int_equal(check_two("Bearer test-api-key-2", ""), AUTH_WRONG);
	assert_int_equal(check_two("Bearer", "apiKey=test-api-key-0"), AUTH_WRONG);
	assert_int_equal(check_two("", "apiKey="), AUTH_WRONG);
	/* without a previous key there is none that is empty */
	assert_int_equal(check("Bearer test-api-key-0", ""), AUTH_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_first_and_decodes_once),
		cmocka_unit_test(joins_what_was_decoded),
		cmocka_unit_test(refuses_malformed_paths),
		cmocka_unit_test(bounds_the_segments),
		cmocka_unit_test(encodes_all_but_the_unreserved),
		cmocka_unit_test(reads_query_parameters),
		cmocka_unit_test(checks_the_key),
		cmocka_unit_test(checks_two_keys),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
