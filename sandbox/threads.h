/* threads.h: work in libuv's threads, shared out among workspaces: a walk of one's giant tree, or a host that doesn't
 * answer, keeps no other waiting. */
#ifndef CRAFT_THREADS_H
#define CRAFT_THREADS_H

#include <uv.h>

/* Threads; pieces of work of all workspaces at a time, so that some are left for what is the daemon's own
 * (uv_queue_work()); of one workspace: a walk, and a measurement beside it. */
#define THREADS 16
#define THREADS_ALL 14
#define THREADS_EACH 2

/* Once, before anything runs in a thread. */
void threads_prepare(void);
/* As uv_queue_work(), in the workspace's turn: after comes from the loop, later, with 0. whose: its slug, copied; NULL:
 * nobody's. */
void threads_queue(uv_loop_t *loop, const char *whose, uv_work_t *request, uv_work_cb work, uv_after_work_cb after);

#endif
