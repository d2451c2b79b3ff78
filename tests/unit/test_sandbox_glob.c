/* test_sandbox_glob.c: patterns of paths, and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/box/glob.h"

static bool matches(const char *pattern, const char *path)
{
	struct glob g;
	if (!glob_compile(&g, pattern))
		fail_msg("refused: %s", pattern);
	bool matched = glob_match(&g, path);
	glob_free(&g);
	return matched;
}

static void test_names_and_directories(void **state)
{
	(void)state;
	assert_true(matches("*.md", "docs/a.md"));
	assert_false(matches("/*.md", "docs/a.md"));
	assert_true(matches("**/a/**/b", "x/a/y/a/z/b"));
	assert_true(matches("a/**", "a/b/c"));
	assert_false(matches("a/**", "a"));
	assert_true(matches("./a//b", "a/b"));
	assert_true(matches("a\\*[!b-c]?", "a*dx"));
}

static void test_braces(void **state)
{
	(void)state;
	assert_true(matches("{src,lib}/{a,b{c,d}}.[ch]", "lib/bd.h"));
	assert_false(matches("{src,lib}/{a,b{c,d}}.[ch]", "lib/b.h"));
	assert_true(matches("x{,y}", "x"));
	assert_true(matches("{a}", "{a}"));
	assert_true(matches("\\{a,b}", "{a,b}"));
	assert_true(matches("{a,b", "{a,b"));
}

static void test_bounds(void **state)
{
	struct glob g;
	autobuf groups = { 0 }, stars = { 0 };
	(void)state;
	assert_false(glob_compile(&g, "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
	glob_free(&g);
	/* Each group would hold a copy of what is behind it: gigabytes. */
	for (int i = 0; i < 33000; i++)
		buf_add_str(&groups, "{,}");
	assert_false(glob_compile(&g, buf_cstr(&groups)));
	glob_free(&g);
	/* Not a matter of trying all ways to share the name among the stars. */
	for (int i = 0; i < 60; i++)
		buf_add_str(&stars, "*a");
	buf_add_char(&stars, 'b');
	assert_false(matches(buf_cstr(&stars),
			     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_directories),
		cmocka_unit_test(test_braces),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests_name("sandbox glob", tests, NULL, NULL);
}
