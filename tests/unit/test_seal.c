/* test_seal.c: secrets at rest: PROTOCOL's vector, derived keys, and what must not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base64.h"
#include "seal.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe"
#define PLAIN "{\"accessToken\":\"gho_x\"}"
#define SEALED "CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6"

static struct seal_key key_of(const char *hex)
{
	struct seal_key k;
	assert_true(seal_key_parse(hex, &k));
	return k;
}

static void parses_keys(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
		HEX "0",
		HEX "00",
		"g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"0011223344556677 899aabbccddeeff00112233445566778899aabbccddeeff",
		"0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	};
	struct seal_key lower = key_of(HEX),
			upper = key_of("00112233445566778899AABBCCDDEEFF00112233445566778899aAbBcCdDeEfF");
	(void)state;
	assert_memory_equal(lower.bytes, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
	assert_memory_equal(lower.bytes, upper.bytes, sizeof(lower.bytes));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (seal_key_parse(bad[i], &lower))
			fail_msg("not refused: %s", bad[i]);
		assert_memory_equal(lower.bytes, upper.bytes, sizeof(lower.bytes));
	}
}

static void makes_and_opens_the_vector(void **state)
{
	const unsigned char iv[SEAL_IV_SIZE] = { 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 };
	struct seal_key k = key_of(HEX);
	autobuf text = { 0 }, plain = { 0 };
	(void)state;
	assert_true(seal_with_iv(&k, iv, SLICE_LIT(PLAIN), &text));
	assert_string_equal(buf_cstr(&text), SEALED);
	buf_add_str(&plain, "before ");
	assert_true(unseal(&k, SLICE_LIT(SEALED), &plain));
	assert_string_equal(buf_cstr(&plain), "before " PLAIN);
}

static void seals_under_another_iv_each_time(void **state)
{
	struct seal_key k = key_of(HEX);
	autobuf one = { 0 }, two = { 0 }, plain = { 0 };
	(void)state;
	assert_true(seal(&k, SLICE_LIT(PLAIN), &one));
	assert_true(seal(&k, SLICE_LIT(PLAIN), &two));
	assert_int_equal(one.len, two.len);
	assert_memory_not_equal(one.data, two.data, 16);
	assert_memory_not_equal(one.data + 16, two.data + 16, one.len - 16);
	assert_true(unseal(&k, buf_slice(&one), &plain));
	assert_true(unseal(&k, buf_slice(&two), &plain));
	assert_string_equal(buf_cstr(&plain), PLAIN PLAIN);
}

static void seals_nothing_and_much(void **state)
{
	struct seal_key k = key_of(HEX);
	autobuf big = { 0 }, text = { 0 }, plain = { 0 };
	(void)state;
	assert_true(seal(&k, slice_make(NULL, 0), &text));
	assert_int_equal(text.len, 40);
	assert_true(unseal(&k, buf_slice(&text), &plain));
	assert_int_equal(plain.len, 0);
	memset(buf_reserve(&big, SEAL_MAX_PLAIN + 1), 'x', SEAL_MAX_PLAIN + 1);
	big.len = SEAL_MAX_PLAIN;
	buf_clear(&text);
	assert_true(seal(&k, buf_slice(&big), &text));
	assert_true(unseal(&k, buf_slice(&text), &plain));
	assert_true(slice_eq(buf_slice(&plain), buf_slice(&big)));
	big.len++;
	buf_clear(&text);
	assert_false(seal(&k, buf_slice(&big), &text));
	assert_int_equal(text.len, 0);
}

static void assert_closed(const struct seal_key *k, struct slice text)
{
	autobuf plain = { 0 };
	memset(buf_reserve(&plain, 128), 0, 128);
	buf_add_str(&plain, "kept");
	if (unseal(k, text, &plain))
		fail_msg("opened: %.*s", (int)text.len, text.ptr);
	assert_true(slice_eq_str(buf_slice(&plain), "kept"));
	/* Nothing of the plaintext is left behind the content. */
	assert_null(memmem(plain.data, 128, "gho_", 4));
}

static void opens_nothing_else(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"AAAA",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
		/* 27 bytes */
		"CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9",
		"CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6AAAA",
		"CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G",
		"CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6\n",
		"CwoJCAcGBQQDAgEAlt4_PHLT7zsSI86wRH_9i0BMBUCpZHkYh-3bF5Nh1uuS8VSqR_G6",
	};
	struct seal_key k = key_of(HEX), other = key_of(OTHER_HEX);
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_closed(&k, slice_of(bad[i]));
	assert_closed(&other, SLICE_LIT(SEALED));
}

