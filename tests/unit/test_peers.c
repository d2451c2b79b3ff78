/* test_peers.c: client addresses, their table, and token buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/peers.h"
#include "lib/tally.h"

static uint64_t key_of(const char *text)
{
	uint64_t key = 0;
	assert_true(peer_key(slice_of(text), &key));
	return key;
}

static void addresses(void **state)
{
	(void)state;
	assert_true(key_of("192.0.2.1") == key_of("::ffff:192.0.2.1"));
	assert_true(key_of("192.0.2.1") != key_of("192.0.2.2"));
	assert_true(key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
	assert_true(key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1"));
	assert_true(key_of("::1") != key_of("127.0.0.1"));
}

static void no_addresses(void **state)
{
	static const char *const bad[] = { "",
					   "unix:",
					   "localhost",
					   "1.2.3",
					   "1.2.3.4.5",
					   "1.2.3.4 ",
					   "2001:db8::1%eth0",
					   "[::1]",
					   "1.2.3.4:80",
					   "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	uint64_t key;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(peer_key(slice_of(bad[i]), &key));
	assert_false(peer_key(slice_make("1.2.3.4\0", 8), &key));
	assert_false(peer_key((struct slice){ 0 }, &key));
}

#define PLACES ((uint64_t)PEERS_WAYS * PEERS_SETS)

static struct peers *table(void)
{
	struct peers *t = xcalloc(1, sizeof(*t));
	peers_init(t);
	return t;
}

static void found_again(void **state)
{
	struct peers *t = table();
	(void)state;
	struct peer *a = peers_find(t, 0, 0);
	assert_non_null(a);
	a->bytes = 7;
	assert_ptr_equal(peers_find(t, 0, 5), a);
	assert_int_equal(a->bytes, 7);
	assert_ptr_not_equal(peers_find(t, 1, 5), a);
	free(t);
}

/* More than there is room for: those with connections stay, of the others the quietest go. */
static void full(void **state)
{
	struct peers *t = table();
	(void)state;
	struct peer *held = peers_find(t, 1000000, 1);
	held->connections = 1;
	for (uint64_t i = 0; i < 10 * PLACES; i++)
		assert_non_null(peers_find(t, i, 2 + i));
	assert_ptr_equal(peers_find(t, 1000000, 3), held);
	assert_int_equal(held->connections, 1);
	free(t);
}

static void all_held(void **state)
{
	struct peers *t = table();
	size_t refused = 0;
	(void)state;
	for (uint64_t i = 0; i < 2 * PLACES; i++) {
		struct peer *p = peers_find(t, i, 1);
		refused += !p;
		if (p)
			p->connections++;
	}
	/* Some places stay free where few addresses meet. */
	assert_in_range(refused, PLACES, PLACES * 21 / 20);
	free(t);
}

static void tokens(void **state)
{
	struct bucket b = { 0 };
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, 10, 5, 1000));
	assert_false(bucket_take(&b, 10, 5, 1000));
	assert_false(bucket_take(&b, 10, 5, 1050));
	assert_true(bucket_take(&b, 10, 5, 1100));
	assert_false(bucket_take(&b, 10, 5, 1100));
	/* No more than it holds, and time that goes back gives none. */
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, 10, 5, 1000000));
	assert_false(bucket_take(&b, 10, 5, 1000000));
	assert_false(bucket_take(&b, 10, 5, 0));
}

static void lines(void **state)
{
	static const struct tally_row rows[] = { { "a", "" }, { "b", "" }, { "c", "" } };
	uint64_t counters[3] = { 1, 0, 300 }, told[3] = { 0 };
	autobuf line = { 0 };
	(void)state;
	assert_true(tally_add(&line, rows, 3, counters, told));
	assert_string_equal(buf_cstr(&line), " a=1 c=300");
	buf_clear(&line);
	assert_false(tally_add(&line, rows, 3, counters, told));
	counters[1] += 2;
	assert_true(tally_add(&line, rows, 3, counters, told));
	assert_string_equal(buf_cstr(&line), " b=2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses), cmocka_unit_test(no_addresses), cmocka_unit_test(found_again),
		cmocka_unit_test(full),	     cmocka_unit_test(all_held),     cmocka_unit_test(tokens),
		cmocka_unit_test(lines),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
