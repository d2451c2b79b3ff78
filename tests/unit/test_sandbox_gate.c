/* test_sandbox_gate.c: who may pass a gate, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/gate.h"

static char order[64];
static size_t opened;

static void on_open(void *user)
{
	order[opened++] = *(const char *)user;
	order[opened] = '\0';
}

static bool enter(struct gate_pass *pass, const char *name, unsigned capacity, unsigned places, const char *who)
{
	return gate_enter(pass, name, capacity, places, on_open, (void *)(uintptr_t)who);
}

static int reset(void **state)
{
	(void)state;
	opened = 0;
	order[0] = '\0';
	return 0;
}

static void lets_as_many_in_as_there_are_places(void **state)
{
	struct gate_pass a, b, c, d, other;
	(void)state;
	assert_true(enter(&a, "slots", 2, 1, "a"));
	assert_true(enter(&b, "slots", 2, 1, "b"));
	assert_false(enter(&c, "slots", 2, 1, "c"));
	assert_false(enter(&d, "slots", 2, 1, "d"));
	assert_true(enter(&other, "others", 1, 1, "o"));
	gate_leave(&b);
	assert_string_equal(order, "c");
	gate_leave(&a);
	assert_string_equal(order, "cd");
	gate_leave(&c);
	gate_leave(&d);
	gate_leave(&other);
	gate_leave(&other);
	assert_string_equal(order, "cd");
}

static void who_wants_all_is_alone_and_isnt_overtaken(void **state)
{
	struct gate_pass reader, writer, late, another;
	(void)state;
	assert_true(enter(&reader, "cache", GATE_ALL, 1, "r"));
	assert_false(enter(&writer, "cache", GATE_ALL, GATE_ALL, "w"));
	assert_false(enter(&late, "cache", GATE_ALL, 1, "l"));
	assert_false(enter(&another, "cache", GATE_ALL, GATE_ALL, "x"));
	gate_leave(&reader);
	assert_string_equal(order, "w");
	assert_true(writer.inside);
	gate_keep(&writer, 1);
	assert_string_equal(order, "wl");
	gate_leave(&late);
	gate_leave(&writer);
	assert_string_equal(order, "wlx");
	gate_leave(&another);
}

static void who_waits_may_go(void **state)
{
	struct gate_pass a, b, c, d;
	(void)state;
	assert_true(enter(&a, "g", 1, 1, "a"));
	assert_false(enter(&b, "g", 1, 1, "b"));
	assert_false(enter(&c, "g", 1, 1, "c"));
	gate_leave(&c);
	gate_leave(&b);
	assert_false(enter(&d, "g", 1, 1, "d"));
	gate_leave(&a);
	assert_string_equal(order, "d");
	gate_leave(&d);
	assert_true(enter(&b, "g", 3, 3, "b"));
	gate_leave(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lets_as_many_in_as_there_are_places, reset),
		cmocka_unit_test_setup(who_wants_all_is_alone_and_isnt_overtaken, reset),
		cmocka_unit_test_setup(who_waits_may_go, reset),
	};
	return cmocka_run_group_tests_name("sandbox/gate", tests, NULL, NULL);
}
