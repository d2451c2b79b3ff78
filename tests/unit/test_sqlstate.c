/* test_sqlstate.c: what SQLSTATEs mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db.h"
#include "sqlstate.h"

/* In the order of the manual's appendix A. */
static const struct {
	const char *state;
	enum sqlstate_kind kind;
	bool passes, ends;
} rows[] = {
	{ "00000", SQLSTATE_OK, false, false },
	{ "08006", SQLSTATE_AWAY, true, true },	      /* connection_failure */
	{ "22P05", SQLSTATE_VALUE, false, false },    /* untranslatable_character: \\u0000 in jsonb */
	{ "23505", SQLSTATE_VALUE, false, false },    /* unique_violation */
	{ "25006", SQLSTATE_AWAY, true, false },      /* read_only_sql_transaction */
	{ "40001", SQLSTATE_BUSY, true, false },      /* serialization_failure */
	{ "40P01", SQLSTATE_BUSY, true, false },      /* deadlock_detected */
	{ "42501", SQLSTATE_INTERNAL, false, false }, /* insufficient_privilege */
	{ "42883", SQLSTATE_INTERNAL, false, false }, /* undefined_function */
	{ "53100", SQLSTATE_FULL, true, false },      /* disk_full */
	{ "53200", SQLSTATE_FULL, true, false },      /* out_of_memory */
	{ "54000", SQLSTATE_LIMIT, false, false },    /* program_limit_exceeded */
	{ "55000", SQLSTATE_AWAY, true, false },      /* object_not_in_prerequisite_state */
	{ "55P03", SQLSTATE_BUSY, true, false },      /* lock_not_available */
	{ "57014", SQLSTATE_AWAY, true, false },      /* query_canceled */
	{ "57P01", SQLSTATE_AWAY, true, true },	      /* admin_shutdown */
	{ "58030", SQLSTATE_AWAY, true, false },      /* io_error */
	{ "XX000", SQLSTATE_INTERNAL, false, false }, /* internal_error */
	{ DB_STALE, SQLSTATE_STALE, true, false },
	{ "CA002", SQLSTATE_INTERNAL, false, false },
	{ "", SQLSTATE_AWAY, true, true },
};

static void every_state_has_one_meaning(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("# %s\n", rows[i].state);
		assert_int_equal(sqlstate_kind(rows[i].state), rows[i].kind);
		assert_int_equal(sqlstate_passes(rows[i].kind), rows[i].passes);
		assert_int_equal(sqlstate_ends_connection(rows[i].state), rows[i].ends);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_state_has_one_meaning) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
