/* test_sandbox_threads.c: threads are shared out among workspaces. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sandbox/threads.h"

#define MANY 40
#define WORKSPACES 10

static uv_loop_t loop;
static sem_t begun, go;

struct walk {
	uv_work_t request;
	int *order;
	int ended;
	bool long_one, done;
};

/* A long one goes on until it is told to end. */
static void walk(uv_work_t *request)
{
	const struct walk *w = request->data;
	if (!w->long_one)
		return;
	(void)sem_post(&begun);
	(void)sem_wait(&go);
}

static void on_walked(uv_work_t *request, int status)
{
	struct walk *w = request->data;
	assert_int_equal(status, 0);
	w->done = true;
	w->ended = ++*w->order;
}

static void queue(struct walk *w, const char *whose, bool long_one, int *order)
{
	*w = (struct walk){ .long_one = long_one, .order = order };
	w->request.data = w;
	threads_queue(&loop, whose, &w->request, walk, on_walked);
}

static void wait_begun(int count)
{
	for (int i = 0; i < count; i++)
		(void)sem_wait(&begun);
}

static void let_go(int count)
{
	for (int i = 0; i < count; i++)
		(void)sem_post(&go);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void one_workspace_keeps_no_other_waiting(void **state)
{
	static struct walk mine[MANY], other;
	int order = 0;
	(void)state;
	for (int i = 0; i < MANY; i++)
		queue(&mine[i], "mine", true, &order);
	wait_begun(THREADS_EACH);
	queue(&other, "other", false, &order);
	while (!other.done)
		(void)uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(other.ended, 1);
	assert_int_equal(sem_trywait(&begun), -1);
	let_go(MANY);
	for (int i = 0; i < MANY; i++)
		assert_true(mine[i].done);
	wait_begun(MANY - THREADS_EACH);
}

static void all_workspaces_leave_some_for_the_daemon(void **state)
{
	static struct walk walks[WORKSPACES * THREADS_EACH], own;
	int order = 0;
	(void)state;
	for (int i = 0; i < WORKSPACES * THREADS_EACH; i++) {
		char whose[16];
		(void)snprintf(whose, sizeof(whose), "team-%d", i / THREADS_EACH);
		queue(&walks[i], whose, true, &order);
	}
	wait_begun(THREADS_ALL);
	own = (struct walk){ .order = &order };
	own.request.data = &own;
	assert_int_equal(uv_queue_work(&loop, &own.request, walk, on_walked), 0);
	while (!own.done)
		(void)uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(own.ended, 1);
	assert_int_equal(sem_trywait(&begun), -1);
	let_go(WORKSPACES * THREADS_EACH);
	assert_int_equal(order, WORKSPACES * THREADS_EACH + 1);
	wait_begun(WORKSPACES * THREADS_EACH - THREADS_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_workspace_keeps_no_other_waiting),
		cmocka_unit_test(all_workspaces_leave_some_for_the_daemon),
	};
	threads_prepare();
	(void)uv_loop_init(&loop);
	(void)sem_init(&begun, 0, 0);
	(void)sem_init(&go, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
