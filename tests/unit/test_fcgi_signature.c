/* test_fcgi_signature.c: signed URLs: the vectors of PROTOCOL, and everything that must not open a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "signature.h"

#define PHOTO "files/my-team/s1/attachments/a b.png"
#define PHOTO_SIG "4bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b4"
#define ICON "assets/my-team/statuses/icons/todo.svg"
#define ICON_SIG "b4996ec95bf067bdee3d79645dbc66ded20046f5f1d8816a6b617a06d0141520"
/* PHOTO's with test-api-key-0 */
#define OLD_SIG "6a0920af90335edae4c66a93c95e9cdfcc2b0526483e52a44ee315af2fe94d56"
#define EXPIRES 1767225600

static const struct auth_keys one_key = { "test-api-key-1", NULL };
static const struct auth_keys two_keys = { "test-api-key-1", "test-api-key-0" };

static enum signature_result check(const char *path, const char *query)
{
	return signature_check(&one_key, slice_of(path), slice_of(query), EXPIRES - 1);
}

static void makes_the_vectors(void **state)
{
	autobuf sig = { 0 };
	(void)state;
	assert_true(signature_make("test-api-key-1", SLICE_LIT(PHOTO), EXPIRES, &sig));
	assert_string_equal(buf_cstr(&sig), PHOTO_SIG);
	buf_clear(&sig);
	buf_add_str(&sig, "x");
	assert_true(signature_make("test-api-key-1", SLICE_LIT(ICON), EXPIRES, &sig));
	assert_string_equal(buf_cstr(&sig), "x" ICON_SIG);
}

static void accepts_the_vectors(void **state)
{
	(void)state;
	assert_int_equal(check(PHOTO, "exp=1767225600&sig=" PHOTO_SIG), SIGNATURE_OK);
	assert_int_equal(check(PHOTO, "sig=" PHOTO_SIG "&exp=1767225600"), SIGNATURE_OK);
	assert_int_equal(check(PHOTO, "expires=1&v=2&exp=1767225600&&signature=0&sig=" PHOTO_SIG "&"), SIGNATURE_OK);
	assert_int_equal(check(ICON, "exp=1767225600&sig=" ICON_SIG), SIGNATURE_OK);
}

static void sees_when_none_was_sent(void **state)
{
	(void)state;
	assert_int_equal(check(PHOTO, ""), SIGNATURE_NONE);
	assert_int_equal(check(PHOTO, "apiKey=x&expires=5&signature=6&Exp=1&SIG=2&xsig=3&"), SIGNATURE_NONE);
	assert_int_equal(signature_check(&one_key, SLICE_LIT(PHOTO), slice_make(NULL, 0), 0), SIGNATURE_NONE);
}

static void expires(void **state)
{
	const struct slice path = SLICE_LIT(PHOTO), query = SLICE_LIT("exp=1767225600&sig=" PHOTO_SIG);
	(void)state;
	assert_int_equal(signature_check(&one_key, path, query, 0), SIGNATURE_OK);
	assert_int_equal(signature_check(&one_key, path, query, EXPIRES), SIGNATURE_OK);
	assert_int_equal(signature_check(&one_key, path, query, EXPIRES + 1), SIGNATURE_BAD);
	assert_int_equal(signature_check(&two_keys, path, query, EXPIRES + 1), SIGNATURE_BAD);
}

static void is_good_by_both_keys(void **state)
{
	const struct slice path = SLICE_LIT(PHOTO);
	const struct slice current = SLICE_LIT("exp=1767225600&sig=" PHOTO_SIG);
	const struct slice previous = SLICE_LIT("exp=1767225600&sig=" OLD_SIG);
	(void)state;
	assert_int_equal(signature_check(&two_keys, path, current, 0), SIGNATURE_OK);
	assert_int_equal(signature_check(&two_keys, path, previous, 0), SIGNATURE_OK);
	assert_int_equal(signature_check(&two_keys, SLICE_LIT(ICON), previous, 0), SIGNATURE_BAD);
	assert_int_equal(signature_check(&one_key, path, previous, 0), SIGNATURE_BAD);
}

static void opens_no_other_path(void **state)
{
	static const char *const others[] = {
		ICON,
		"",
		"/" PHOTO,
		PHOTO "/",
		PHOTO "/sign",
		"files/my-team/s1/attachments",
		"files/my-team/s1/attachments/a%20b.png",
		"files/my-team/s1/attachments/A b.png",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (check(others[i], "exp=1767225600&sig=" PHOTO_SIG) != SIGNATURE_BAD)
			fail_msg("opened: %s", others[i]);
	}
}

static void refuses_other_queries(void **state)
{
	static const char *const bad[] = {
		/* one of the two, or empty */
		"exp=1767225600",
		"sig=" PHOTO_SIG,
		"exp",
		"sig",
		"exp=&sig=",
		"exp=1767225600&sig=",
		"exp=1767225600&sig",
		"exp=&sig=" PHOTO_SIG,
		"exp&sig=" PHOTO_SIG,
		/* twice, the good one first or last */
		"exp=1767225600&sig=" PHOTO_SIG "&sig=" PHOTO_SIG,
		"exp=1767225600&sig=0&sig=" PHOTO_SIG,
		"exp=1767225600&sig=" PHOTO_SIG "&sig",
		"exp=1767225600&exp=1767225600&sig=" PHOTO_SIG,
		"exp=1767225600&exp=1&sig=" PHOTO_SIG,
		"exp=1&sig=" PHOTO_SIG "&exp=1767225600",
		/* another spelling of the number */
		"exp=+1767225600&sig=" PHOTO_SIG,
		"exp=-1767225600&sig=" PHOTO_SIG,
		"exp=%201767225600&sig=" PHOTO_SIG,
		"exp= 1767225600&sig=" PHOTO_SIG,
		"exp=1767225600 &sig=" PHOTO_SIG,
		"exp=01767225600&sig=" PHOTO_SIG,
		"exp=0x69555C00&sig=" PHOTO_SIG,
		"exp=1767225600.0&sig=" PHOTO_SIG,
		"exp=17672256e2&sig=" PHOTO_SIG,
		"exp=%31767225600&sig=" PHOTO_SIG,
		"exp=1767225600%00&sig=" PHOTO_SIG,
		"exp=0&sig=" PHOTO_SIG,
		/* another number */
		"exp=1767225601&sig=" PHOTO_SIG,
		"exp=9999999999999&sig=" PHOTO_SIG,
		"exp=18446744075476777216&sig=" PHOTO_SIG,
		/* another signature */
		"exp=1767225600&sig=" ICON_SIG,
		"exp=1767225600&sig=" PHOTO_SIG "0",
		"exp=1767225600&sig=0" PHOTO_SIG,
		"exp=1767225600&sig=4bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b",
		"exp=1767225600&sig=4bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b5",
		"exp=1767225600&sig=5bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b4",
		"exp=1767225600&sig=4BF444B7C8933B35F8C142AD7BBDDAE36A171207A6A08374B37A301C314112B4",
		"exp=1767225600&sig=%34bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b4",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (check(PHOTO, bad[i]) != SIGNATURE_BAD)
			fail_msg("not refused: %s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_vectors),	   cmocka_unit_test(accepts_the_vectors),
		cmocka_unit_test(sees_when_none_was_sent), cmocka_unit_test(expires),
		cmocka_unit_test(is_good_by_both_keys),	   cmocka_unit_test(opens_no_other_path),
		cmocka_unit_test(refuses_other_queries),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
