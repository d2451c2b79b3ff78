/* test_clock.c: units of the clocks, and which of them is which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"

static int64_t in_us(clockid_t clock)
{
	struct timespec t;
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What is read between two readings lies between them. */
static void test_monotonic(void **state)
{
	(void)state;
	int64_t before = in_us(CLOCK_MONOTONIC), us = clock_us(), ms = clock_ms(), after = in_us(CLOCK_MONOTONIC);
	assert_in_range(us, before, after);
	assert_in_range(ms, us / 1000, after / 1000);
}

static void test_wall(void **state)
{
	(void)state;
	int64_t before = in_us(CLOCK_REALTIME), ms = clock_wall_ms(), after = in_us(CLOCK_REALTIME);
	assert_in_range(ms, before / 1000, after / 1000);
	/* time() is a tick behind at most. */
	assert_in_range(clock_wall_s(), before / 1000000 - 1, in_us(CLOCK_REALTIME) / 1000000);
}

/* A sleep takes at least as long as it was told. */
static void test_spans(void **state)
{
	(void)state;
	int64_t us = clock_us(), ms = clock_ms();
	(void)nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
	assert_true(clock_ms() - ms >= 3 && clock_us() - us >= 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_wall),
		cmocka_unit_test(test_spans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
