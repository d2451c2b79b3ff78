/* threads.c: who is next in libuv's threads. */
#include "threads.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/buf.h"

struct piece {
	TAILQ_ENTRY(piece) link;
	uv_work_t own;
	uv_loop_t *loop;
	uv_work_t *request;
	uv_work_cb work;
	uv_after_work_cb after;
	char *whose;
};
TAILQ_HEAD(pieces, piece);

/* The threads are the process's, too. Only the loop's thread looks at these. */
static struct pieces waiting = TAILQ_HEAD_INITIALIZER(waiting), running = TAILQ_HEAD_INITIALIZER(running);

void threads_prepare(void)
{
	char text[16];
	(void)snprintf(text, sizeof(text), "%d", THREADS);
	(void)setenv("UV_THREADPOOL_SIZE", text, 1);
}

static bool has_turn(const char *whose)
{
	const struct piece *p;
	int all = 0, each = 0;
	TAILQ_FOREACH(p, &running, link)
	{
		all++;
		each += strcmp(p->whose, whose) == 0;
	}
	return all < THREADS_ALL && each < THREADS_EACH;
}

static void in_thread(uv_work_t *own)
{
	struct piece *p = own->data;
	p->work(p->request);
}

static void begin_some(void);

static void on_done(uv_work_t *own, int status)
{
	struct piece *p = own->data;
	TAILQ_REMOVE(&running, p, link);
	begin_some();
	p->after(p->request, status);
	free(p->whose);
	free(p);
}

static void begin_some(void)
{
	struct piece *p = TAILQ_FIRST(&waiting), *next;
	for (; p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (!has_turn(p->whose))
			continue;
		TAILQ_REMOVE(&waiting, p, link);
		TAILQ_INSERT_TAIL(&running, p, link);
		/* It fails only without a function to call. */
		(void)uv_queue_work(p->loop, &p->own, in_thread, on_done);
	}
}

void threads_queue(uv_loop_t *loop, const char *whose, uv_work_t *request, uv_work_cb work, uv_after_work_cb after)
{
	struct piece *p = xcalloc(1, sizeof(*p));
	p->own.data = p;
	p->loop = loop;
	p->request = request;
	p->work = work;
	p->after = after;
	p->whose = xstrdup(whose ? whose : "");
	TAILQ_INSERT_TAIL(&waiting, p, link);
	begin_some();
}