static void opens_nothing_with_one_bit_changed(void **state)
{
	struct seal_key k = key_of(HEX);
	autobuf raw = { 0 }, text = { 0 };
	(void)state;
	assert_true(base64_read(SLICE_LIT(SEALED), BASE64_STANDARD, &raw));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
		buf_clear(&text);
		base64_add(&text, BASE64_STANDARD, raw.data, raw.len);
		assert_closed(&k, buf_slice(&text));
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
	}
}

static void derives_other_keys(void **state)
{
	/* Python: hmac.digest(hmac.digest(bytes(32), key, "sha256"), b"oauth state\x01", "sha256") */
	static const unsigned char want[SEAL_KEY_SIZE] = { 0x26, 0x31, 0x4e, 0x16, 0xab, 0x4c, 0xe0, 0x77,
							   0x04, 0x18, 0xf8, 0x3d, 0x46, 0xb0, 0x1b, 0x13,
							   0x6a, 0xaf, 0x26, 0x84, 0xc5, 0xe6, 0xd9, 0x28,
							   0x1b, 0xe4, 0xa1, 0xe9, 0x97, 0x06, 0xc6, 0x3c };
	struct seal_key k = key_of(HEX), other = key_of(OTHER_HEX);
	unsigned char a[SEAL_KEY_SIZE], b[SEAL_KEY_SIZE];
	(void)state;
	assert_true(seal_derive(&k, "oauth state", a));
	assert_memory_equal(a, want, sizeof(want));
	assert_true(seal_derive(&k, "oauth ticket", b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(seal_derive(&other, "oauth state", b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static bool opens_at(const struct seal_key *k, const char *purpose, const char *workspace, const char *item,
		     struct slice text)
{
	autobuf plain = { 0 };
	const struct seal_place place = { purpose, slice_of(workspace), slice_of(item) };
	bool opened = unseal_at(k, &place, text, &plain);
	assert_true(opened ? slice_eq_str(buf_slice(&plain), PLAIN) : plain.len == 0);
	return opened;
}

static void opens_at_its_place_only(void **state)
{
	struct seal_key k = key_of(HEX), other = key_of(OTHER_HEX);
	const struct seal_place place = { SEAL_CREDENTIAL, SLICE_LIT("team"), SLICE_LIT("octo/hello") };
	autobuf text = { 0 }, again = { 0 };
	(void)state;
	assert_true(seal_at(&k, SEAL_BOUND, &place, SLICE_LIT(PLAIN), &text));
	assert_true(seal_is_bound(buf_slice(&text)));
	assert_true(opens_at(&k, SEAL_CREDENTIAL, "team", "octo/hello", buf_slice(&text)));
	assert_false(opens_at(&other, SEAL_CREDENTIAL, "team", "octo/hello", buf_slice(&text)));
	assert_false(opens_at(&k, SEAL_API_KEY, "team", "octo/hello", buf_slice(&text)));
	assert_false(opens_at(&k, SEAL_CREDENTIAL, "other", "octo/hello", buf_slice(&text)));
	assert_false(opens_at(&k, SEAL_CREDENTIAL, "team", "octo/hell", buf_slice(&text)));
	/* Fields that run into each other. */
	assert_false(opens_at(&k, SEAL_CREDENTIAL, "teamocto", "/hello", buf_slice(&text)));
	/* Without the mark it isn't the older form. */
	assert_false(opens_at(&k, SEAL_CREDENTIAL, "team", "octo/hello", slice_make(text.data + 2, text.len - 2)));
	assert_false(unseal(&k, buf_slice(&text), &again));
	/* PROTOCOL's vector opens anywhere, and is what is written where that is asked for. */
	assert_true(opens_at(&k, SEAL_CREDENTIAL, "team", "octo/hello", SLICE_LIT(SEALED)));
	assert_false(seal_is_bound(SLICE_LIT(SEALED)));
	assert_true(seal_at(&k, SEAL_UNBOUND, &place, SLICE_LIT(PLAIN), &again));
	assert_true(opens_at(&k, SEAL_API_KEY, "other", "", buf_slice(&again)));
}

static void opens_the_bound_vector(void **state)
{
	struct seal_key k = key_of(HEX);
	/* Made by OpenSSL's library for node. */
	static const char vector[] = "2:CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHlx7n99ntR8NLzHT/VL0GrY";
	(void)state;
	assert_true(opens_at(&k, SEAL_CREDENTIAL, "team", "octo/hello", slice_of(vector)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_keys),
		cmocka_unit_test(makes_and_opens_the_vector),
		cmocka_unit_test(seals_under_another_iv_each_time),
		cmocka_unit_test(seals_nothing_and_much),
		cmocka_unit_test(opens_nothing_else),
		cmocka_unit_test(opens_at_its_place_only),
		cmocka_unit_test(opens_the_bound_vector),
		cmocka_unit_test(opens_nothing_with_one_bit_changed),
		cmocka_unit_test(derives_other_keys),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
