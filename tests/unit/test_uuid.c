/* test_uuid.c: random identifiers, and what looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uuid.h"

static void makes_different_valid_ones(void **state)
{
	char a[UUID_SIZE], b[UUID_SIZE];
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(uuid_random(a));
		assert_true(uuid_random(b));
		assert_int_equal(strlen(a), 36);
		assert_true(uuid_valid(slice_of(a)));
		assert_string_not_equal(a, b);
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
	}
}

static void knows_the_form(void **state)
{
	static const char *const bad[] = {
		"",
		"3f2a0b1c-0000-4000-8000-00000000000",
		"3f2a0b1c-0000-4000-8000-0000000000000",
		"3F2A0B1C-0000-4000-8000-000000000000",
		"3f2a0b1g-0000-4000-8000-000000000000",
		"3f2a0b1c00000-4000-8000-000000000000",
		"3f2a0b1c-0000-4000-8000-00000000-000",
		"3f2a0b1c-0000-4000-8000-0000000000/.",
		"{f2a0b1c-0000-4000-8000-00000000000}",
	};
	(void)state;
	assert_true(uuid_valid(slice_of("3f2a0b1c-0000-4000-8000-00000000000f")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (uuid_valid(slice_of(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_different_valid_ones),
		cmocka_unit_test(knows_the_form),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
