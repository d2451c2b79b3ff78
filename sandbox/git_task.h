/* git_task.h: what a clone and a diff are made of besides processes: work in other threads, one after the other, a time
 * limit, a watch on how much disk is used, and an end once nothing of it runs any more. */
#ifndef CRAFT_GIT_TASK_H
#define CRAFT_GIT_TASK_H

#include <uv.h>

#include "lib/buf.h"

struct git_task {
	uv_loop_t *loop;
	const char *whose; /* slug of the workspace; see threads.h */
	void *user;
	uv_timer_t deadline, measure, wake;
	unsigned open_handles;
	bool closing;

	uv_work_t work;
	bool working, worked;
	bool (*job)(void *user, struct buf *error);
	void (*after)(void *user, bool ok);
	struct buf error;

	uv_work_t measuring;
	bool is_measuring;
	const char *path;
	int64_t limit, size;

	void (*on_deadline)(void *user);
	void (*on_size)(void *user, bool too_large);
	void (*next)(void *user);
	void (*on_closed)(void *user);
};

/* The callbacks and user are set before. on_deadline comes after so many milliseconds, once. */
void git_task_init(struct git_task *t, uv_loop_t *loop, uint64_t deadline);
/* Runs job in a worker thread and then after, with what it returned and its words in t->error. One at a time. False: it
 * couldn't be started. */
bool git_task_thread(struct git_task *t, bool (*job)(void *user, struct buf *error),
		     void (*after)(void *user, bool ok));
/* Calls next from the loop, soon. */
void git_task_later(struct git_task *t, void (*next)(void *user));
/* From now on measures every second what lies below path, which stays the caller's, and calls on_size, until
 * git_task_measure_end(). */
void git_task_measure(struct git_task *t, const char *path, int64_t limit);
void git_task_measure_end(struct git_task *t);
/* Something of it is in a thread; after or on_size is still to come. */
bool git_task_busy(const struct git_task *t);
/* Not while it is busy; on_closed comes when user may be freed. */
void git_task_close(struct git_task *t, void (*on_closed)(void *user));

#endif
