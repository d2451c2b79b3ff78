/* test_fcgi_etag.c: which If-None-Match values name a tag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "etag.h"

static bool matches(const char *header)
{
	return etag_matches(slice_of(header), SLICE_LIT("ab-1"));
}

static void test_named(void **state)
{
	(void)state;
	assert_true(matches("\"ab-1\""));
	assert_true(matches("*"));
	assert_true(matches("  * "));
	assert_true(matches("W/\"ab-1\""));
	assert_true(matches("\"x\", \"ab-1\""));
	assert_true(matches("\"x\",W/\"y,z\" ,\tW/\"ab-1\",\"q\""));
	assert_true(matches(",, \"ab-1\""));
}

static void test_not_named(void **state)
{
	(void)state;
	assert_false(matches(""));
	assert_false(matches("\"ab-2\""));
	assert_false(matches("\"AB-1\""));
	assert_false(matches("\"ab-1"));
	assert_false(matches("ab-1"));
	assert_false(matches("W/"));
	assert_false(matches("W/ab-1\""));
	assert_false(matches("\"x ab-1\""));
	assert_false(matches("\"\""));
	assert_false(matches("\"x\", *"));
	assert_false(matches("\"x"));
	assert_false(matches("\""));
}

static void test_strong(void **state)
{
	(void)state;
	assert_true(etag_matches_strongly(SLICE_LIT("\"x\", \"ab-1\""), SLICE_LIT("ab-1")));
	assert_true(etag_matches_strongly(SLICE_LIT("*"), SLICE_LIT("ab-1")));
	assert_false(etag_matches_strongly(SLICE_LIT("W/\"ab-1\""), SLICE_LIT("ab-1")));
	assert_true(etag_matches_strongly(SLICE_LIT("W/\"ab-1\", \"ab-1\""), SLICE_LIT("ab-1")));
}

/* A quoted star is a tag like any other. */
static void test_walk(void **state)
{
	(void)state;
	struct etag_iter it = etag_iter(SLICE_LIT("\"*\" , W/\"b\",c"));
	assert_true(etag_next(&it));
	assert_true(slice_eq_str(it.text, "*") && !it.any && !it.weak);
	assert_true(etag_next(&it));
	assert_true(slice_eq_str(it.text, "b") && it.weak);
	assert_false(etag_next(&it));
	assert_false(etag_next(&it));
	it = etag_iter(SLICE_LIT("*, \"a\""));
	assert_true(etag_next(&it));
	assert_true(it.any);
	assert_false(etag_next(&it));
}

static void test_valid(void **state)
{
	(void)state;
	assert_true(etag_valid(SLICE_LIT("0a-s12")));
	assert_false(etag_valid(SLICE_LIT("")));
	assert_false(etag_valid(SLICE_LIT("a\"b")));
	assert_false(etag_valid(SLICE_LIT("a\r\nX: y")));
	assert_false(etag_valid(SLICE_LIT("a b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named), cmocka_unit_test(test_not_named), cmocka_unit_test(test_strong),
		cmocka_unit_test(test_walk),  cmocka_unit_test(test_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
