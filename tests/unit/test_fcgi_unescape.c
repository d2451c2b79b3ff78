/* test_fcgi_unescape.c: a JSON string decodes to the same text wherever it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unescape.h"

struct example {
	struct slice json, text;
};

#define EXAMPLE(json, text)                                                                                            \
	{                                                                                                              \
		SLICE_LIT(json), SLICE_LIT(text)                                                                       \
	}
#define LOST "\xef\xbf\xbd"

static const struct example examples[] = {
	EXAMPLE("\"\"", ""),
	EXAMPLE("\"plain\"", "plain"),
	EXAMPLE(" \t\"spaced\"\r\n", "spaced"),
	EXAMPLE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
	EXAMPLE("\"a\\u0000b\"", "a\0b"),
	EXAMPLE("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"),
	EXAMPLE("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"),
	EXAMPLE("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"),
	EXAMPLE("\"\xc3\xa9\xf0\x9f\x98\x80\"", "\xc3\xa9\xf0\x9f\x98\x80"),
	EXAMPLE("\"\\ud83d\"", LOST),
	EXAMPLE("\"\\ude00\"", LOST),
	EXAMPLE("\"\\ud83dx\"", LOST "x"),
	EXAMPLE("\"\\ud83d\\n\"", LOST "\n"),
	EXAMPLE("\"\\ud83d\\u0041\"", LOST "A"),
	EXAMPLE("\"\\ud83d\\ud83d\\ude00\"", LOST "\xf0\x9f\x98\x80"),
	EXAMPLE("\"\\ude00\\ud83d\"", LOST LOST),
	EXAMPLE("\"\\\\ud83d\"", "\\ud83d"),
};

static void check_text(const struct example *e, const struct unescape *u, const struct buf *out)
{
	assert_true(unescape_complete(u));
	assert_int_equal(out->len, e->text.len);
	if (out->len)
		assert_memory_equal(out->data, e->text.ptr, out->len);
}

static void feed(struct unescape *u, struct slice json, size_t from, size_t to, struct buf *out)
{
	assert_true(unescape_feed(u, slice_make(json.ptr + from, to - from), out));
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const struct example *e = &examples[i];
		for (size_t a = 0; a <= e->json.len; a++) {
			for (size_t b = a; b <= e->json.len; b++) {
				struct unescape u = { 0 };
				autobuf out = { 0 };
				feed(&u, e->json, 0, a, &out);
				feed(&u, e->json, a, b, &out);
				feed(&u, e->json, b, e->json.len, &out);
				check_text(e, &u, &out);
			}
		}
	}
}

static void test_no_string(void **state)
{
	(void)state;
	static const char *const texts[] = { "5", "null", "{}", "[\"a\"]", "\"a\" 1" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct unescape u = { 0 };
		autobuf out = { 0 };
		assert_false(unescape_feed(&u, slice_of(texts[i]), &out));
	}
}

static void test_unfinished(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "\"", "\"a", "\"a\\", "\"\\u00" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct unescape u = { 0 };
		autobuf out = { 0 };
		assert_true(unescape_feed(&u, slice_of(texts[i]), &out));
		assert_false(unescape_complete(&u));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_no_string),
		cmocka_unit_test(test_unfinished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
