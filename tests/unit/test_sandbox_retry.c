/* test_sandbox_retry.c: when what failed is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/retry.h"

static void later_and_later(void **state)
{
	static const uint64_t waits[] = { 0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000 };
	struct retry r = { 0 };
	uint64_t now = 5000;
	(void)state;
	assert_int_equal(retry_wait(&r, now), 0);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		retry_began(&r, now);
		retry_failed(&r, now + 10);
		assert_int_equal(retry_wait(&r, now + 10), waits[i]);
		assert_int_equal(retry_wait(&r, now + 10 + waits[i]), 0);
		now += 10 + waits[i];
	}
	for (int i = 0; i < 1000; i++)
		retry_failed(&r, now);
	assert_int_equal(retry_wait(&r, now), 60000);
	retry_worked(&r);
	assert_int_equal(retry_wait(&r, now), 0);
}

static void what_ran_for_long_counts_anew(void **state)
{
	struct retry r = { 0 };
	(void)state;
	for (int i = 0; i < 5; i++)
		retry_failed(&r, 1000);
	retry_began(&r, 20000);
	retry_failed(&r, 80000);
	assert_int_equal(retry_wait(&r, 80000), 0);
	assert_int_equal(r.failures, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_and_later),
		cmocka_unit_test(what_ran_for_long_counts_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
