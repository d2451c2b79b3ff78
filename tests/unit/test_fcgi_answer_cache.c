/* test_fcgi_answer_cache.c: what is kept, what makes room, and that nothing grows beyond the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "answer_cache.h"
#include "cleanup.h"

static struct slice text(const char *s)
{
	return slice_of(s);
}

static void expect_kept(struct answer_cache *c, const char *key, const char *tag, const char *body)
{
	struct slice found_tag = { 0 }, found = answer_cache_get(c, text(key), &found_tag);
	assert_non_null(found.ptr);
	assert_true(slice_eq_str(found, body));
	assert_true(slice_eq_str(found_tag, tag));
}

static bool has(struct answer_cache *c, const char *key)
{
	struct slice tag;
	return answer_cache_get(c, text(key), &tag).ptr;
}

static void test_keeps_the_latest(void **state)
{
	struct answer_cache *c = answer_cache_new(4096, NULL);
	(void)state;
	assert_false(has(c, "a"));
	answer_cache_put(c, text("a"), text("1"), text("[]"));
	expect_kept(c, "a", "1", "[]");
	answer_cache_put(c, text("a"), text("2"), text("[1]"));
	expect_kept(c, "a", "2", "[1]");
	answer_cache_put(c, SLICE_LIT("a\0b"), text("3"), text("x"));
	expect_kept(c, "a", "2", "[1]");
	answer_cache_free(c);
	answer_cache_free(NULL);
}

static void test_oldest_make_room(void **state)
{
	struct answer_counts counts = { .bytes = 7, .answers = 7 };
	struct answer_cache *c = answer_cache_new(4096, &counts);
	char body[1001], key[16];
	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	assert_int_equal(counts.bytes + counts.answers, 0);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		answer_cache_put(c, text(key), text("t"), text(body));
	}
	assert_int_equal(counts.answers, 3);
	assert_true(counts.bytes > 3000 && counts.bytes < 4096);
	assert_int_equal(counter_read(&counts.evictions), 0);
	assert_true(has(c, "0")); /* and used latest */
	answer_cache_put(c, text("3"), text("t"), text(body));
	assert_true(has(c, "0"));
	assert_false(has(c, "1"));
	assert_true(has(c, "2"));
	assert_true(has(c, "3"));
	assert_int_equal(counter_read(&counts.evictions), 1);
	assert_int_equal(counts.answers, 3);
	answer_cache_count(c, ANSWER_STALE);
	assert_int_equal(counter_read(&counts.lookups[ANSWER_STALE]), 1);
	answer_cache_free(c);
	assert_int_equal(counts.bytes + counts.answers, 0);
}

static void test_too_long(void **state)
{
	struct answer_cache *c = answer_cache_new(4096, NULL), *none = answer_cache_new(0, NULL);
	char body[1026];
	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	assert_int_equal(answer_cache_longest(c), 1024);
	answer_cache_put(c, text("a"), text("1"), text("short"));
	/* What is no longer true goes, although what is true can't be kept. */
	answer_cache_put(c, text("a"), text("2"), text(body));
	assert_false(has(c, "a"));
	answer_cache_put(none, text("a"), text("1"), text(""));
	assert_false(has(none, "a"));
	answer_cache_free(none);
	answer_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_the_latest),
		cmocka_unit_test(test_oldest_make_room),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
