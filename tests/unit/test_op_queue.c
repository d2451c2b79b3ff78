/* test_op_queue.c: of big saves workspaces take turns, and a workspace's keep their order. */
#include "ws-bridge/op_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ws-bridge/room.h"

#define BIG (1u << 20)
#define MOST 64

static struct room rooms[3];
static struct conn conns[3];
static struct op made[40];
static size_t made_count;
static struct op_queue queue;

static int begin(void **state)
{
	(void)state;
	memset(rooms, 0, sizeof(rooms));
	memset(conns, 0, sizeof(conns));
	memset(made, 0, sizeof(made));
	for (size_t i = 0; i < 3; i++)
		TAILQ_INIT(&rooms[i].held);
	made_count = 0;
	op_queue_init(&queue, true);
	return 0;
}

/* A save of workspace 'a', 'b' or 'c'. */
static struct op *add(char who, size_t bytes)
{
	struct op *op = &made[made_count++];
	op->room = &rooms[who - 'a'];
	op->conn = &conns[who - 'a'];
	op->message.len = bytes;
	op->started = made_count;
	op_queue_add(&queue, op, 0);
	return op;
}

static void add_all(const char *who)
{
	for (; *who; who++)
		(void)add(*who, BIG);
}

/* Takes a batch, commits it, and tells whose it was. */
static void expect_batch(const char *whose, size_t max_bytes)
{
	struct op *ops[MOST];
	size_t bytes, count = op_queue_take(&queue, ops, MOST, max_bytes, 0, &bytes), sum = 0;
	assert_int_equal(count, strlen(whose));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ops[i]->room - rooms, whose[i] - 'a');
		sum += ops[i]->message.len;
		op_queue_served(&queue, ops[i]);
		op_queue_done(ops[i]);
	}
	assert_int_equal(bytes, sum);
}

static void workspaces_take_turns(void **state)
{
	(void)state;
	add_all("aaaabbc");
	for (const char *whose = "abcabaa"; *whose; whose++)
		expect_batch((char[]){ *whose, 0 }, 1);
	assert_true(op_queue_is_empty(&queue));
}

static void who_comes_waits_for_one_of_the_others(void **state)
{
	struct op *under_way[MOST];
	size_t bytes;
	(void)state;
	add_all("aaa");
	assert_int_equal(op_queue_take(&queue, under_way, MOST, 1, 0, &bytes), 1);
	add_all("b");
	op_queue_served(&queue, under_way[0]);
	expect_batch("b", 1);
	expect_batch("a", 1);
	add_all("b");
	expect_batch("a", 1);
	expect_batch("b", 1);
	/* One that asks again and again comes after who waits meanwhile. */
	add_all("abc");
	expect_batch("a", 1);
	add_all("a");
	expect_batch("b", 1);
	add_all("b");
	expect_batch("c", 1);
}

static void a_batch_has_turns_too(void **state)
{
	(void)state;
	add_all("aaaaab");
	expect_batch("abaa", 4 * BIG);
	add_all("bc");
	expect_batch("abca", 4 * BIG);
	/* What doesn't fit waits, and is first then. */
	(void)add('b', BIG / 2);
	(void)add('a', 8 * BIG);
	expect_batch("b", 4 * BIG);
	expect_batch("a", 4 * BIG);
	assert_true(op_queue_is_empty(&queue));
}

static void order_is_kept(void **state)
{
	struct op *ops[MOST];
	size_t bytes;
	(void)state;
	add_all("abababab");
	assert_int_equal(op_queue_take(&queue, ops, MOST, 4 * BIG, 0, &bytes), 4);
	/* The connection to the database was lost: they go back, the last one first. */
	for (size_t i = 4; i > 0; i--)
		op_queue_put_back(&queue, ops[i - 1]);
	assert_int_equal(op_queue_take(&queue, ops, MOST, 8 * BIG, 0, &bytes), 8);
	uint64_t last[2] = { 0 };
	for (size_t i = 0; i < 8; i++) {
		assert_true(ops[i]->started > last[ops[i]->room - rooms]);
		last[ops[i]->room - rooms] = ops[i]->started;
	}
}

static void small_changes_wait_for_the_one_that_runs(void **state)
{
	struct op_queue small;
	struct op *big[MOST], *ops[MOST], *held[3];
	size_t bytes;
	(void)state;
	op_queue_init(&small, false);
	add_all("aa");
	held[0] = &made[made_count++];
	*held[0] = (struct op){ .room = &rooms[0], .conn = &conns[1] };
	op_queue_add(&small, held[0], 0);
	assert_int_equal(op_queue_take(&queue, big, MOST, 1, 0, &bytes), 1);
	held[1] = &made[made_count++];
	*held[1] = (struct op){ .room = &rooms[0], .conn = &conns[1] };
	op_queue_add(&small, held[1], 0);
	/* Whose workspace is another one passes them. */
	struct op *other = &made[made_count++];
	*other = (struct op){ .room = &rooms[1], .conn = &conns[2] };
	op_queue_add(&small, other, 0);
	assert_int_equal(op_queue_take(&small, ops, MOST, BIG, 0, &bytes), 1);
	assert_ptr_equal(ops[0], other);
	assert_true(op_queue_is_empty(&small));
	held[2] = &made[made_count++];
	*held[2] = (struct op){ .room = &rooms[0], .conn = &conns[1] };
	op_queue_add(&small, held[2], 0);
	/* The next big one waits for them. */
	op_queue_served(&queue, big[0]);
	assert_int_equal(op_queue_take(&queue, big, MOST, 1, 0, &bytes), 0);
	assert_int_equal(op_queue_take(&small, ops, MOST, BIG, 0, &bytes), 3);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(ops[i], held[i]);
	assert_int_equal(op_queue_take(&queue, big, MOST, 1, 0, &bytes), 1);
	/* Also where it was given back. */
	op_queue_put_back(&small, held[2]);
	assert_int_equal(op_queue_take(&small, ops, MOST, BIG, 0, &bytes), 0);
	op_queue_put_back(&queue, big[0]);
	assert_int_equal(op_queue_take(&small, ops, MOST, BIG, 0, &bytes), 1);
}

static void what_is_old_leaves(void **state)
{
	(void)state;
	add_all("aab");
	assert_ptr_equal(op_queue_take_old(&queue, 2), &made[0]);
	assert_null(op_queue_take_old(&queue, 2));
	expect_batch("ab", 4 * BIG);
	add_all("a");
	expect_batch("a", 4 * BIG);
	assert_int_equal(rooms[0].big_waiting + rooms[1].big_waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(workspaces_take_turns, begin),
		cmocka_unit_test_setup(who_comes_waits_for_one_of_the_others, begin),
		cmocka_unit_test_setup(a_batch_has_turns_too, begin),
		cmocka_unit_test_setup(order_is_kept, begin),
		cmocka_unit_test_setup(small_changes_wait_for_the_one_that_runs, begin),
		cmocka_unit_test_setup(what_is_old_leaves, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
