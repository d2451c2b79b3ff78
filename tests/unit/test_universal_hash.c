/* test_universal_hash.c: the keyed hash that the bridge compares messages by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "universal_hash.h"

/* RFC 8439, 2.5.2. */
static void it_is_poly1305(void **state)
{
	static const unsigned char key[] = { 0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52,
					     0xfe, 0x42, 0xd5, 0x06, 0xa8, 0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d,
					     0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b };
	static const unsigned char tag[] = { 0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6,
					     0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9 };
	unsigned char out[UNIVERSAL_HASH_BYTES];
	(void)state;
	universal_hash_keyed(key, slice_of("Cryptographic Forum Research Group"), out);
	assert_memory_equal(out, tag, sizeof(tag));
	/* A call leaves nothing behind for the next one. */
	universal_hash_keyed(key, slice_of("something else, and longer than a block of it"), out);
	assert_memory_not_equal(out, tag, sizeof(tag));
	universal_hash_keyed(key, slice_of("Cryptographic Forum Research Group"), out);
	assert_memory_equal(out, tag, sizeof(tag));
}

/* Lengths around a block, bytes at both ends, zeros that pad: each text has a value of its own. */
static void it_tells_texts_apart(void **state)
{
	static unsigned char seen[4 * 70][UNIVERSAL_HASH_BYTES];
	size_t count = 0;
	(void)state;
	for (size_t len = 0; len < 70; len++) {
		for (int way = 0; way < (len ? 3 : 1); way++) {
			char text[70] = { 0 };
			if (way)
				text[way == 1 ? 0 : len - 1] = (char)(way == 1 ? 1 : 2);
			universal_hash(slice_make(text, len), seen[count++]);
		}
	}
	for (size_t a = 0; a < count; a++) {
		for (size_t b = 0; b < a; b++)
			assert_memory_not_equal(seen[a], seen[b], UNIVERSAL_HASH_BYTES);
	}
}

static void the_key_is_a_secret_that_stays(void **state)
{
	static const unsigned char zero[UNIVERSAL_HASH_KEY];
	unsigned char first[UNIVERSAL_HASH_BYTES], again[UNIVERSAL_HASH_BYTES], known[UNIVERSAL_HASH_BYTES];
	(void)state;
	universal_hash(slice_of("text"), first);
	universal_hash_keyed(zero, slice_of("text"), known);
	universal_hash(slice_of("text"), again);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_not_equal(first, known, sizeof(first));
	universal_hash(slice_make(NULL, 0), first);
	universal_hash(slice_make("", 0), again);
	assert_memory_equal(first, again, sizeof(first));
}

/* What any two texts can do under a key that is known: here two polynomials that meet at the point 0. */
static void a_key_that_is_known_has_collisions(void **state)
{
	static const unsigned char zero[UNIVERSAL_HASH_KEY];
	unsigned char a[UNIVERSAL_HASH_BYTES], b[UNIVERSAL_HASH_BYTES];
	(void)state;
	universal_hash_keyed(zero, slice_of("one"), a);
	universal_hash_keyed(zero, slice_of("another"), b);
	assert_memory_equal(a, b, sizeof(a));
	universal_hash(slice_of("one"), a);
	universal_hash(slice_of("another"), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_poly1305),
		cmocka_unit_test(it_tells_texts_apart),
		cmocka_unit_test(the_key_is_a_secret_that_stays),
		cmocka_unit_test(a_key_that_is_known_has_collisions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
