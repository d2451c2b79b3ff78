/* git_task.c: threads, timers and the end of a clone or a diff. */
#include "git_task.h"

#include <stdlib.h>

#include "threads.h"
#include "tree.h"

#define MEASURE_MS 1000

static void on_deadline(uv_timer_t *timer)
{
	struct git_task *t = timer->data;
	t->on_deadline(t->user);
}

static void init_timer(struct git_task *t, uv_timer_t *timer)
{
	(void)uv_timer_init(t->loop, timer);
	timer->data = t;
	t->open_handles++;
}

void git_task_init(struct git_task *t, uv_loop_t *loop, uint64_t deadline)
{
	t->loop = loop;
	t->work.data = t->measuring.data = t;
	init_timer(t, &t->deadline);
	init_timer(t, &t->measure);
	init_timer(t, &t->wake);
	(void)uv_timer_start(&t->deadline, on_deadline, deadline, 0);
}

static void do_work(uv_work_t *work)
{
	struct git_task *t = work->data;
	t->worked = t->job(t->user, &t->error);
}

static void on_worked(uv_work_t *work, int status)
{
	struct git_task *t = work->data;
	t->working = false;
	t->after(t->user, status == 0 && t->worked);
}

bool git_task_thread(struct git_task *t, bool (*job)(void *user, struct buf *error), void (*after)(void *user, bool ok))
{
	if (t->working)
		abort();
	t->job = job;
	t->after = after;
	buf_clear(&t->error);
	t->working = true;
	threads_queue(t->loop, t->whose, &t->work, do_work, on_worked);
	return true;
}

static void on_wake(uv_timer_t *timer)
{
	struct git_task *t = timer->data;
	t->next(t->user);
}

void git_task_later(struct git_task *t, void (*next)(void *user))
{
	t->next = next;
	(void)uv_timer_start(&t->wake, on_wake, 0, 0);
}

static void do_measure(uv_work_t *work)
{
	struct git_task *t = work->data;
	t->size = tree_size(t->path);
}

static void on_measured(uv_work_t *work, int status)
{
	struct git_task *t = work->data;
	t->is_measuring = false;
	t->on_size(t->user, status == 0 && t->size > t->limit);
}

static void on_measure(uv_timer_t *timer)
{
	struct git_task *t = timer->data;
	if (t->is_measuring)
		return;
	t->is_measuring = true;
	threads_queue(t->loop, t->whose, &t->measuring, do_measure, on_measured);
}

void git_task_measure(struct git_task *t, const char *path, int64_t limit)
{
	t->path = path;
	t->limit = limit;
	(void)uv_timer_start(&t->measure, on_measure, MEASURE_MS, MEASURE_MS);
}

void git_task_measure_end(struct git_task *t)
{
	(void)uv_timer_stop(&t->measure);
}

bool git_task_busy(const struct git_task *t)
{
	return t->working || t->is_measuring;
}

static void on_closed(uv_handle_t *handle)
{
	struct git_task *t = handle->data;
	if (--t->open_handles)
		return;
	buf_free(&t->error);
	t->on_closed(t->user);
}

void git_task_close(struct git_task *t, void (*then)(void *user))
{
	if (t->closing)
		return;
	t->closing = true;
	t->on_closed = then;
	uv_close((uv_handle_t *)&t->deadline, on_closed);
	uv_close((uv_handle_t *)&t->measure, on_closed);
	uv_close((uv_handle_t *)&t->wake, on_closed);
}
