/* test_fcgi_seats.c: which worker a workspace may have, and when the reserve is needed. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/seats.h"

enum { QUICK, OTHER };
#define RESERVE 4
#define LONG SEATS_LONG

static const unsigned char a[SEATS_WORKSPACE] = "a", b[SEATS_WORKSPACE] = "b";

/* Four, and the reserve. */
static struct seats *four(bool strict)
{
	struct seats *s = seats_new(RESERVE + 1);
	for (size_t i = 0; i < RESERVE; i++)
		seats_assign(s, i, &(struct seats_kind){ .pool = QUICK, .strict = strict });
	seats_assign(s, RESERVE, &(struct seats_kind){ .pool = QUICK, .reserve = true });
	return s;
}

static void test_short_requests_have_all(void **state)
{
	(void)state;
	struct seats *s = four(false);
	for (size_t i = 0; i < RESERVE; i++)
		assert_int_equal(seats_take(s, i, a, 1000 + (int64_t)i), SEAT_TAKEN);
	seats_free(s);
}

static void test_long_requests_have_half(void **state)
{
	(void)state;
	struct seats *s = four(false);
	assert_int_equal(seats_take(s, 0, a, 1000), SEAT_TAKEN);
	assert_int_equal(seats_take(s, 1, a, 1000), SEAT_TAKEN);
	assert_int_equal(seats_take(s, 2, a, 1000 + LONG), SEAT_LATER);
	assert_int_equal(seats_take(s, 2, b, 1000 + LONG), SEAT_TAKEN);
	seats_leave(s, 0, 1000 + LONG);
	assert_int_equal(seats_take(s, 3, a, 1000 + LONG), SEAT_TAKEN);
	seats_free(s);
}

static void test_long_ones_of_before(void **state)
{
	(void)state;
	struct seats *s = four(false);
	assert_int_equal(seats_take(s, 0, a, 1000), SEAT_TAKEN);
	seats_leave(s, 0, 1000 + SEATS_HEAVY);
	int64_t now = 1000 + SEATS_HEAVY;
	for (size_t i = 0; i < RESERVE - 1; i++)
		assert_int_equal(seats_take(s, i, a, now), SEAT_TAKEN);
	assert_int_equal(seats_take(s, 3, a, now), SEAT_SOON);
	assert_int_equal(seats_take(s, 3, b, now), SEAT_TAKEN);
	for (size_t i = 0; i < RESERVE; i++)
		seats_leave(s, i, now);
	now += SEATS_LATELY;
	for (size_t i = 0; i < RESERVE; i++)
		assert_int_equal(seats_take(s, i, a, now), SEAT_TAKEN);
	seats_free(s);
}

static void test_strict(void **state)
{
	(void)state;
	struct seats *s = seats_new(2);
	for (size_t i = 0; i < 2; i++)
		seats_assign(s, i, &(struct seats_kind){ .pool = OTHER, .strict = true });
	assert_int_equal(seats_take(s, 0, a, 1000), SEAT_TAKEN);
	assert_int_equal(seats_take(s, 1, a, 1000), SEAT_SOON);
	assert_int_equal(seats_take(s, 1, b, 1000), SEAT_TAKEN);
	seats_free(s);
	/* One has nothing to share out. */
	s = seats_new(1);
	seats_assign(s, 0, &(struct seats_kind){ .pool = OTHER, .strict = true });
	assert_int_equal(seats_take(s, 0, a, 1000), SEAT_TAKEN);
	assert_int_equal(seats_take(s, 0, a, 1000 + LONG), SEAT_TAKEN);
	seats_free(s);
}

static bool is_woken(const struct seats *s)
{
	return poll(&(struct pollfd){ .fd = seats_fd(s), .events = POLLIN }, 1, 0) == 1;
}

static void test_reserve(void **state)
{
	(void)state;
	struct seats *s = four(false);
	assert_int_equal(seats_reserve(s, 1000), RESERVE_SLEEPS);
	for (size_t i = 0; i < RESERVE; i++) {
		assert_false(is_woken(s));
		assert_int_equal(seats_take(s, i, a, 1000), SEAT_TAKEN);
	}
	assert_true(is_woken(s));
	seats_woken(s);
	assert_false(is_woken(s));
	assert_int_equal(seats_reserve(s, 1000), RESERVE_WATCHES);
	assert_int_equal(seats_reserve(s, 1000 + LONG), RESERVE_SERVES);
	/* It is for the others. */
	assert_int_equal(seats_take(s, RESERVE, a, 1000 + LONG), SEAT_LATER);
	assert_int_equal(seats_take(s, RESERVE, b, 1000 + LONG), SEAT_TAKEN);
	seats_leave(s, RESERVE, 1000 + LONG);
	seats_leave(s, 2, 1000 + LONG);
	assert_int_equal(seats_reserve(s, 1000 + LONG), RESERVE_SLEEPS);
	assert_int_equal(seats_take(s, 2, b, 1000 + LONG), SEAT_TAKEN);
	assert_true(is_woken(s));
	seats_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_requests_have_all),
		cmocka_unit_test(test_long_requests_have_half),
		cmocka_unit_test(test_long_ones_of_before),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_reserve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
