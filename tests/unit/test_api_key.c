/* test_api_key.c: the text of workspaces' keys: made, recognised, compared; and when a request's key is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_key.h"
#include "auth.h"

#define ID "0123456789abcdef"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY "cak_" ID "_" SECRET

static bool looks_like_one(const char *text)
{
	struct slice id;
	return api_key_id(slice_of(text), &id);
}

static void test_made(void **state)
{
	(void)state;
	struct slice id = { 0 }, other_id = { 0 };
	autobuf key = { 0 }, other = { 0 };
	assert_true(api_key_make(&key) && api_key_make(&other));
	assert_int_equal(key.len, API_KEY_LENGTH);
	assert_true(api_key_id(buf_slice(&key), &id) && api_key_id(buf_slice(&other), &other_id));
	assert_int_equal(id.len, API_KEY_ID);
	assert_false(slice_eq(id, other_id));
	assert_memory_not_equal(key.data + 21, other.data + 21, API_KEY_SECRET);
}

static void test_recognised(void **state)
{
	(void)state;
	struct slice id;
	assert_true(api_key_id(slice_of(KEY), &id));
	assert_true(slice_eq_str(id, ID));
	assert_false(looks_like_one(""));
	assert_false(looks_like_one("cak_" ID "_" SECRET "0"));
	assert_false(looks_like_one("cak_" ID "-" SECRET));
	assert_false(looks_like_one("Cak_" ID "_" SECRET));
	assert_false(looks_like_one("cak_0123456789abcdeF_" SECRET));
	assert_false(looks_like_one("cak_0123456789abcde_0" SECRET));
	assert_false(looks_like_one("cak_" ID "_00112233445566778899aabbccddeeff00112233445566778899aabbccddee_f"));
}

static void test_compared(void **state)
{
	(void)state;
	unsigned char hash[API_KEY_HASH], other[API_KEY_HASH];
	assert_true(api_key_hash(slice_of(KEY), hash));
	assert_true(api_key_hash(SLICE_LIT("cak_" ID "_" SECRET " "), other));
	assert_true(api_key_is(hash, slice_make((char *)hash, sizeof(hash))));
	assert_false(api_key_is(hash, slice_make((char *)other, sizeof(other))));
	assert_false(api_key_is(hash, slice_make((char *)hash, sizeof(hash) - 1)));
	assert_false(api_key_is(hash, slice_make(NULL, 0)));
}

static enum auth_result check(const char *current, const char *authorization, const char *query)
{
	const struct auth_keys keys = { current, NULL };
	return auth_check(&keys, slice_of(authorization), slice_of(query));
}

static void test_of_a_request(void **state)
{
	(void)state;
	autobuf given = { 0 }, by_query = { 0 };
	assert_int_equal(check("test-api-key-1", "Bearer " KEY, ""), AUTH_WORKSPACE);
	assert_int_equal(check("test-api-key-1", "", "apiKey=" KEY), AUTH_WORKSPACE);
	/* API_KEY may look like one, and the header wins. */
	assert_int_equal(check(KEY, "Bearer " KEY, ""), AUTH_OK);
	assert_int_equal(check("test-api-key-1", "Bearer other", "apiKey=" KEY), AUTH_WRONG);
	assert_int_equal(check("test-api-key-1", "Bearer " KEY, "apiKey=test-api-key-1"), AUTH_WORKSPACE);
	auth_given(slice_of("bearer  " KEY " "), slice_of("apiKey=x"), &given);
	assert_true(slice_eq_str(buf_slice(&given), KEY));
	auth_given(slice_of(""), slice_of("since=0&apiKey=%63ak_" ID "_" SECRET), &by_query);
	assert_true(slice_eq_str(buf_slice(&by_query), KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_recognised),
		cmocka_unit_test(test_compared),
		cmocka_unit_test(test_of_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
