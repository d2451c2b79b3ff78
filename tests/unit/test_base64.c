/* test_base64.c: RFC 4648's vectors in both alphabets, and what isn't base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base64.h"

static const struct {
	const char *bytes, *standard, *url;
} vectors[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void check_both_ways(enum base64_alphabet alphabet, struct slice bytes, const char *want)
{
	autobuf text = { 0 }, back = { 0 };
	buf_add_char(&text, '>');
	base64_add(&text, alphabet, bytes.ptr, bytes.len);
	assert_string_equal(buf_cstr(&text) + 1, want);
	buf_add_char(&back, '<');
	assert_true(base64_read(slice_of(want), alphabet, &back));
	assert_true(slice_eq(slice_make(back.data + 1, back.len - 1), bytes));
}

static void makes_and_reads_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		check_both_ways(BASE64_STANDARD, slice_of(vectors[i].bytes), vectors[i].standard);
		check_both_ways(BASE64_URL, slice_of(vectors[i].bytes), vectors[i].url);
	}
	check_both_ways(BASE64_STANDARD, slice_make("\0\0", 2), "AAA=");
	check_both_ways(BASE64_URL, slice_make("\0\xff\0\xff", 4), "AP8A_w");
}

static void refuse(enum base64_alphabet alphabet, const char *text)
{
	autobuf out = { 0 };
	buf_add_str(&out, "kept");
	if (base64_read(slice_of(text), alphabet, &out))
		fail_msg("not refused: %s", text);
	assert_true(slice_eq_str(buf_slice(&out), "kept"));
}

static void refuses_another_spelling(void **state)
{
	static const char *const standard[] = { "A===",	  "Zg",	  "Zg=",  "Zg===",    "Z===",	  "====",     "=",
						"Zh==",	  "Zm9=", "Zm8",  "Zm9vY===", "Zg==Zg==", "Z=g=",     "Zg= ",
						"Zm9v\n", "Zm 9", "-_-_", "Zm9v====", "Zm9v==",	  "Zm9v\xc3", "Zm.v" };
	static const char *const url[] = { "A",	    "Z",    "Zg==",   "Zm8=", "Zh",  "Zm9",
					   "Zm9vY", "+/+/", "Zm9v\n", " Zg",  "Zg~~" };
	(void)state;
	for (size_t i = 0; i < sizeof(standard) / sizeof(*standard); i++)
		refuse(BASE64_STANDARD, standard[i]);
	for (size_t i = 0; i < sizeof(url) / sizeof(*url); i++)
		refuse(BASE64_URL, url[i]);
}

static void reads_exactly_so_many_bytes(void **state)
{
	unsigned char out[5] = { 0 };
	(void)state;
	assert_true(base64_read_exactly(SLICE_LIT("Zm9vYg=="), out, 4));
	assert_memory_equal(out, "foob", 5);
	assert_true(base64_read_exactly(SLICE_LIT("Zm9vYg"), out, 4));
	assert_true(base64_read_exactly(SLICE_LIT("Zm9vYv=="), out, 4));
	assert_memory_equal(out, "foob", 5);
	assert_false(base64_read_exactly(SLICE_LIT("Zm9vYg="), out, 4));
	assert_false(base64_read_exactly(SLICE_LIT("Zm9vYgAA"), out, 4));
	assert_false(base64_read_exactly(SLICE_LIT("Zm9vYg=="), out, 3));
	assert_false(base64_read_exactly(SLICE_LIT("Zm9vYg=="), out, 5));
	assert_false(base64_read_exactly(SLICE_LIT("Zm9-Yg=="), out, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_and_reads_the_vectors),
		cmocka_unit_test(refuses_another_spelling),
		cmocka_unit_test(reads_exactly_so_many_bytes),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
