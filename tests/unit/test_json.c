/* test_json.c: checking, walking, decoding and merging JSON text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"

static struct slice s(const char *text)
{
	return slice_of(text);
}

static void expect_text(struct buf *b, const char *want)
{
	assert_string_equal(buf_cstr(b), want);
	buf_clear(b);
}

static void accepts_every_form_of_rfc_8259(void **state)
{
	/* clang-format off */
	static const char *const good[] = {
		"null", " true ", "false", "0", "-0", "10", "1.5", "-1.5e+10", "1E400", "123456789012345678901234567890", "\"\"", "\"a\"",
		"\"\\u0000\\ud83d\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "[]", "[ ]", "{}", "{ }", "[1,2 , 3]", "{\"a\":1,\"a\":2}", "\r\n\t [ { } ] ",
		"{\"a\":{\"b\":[{\"c\":[]}]}}", "\"\x7f\"", "[[],{},\"\",0]",
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!json_check(s(good[i]), NULL))
			fail_msg("refused: %s", good[i]);
	}
}

static void refuses_what_is_no_json(void **state)
{
	/* clang-format off */
	static const char *const bad[] = {
		"", " ", "nul", "nulll", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"",
		"\"\\u12g4\"", "\"\n\"", "\"\x01\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
		"{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\",1}", "[}", "{]", "[1}", "{\"a\":1]", "1 2", "{} {}", "//", "'a'", "[\"a\",]", "\"\\",
		"\"\\u", "tru", "[tru]", "{\"a\":[}", "-a", "1e5.5",
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (json_check(s(bad[i]), NULL))
			fail_msg("accepted: %s", bad[i]);
	}
	assert_false(json_check(slice_make("1\0", 2), NULL));
	assert_false(json_check(slice_make("\"a\0b\"", 5), NULL));
}

/* Every truncation of a document is refused, wherever the eight-byte steps fall. */
static void refuses_every_truncation(void **state)
{
	static const char doc[] = "{\"key one\":[\"a long enough string \\u00e9\\n\",-12.5e-3,true,null,{\"x\":{}}]}";
	(void)state;
	assert_true(json_check(s(doc), NULL));
	for (size_t n = 0; n < sizeof(doc) - 1; n++)
		assert_false(json_check(slice_make(doc, n), NULL));
}

static void measures_depth_without_recursion(void **state)
{
	size_t levels = 3000000, depth;
	autobuf b = { 0 };
	(void)state;
	assert_true(json_check(s("1"), &depth));
	assert_int_equal(depth, 0);
	assert_true(json_check(s("{\"a\":[1,[2]],\"b\":{}}"), &depth));
	assert_int_equal(depth, 3);
	for (size_t i = 0; i < levels; i++)
		buf_add_str(&b, i % 2 ? "{\"a\":" : "[");
	buf_add_char(&b, '1');
	assert_false(json_check(buf_slice(&b), NULL));
	for (size_t i = levels; i > 0; i--)
		buf_add_char(&b, (i - 1) % 2 ? '}' : ']');
	assert_true(json_check(buf_slice(&b), &depth));
	assert_int_equal(depth, levels);
}

static void walks_arrays_and_objects(void **state)
{
	autobuf b = { 0 };
	struct json_iter it = json_iter(s(" [ 1 , \"a,\\\"]\" , [2,[3]] ,{\"x\":\"}\"}, null ] "));
	(void)state;
	while (json_next(&it)) {
		assert_int_equal(it.key.len, 0);
		buf_add_slice(&b, it.value);
		buf_add_char(&b, '|');
	}
	expect_text(&b, "1|\"a,\\\"]\"|[2,[3]]|{\"x\":\"}\"}|null|");
	it = json_iter(s("{\"a\\\\\" : 1,\"b\":\"\\\\\",\"c\" :[ ] }"));
	while (json_next(&it)) {
		buf_add_slice(&b, it.key);
		buf_add_char(&b, '=');
		buf_add_slice(&b, it.value);
		buf_add_char(&b, '|');
	}
	expect_text(&b, "\"a\\\\\"=1|\"b\"=\"\\\\\"|\"c\"=[ ]|");
	it = json_iter(s("{}"));
	assert_false(json_next(&it));
	it = json_iter(s("[ ]"));
	assert_false(json_next(&it));
}

static void finds_the_last_of_equal_keys(void **state)
{
	struct slice v;
	(void)state;
	assert_true(json_get(s("{\"id\":1,\"\\u0069d\":2}"), "id", &v));
	assert_true(slice_eq_str(v, "2"));
	assert_false(json_get(s("{\"ID\":1}"), "id", &v));
	assert_true(json_get(s("{\"__proto__\":{\"x\":1}}"), "__proto__", &v));
	assert_true(slice_eq_str(v, "{\"x\":1}"));
}

static void decodes_strings_or_says_that_it_cannot(void **state)
{
	static const char *const unstorable[] = { "\"\\u0000\"",   "\"\\ud83d\"",
						  "\"\\ude00\"",   "\"\\ud83d\\ud83d\\ude00\"",
						  "\"a\\ud83dx\"", "\"\\ud83d\\n\"" };
	autobuf b = { 0 };
	(void)state;
	assert_true(json_decode(s("\"a\\u00e9\\u20ac\\ud83d\\ude00\\n\\/\\\"\\\\ \\u0001\""), &b));
	expect_text(&b, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n/\"\\ \x01");
	for (size_t i = 0; i < sizeof(unstorable) / sizeof(*unstorable); i++) {
		assert_false(json_decode(s(unstorable[i]), &b));
		buf_clear(&b);
	}
	json_decode_lossy(s("\"x\\u0000\\ud83dy\\ud83d\\ude00\""), &b, 100);
	expect_text(&b, "x\xef\xbf\xbd\xef\xbf\xbdy\xf0\x9f\x98\x80");
	json_decode_lossy(s("\"ab\xe2\x82\xac\""), &b, 4); /* cuts before a character that doesn't fit */
	expect_text(&b, "ab");
}

