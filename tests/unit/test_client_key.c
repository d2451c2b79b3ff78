/* test_client_key.c: keys that clients encrypt with the API key: PROTOCOL's vectors, both salts, both API keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client_key.h"

#define APP_SALT "AAECAwQFBgcICQoL8FD4Dnxx8RyHvtvDRfhbGHl7w+VcZzhRhkSS5Y6g6AiZPRDl"
#define SLUG_SALT "AAECAwQFBgcICQoLTO62nOZYCcsDv44e1azC8SV1RIdKaWEDRZM8HZzPuRDcASJj"
#define PLAIN "sk-ant-api03-example"

static void assert_derives(enum client_key_salt salt, const char *hex)
{
	struct seal_key got, want;
	assert_true(client_key_derive("test-api-key-1", salt, SLICE_LIT("my-team"), &got));
	assert_true(seal_key_parse(hex, &want));
	assert_memory_equal(got.bytes, want.bytes, SEAL_KEY_SIZE);
}

static void test_vectors(void **state)
{
	(void)state;
	assert_derives(CLIENT_KEY_SALT_APP, "5a777a38d00663beb83044c1bcf459eed0df7f5381e1aa08c8c56d0dc901cb79");
	assert_derives(CLIENT_KEY_SALT_SLUG, "3497a854d4d9bbc5023779272f67f7404e7286b29da3901ca36d55da4aaab78b");
}

static bool opens(const struct auth_keys *api_keys, const char *slug, const char *text)
{
	autobuf plain = { 0 };
	struct client_keys *keys = client_keys_new(api_keys);
	bool first = client_keys_open(keys, slice_of(slug), slice_of(text), &plain);
	if (first)
		assert_true(slice_eq_str(buf_slice(&plain), PLAIN));
	else
		assert_int_equal(plain.len, 0);
	buf_clear(&plain);
	/* What was derived is used again. */
	assert_int_equal(client_keys_open(keys, slice_of(slug), slice_of(text), &plain), first);
	client_keys_free(keys);
	return first;
}

static void test_opens_both_salts(void **state)
{
	(void)state;
	const struct auth_keys api_keys = { "test-api-key-1", NULL };
	assert_true(opens(&api_keys, "my-team", APP_SALT));
	assert_true(opens(&api_keys, "my-team", SLUG_SALT));
}

static void test_opens_with_the_key_before(void **state)
{
	(void)state;
	const struct auth_keys api_keys = { "test-api-key-2", "test-api-key-1" };
	assert_true(opens(&api_keys, "my-team", APP_SALT));
	assert_true(opens(&api_keys, "my-team", SLUG_SALT));
}

static void test_refuses(void **state)
{
	(void)state;
	const struct auth_keys api_keys = { "test-api-key-1", NULL }, other = { "test-api-key-2", NULL };
	assert_false(opens(&other, "my-team", APP_SALT));
	assert_false(opens(&api_keys, "my-tean", APP_SALT));
	assert_false(opens(&api_keys, "my-team", PLAIN));
	assert_false(opens(&api_keys, "my-team", ""));
	assert_false(opens(&api_keys, "my-team", "AAECAwQFBgcICQoL"));
	/* One bit of the tag. */
	assert_false(opens(&api_keys, "my-team", "AAECAwQFBgcICQoL8FD4Dnxx8RyHvtvDRfhbGHl7w+VcZzhRhkSS5Y6g6AiZPRDk"));
}

/* A workspace's key opens what was encrypted with it, and nothing else. */
static void test_with_another(void **state)
{
	(void)state;
	const char *key = "cak_0123456789abcdef_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	const struct auth_keys api_keys = { "test-api-key-1", NULL };
	struct client_keys *keys = client_keys_new(&api_keys);
	struct seal_key derived;
	autobuf sealed = { 0 }, plain = { 0 };
	assert_true(client_key_derive(key, CLIENT_KEY_SALT_APP, SLICE_LIT("my-team"), &derived));
	assert_true(seal(&derived, SLICE_LIT(PLAIN), &sealed));
	struct slice text = buf_slice(&sealed), slug = SLICE_LIT("my-team");
	for (int i = 0; i < 2; i++) {
		buf_clear(&plain);
		assert_true(client_keys_open_with(keys, key, slug, text, &plain));
		assert_true(slice_eq_str(buf_slice(&plain), PLAIN));
		assert_false(client_keys_open(keys, slug, text, &plain));
		assert_false(client_keys_open_with(keys, key, SLICE_LIT("my-tean"), text, &plain));
		assert_false(client_keys_open_with(keys, key, slug, SLICE_LIT(APP_SALT), &plain));
		assert_false(client_keys_open_with(keys, "test-api-key-1", slug, SLICE_LIT(APP_SALT), &plain));
	}
	client_keys_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_opens_both_salts),
		cmocka_unit_test(test_opens_with_the_key_before),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_with_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
