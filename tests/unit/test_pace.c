/* test_pace.c: what pace.h makes of a load is what tests/harness/pace.txt says, as e2e/pace has it of the other two. */
#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_table(void **state)
{
	(void)state;
	char line[256];
	unsigned rows = 0;
	FILE *file = fopen(TOP_SRCDIR "/tests/harness/pace.txt", "re");
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); rows++) {
		char *cpus = strchr(line, '\t'), *percent = cpus ? strchr(cpus + 1, '\t') : NULL;
		if (!percent) {
			fail_msg("a row has three columns: %s", line);
			break;
		}
		*cpus = '\0';
		assert_int_equal(pace_of(line, strtol(cpus + 1, NULL, 10)), strtoul(percent + 1, NULL, 10));
	}
	(void)fclose(file);
	assert_true(rows > 5);
}

static void a_deadline(void **state)
{
	(void)state;
	struct pace p = { .last = 1000, .left = 500 };
	assert_false(pace_over(&p, 1000));
	assert_false(pace_over(&p, 1400));
	assert_true(pace_over(&p, 1000 + (uint64_t)500 * PACE_MOST + 400));
	assert_true(pace_ms(100) >= 100 && pace_ms(100) <= (uint64_t)100 * PACE_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_table), cmocka_unit_test(a_deadline) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