static void encodes_what_json_check_accepts(void **state)
{
	autobuf b = { 0 }, back = { 0 };
	(void)state;
	json_encode(&b, s("a\"\\\n\x01\x1f é"));
	assert_true(json_check(buf_slice(&b), NULL));
	assert_true(json_decode(buf_slice(&b), &back));
	expect_text(&back, "a\"\\\n\x01\x1f é");
	buf_clear(&b);
	json_encode(&b, slice_make(NULL, 0));
	expect_text(&b, "\"\"");
}

static void cuts_strings_between_characters(void **state)
{
	autobuf b = { 0 };
	(void)state;
	json_prefix(s("\"abcdef\""), 3, &b);
	expect_text(&b, "\"abc\"");
	json_prefix(s("\"a\\u0000b\""), 2, &b);
	expect_text(&b, "\"a\\u0000\"");
	json_prefix(s("\"ab\\ud83d\\ude00\""), 3, &b); /* a pair counts two units and isn't split */
	expect_text(&b, "\"ab\"");
	json_prefix(s("\"\xf0\x9f\x98\x80x\""), 2, &b);
	expect_text(&b, "\"\xf0\x9f\x98\x80\"");
	json_prefix(s("\"short\""), 100, &b);
	expect_text(&b, "\"short\"");
}

static void merges_as_javascript_spreads(void **state)
{
	static const struct {
		const char *base, *updates, *want;
	} cases[] = {
		{ "{}", "{}", "{}" },
		{ "{\"a\":1}", "{}", "{\"a\":1}" },
		{ "{}", "{\"a\":null}", "{\"a\":null}" },
		{ "{\"a\":1,\"b\":2}", "{\"a\":3,\"c\":4}", "{\"a\":3,\"b\":2,\"c\":4}" },
		{ "{\"a\":1,\"a\":2}", "{}", "{\"a\":2}" },
		{ "{\"a\":1}", "{\"a\":2,\"a\":{\"x\":[]}}", "{\"a\":{\"x\":[]}}" },
		{ "{\"\\u0061\":1}", "{\"a\":2}", "{\"\\u0061\":2}" },
		{ "{\"__proto__\":1}", "{\"__proto__\":2}", "{\"__proto__\":2}" },
		{ "{\"a\":1.10}", "{\"b\":1e999}", "{\"a\":1.10,\"b\":1e999}" },
		{ "{\"\\ud83d\":1}", "{\"\\ud83d\":2,\"\\ud83e\":3}", "{\"\\ud83d\":2,\"\\ud83e\":3}" },
		{ " { \"a\" : 1 } ", "{\"b\" : \"x y\" }", "{\"a\":1,\"b\":\"x y\"}" },
		{ "{\"\":1}", "{\"\":2}", "{\"\":2}" },
		{ "{\"\":1,\"\":[]}", "{}", "{\"\":[]}" },
		/* What is no object has no members. */
		{ "[1,2]", "{\"n\":1}", "{\"n\":1}" },
		{ "[[1],{\"a\":2}]", "{}", "{}" },
		{ "\"x\"", "{\"n\":1}", "{\"n\":1}" },
		{ "5", "{\"n\":1}", "{\"n\":1}" },
		{ " null", "{\"n\":1}", "{\"n\":1}" },
		{ "", "{\"n\":1}", "{\"n\":1}" },
	};
	autobuf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_merge(&b, s(cases[i].base), s(cases[i].updates));
		expect_text(&b, cases[i].want);
	}
}

/* 20,000 keys merged with 20,000 others: quadratic time would show as a hang. */
static void merges_many_keys(void **state)
{
	autobuf base = { 0 }, updates = { 0 }, out = { 0 };
	struct slice v;
	size_t count = 0;
	(void)state;
	for (int i = 0; i < 20000; i++) {
		buf_addf(&base, "%c\"k%d\":%d", i ? ',' : '{', i, i);
		buf_addf(&updates, "%c\"k%d\":\"new\"", i ? ',' : '{', i + 10000);
	}
	buf_add_char(&base, '}');
	buf_add_char(&updates, '}');
	json_merge(&out, buf_slice(&base), buf_slice(&updates));
	assert_true(json_check(buf_slice(&out), NULL));
	struct json_iter it = json_iter(buf_slice(&out));
	while (json_next(&it))
		count++;
	assert_int_equal(count, 30000);
	assert_true(json_get(buf_slice(&out), "k10000", &v) && slice_eq_str(v, "\"new\""));
	assert_true(json_get(buf_slice(&out), "k9999", &v) && slice_eq_str(v, "9999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_form_of_rfc_8259),
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(measures_depth_without_recursion),
		cmocka_unit_test(walks_arrays_and_objects),
		cmocka_unit_test(finds_the_last_of_equal_keys),
		cmocka_unit_test(decodes_strings_or_says_that_it_cannot),
		cmocka_unit_test(encodes_what_json_check_accepts),
		cmocka_unit_test(cuts_strings_between_characters),
		cmocka_unit_test(merges_as_javascript_spreads),
		cmocka_unit_test(merges_many_keys),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
