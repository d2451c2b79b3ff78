/* test_map.c: the hash map, the session cache's bound, and the buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "map.h"
#include "session_cache.h"
#include "table_hash.h"

static void keeps_what_was_put(void **state)
{
	struct map m = { 0 };
	char key[16];
	(void)state;
	assert_null(map_get(&m, slice_of("a")));
	assert_null(map_remove(&m, slice_of("a")));
	for (uintptr_t i = 1; i <= 5000; i++) {
		int n = snprintf(key, sizeof(key), "k%d", (int)i);
		map_put(&m, slice_make(key, (size_t)n), (void *)i);
	}
	assert_int_equal(m.count, 5000);
	for (uintptr_t i = 1; i <= 5000; i += 2) {
		int n = snprintf(key, sizeof(key), "k%d", (int)i);
		assert_int_equal((uintptr_t)map_remove(&m, slice_make(key, (size_t)n)), i);
	}
	assert_int_equal(m.count, 2500);
	assert_null(map_get(&m, slice_of("k1")));
	assert_int_equal((uintptr_t)map_get(&m, slice_of("k2")), 2);
	map_put(&m, slice_of("k2"), (void *)(uintptr_t)7);
	assert_int_equal((uintptr_t)map_get(&m, slice_of("k2")), 7);
	assert_int_equal(m.count, 2500);
	map_put(&m, slice_make("a\0b", 3), (void *)(uintptr_t)8);
	assert_null(map_get(&m, slice_make("a\0c", 3)));
	map_put(&m, slice_make(NULL, 0), (void *)(uintptr_t)9);
	assert_int_equal((uintptr_t)map_get(&m, slice_make("", 0)), 9);
	map_free(&m);
}

/* As CPython hashes bytes with PYTHONHASHSEED=0. */
static void the_hash_is_siphash_1_3(void **state)
{
	static const struct table_key zero, other = { { 1, 2 } };
	char bytes[64];
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	assert_true(table_hash_keyed(&zero, slice_of("a")) == 0x407448d2b89b1813);
	assert_true(table_hash_keyed(&zero, slice_of("abcdefg")) == 0x6db12aae9070f506);
	assert_true(table_hash_keyed(&zero, slice_of("abcdefgh")) == 0x3f7b849c0b8e35ea);
	assert_true(table_hash_keyed(&zero, slice_of("abcdefghi")) == 0xf89b34a3d11eb6e5);
	assert_true(table_hash_keyed(&zero, slice_make(bytes, 15)) == 0xf30eb725bb91c9ea);
	assert_true(table_hash_keyed(&zero, slice_make(bytes, 64)) == 0x75e05fd5bbc870c6);
	assert_true(table_hash_keyed(&other, slice_of("a")) != table_hash_keyed(&zero, slice_of("a")));
	assert_true(table_hash(slice_make(NULL, 0)) == table_hash(slice_make("", 0)));
	assert_true(table_hash(slice_of("a")) != table_hash_keyed(&zero, slice_of("a")));
}

static struct session_entry *remember(struct session_cache *cache, const char *id, size_t bytes)
{
	struct session_entry *e = session_cache_put(cache, slice_of("w"), slice_of(id));
	e->version = 1;
	(void)buf_reserve(&e->header, bytes);
	session_cache_weigh(cache, e);
	return e;
}

static void the_cache_forgets_the_least_recently_used(void **state)
{
	struct session_cache *cache = session_cache_new(100000);
	(void)state;
	(void)remember(cache, "a", 30000);
	(void)remember(cache, "b", 30000);
	(void)remember(cache, "c", 30000);
	assert_non_null(session_cache_get(cache, slice_of("w"), slice_of("a")));
	(void)remember(cache, "d", 30000);
	assert_null(session_cache_get(cache, slice_of("w"), slice_of("b")));
	assert_non_null(session_cache_get(cache, slice_of("w"), slice_of("a")));
	(void)remember(cache, "huge", 500000); /* stays alone, as it is in use */
	assert_non_null(session_cache_get(cache, slice_of("w"), slice_of("huge")));
	assert_null(session_cache_get(cache, slice_of("w"), slice_of("a")));
	assert_null(session_cache_get(cache, slice_of("v"), slice_of("huge")));
	session_cache_drop(cache, slice_of("w"), slice_of("huge"));
	assert_null(session_cache_get(cache, slice_of("w"), slice_of("huge")));
	session_cache_free(cache);
}

static void buffers_grow_and_shrink(void **state)
{
	autobuf b = { 0 };
	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, 0);
	assert_string_equal(buf_cstr(&b), "18446744073709551615 -9223372036854775808 0");
	buf_drop_front(&b, 21);
	assert_string_equal(buf_cstr(&b), "-9223372036854775808 0");
	buf_drop_front(&b, 100);
	assert_int_equal(b.len, 0);
	buf_addf(&b, "%s-%d", "x", 5);
	assert_string_equal(buf_cstr(&b), "x-5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_was_put),
		cmocka_unit_test(the_hash_is_siphash_1_3),
		cmocka_unit_test(the_cache_forgets_the_least_recently_used),
		cmocka_unit_test(buffers_grow_and_shrink),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
