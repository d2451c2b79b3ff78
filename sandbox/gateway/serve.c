/* serve.c: the threads of the connections. */
#include "serve.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"
#include "lib/clock.h"

#define STACK (1U << 20)
#define PAUSE_NS 100000000

struct task {
	struct server *server;
	size_t place;
	int fd;
};

/* ---- one connection ---- */

static bool take_place(struct server *s, int fd, size_t *place)
{
	(void)pthread_mutex_lock(&s->lock);
	bool free_one = s->count < SERVE_MAX && !s->stopping;
	for (*place = 0; free_one && s->connections[*place] >= 0; (*place)++)
		;
	if (free_one) {
		s->connections[*place] = fd;
		s->count++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return free_one;
}

/* Closed under the lock: else server_stop() could hit another file of that number. */
static void leave_place(struct server *s, size_t place)
{
	(void)pthread_mutex_lock(&s->lock);
	(void)close(s->connections[place]);
	s->connections[place] = -1;
	s->count--;
	(void)pthread_cond_signal(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void *run_task(void *arg)
{
	struct task task = *(struct task *)arg;
	struct conn conn = { .fd = task.fd };
	free(arg);
	task.server->serve(task.server->gate, &conn);
	conn_free(&conn);
	/* Else it would be freed behind leave_place(), which may be too late when the process ends. */
	OPENSSL_thread_stop();
	leave_place(task.server, task.place);
	return NULL;
}

static bool start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	pthread_attr_t attributes;
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int fault = pthread_create(&thread, &attributes, run, arg);
	(void)pthread_attr_destroy(&attributes);
	return fault == 0;
}

static void refuse(int fd)
{
	struct conn conn = { .fd = fd };
	conn_answer(&conn, 503, TEXT_PLAIN, SLICE_LIT("The sandbox has too many connections open.\n"), true, false);
}

static void begin_connection(struct server *s, int fd)
{
	struct task *task = xcalloc(1, sizeof(*task));
	*task = (struct task){ .server = s, .fd = fd };
	if (!take_place(s, fd, &task->place)) {
		refuse(fd);
		(void)close(fd);
		free(task);
		return;
	}
	if (start_thread(run_task, task))
		return;
	refuse(fd);
	leave_place(s, task->place);
	free(task);
}

/* ---- all of them ---- */

static bool is_stopping(struct server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	bool stopping = s->stopping;
	(void)pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *accept_all(void *arg)
{
	struct server *s = arg;
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	while (!is_stopping(s)) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			begin_connection(s, fd);
		else if (errno == EAGAIN)
			(void)conn_wait(s->fd, POLLIN, clock_ms() + 1000);
		else if (errno != EINTR && errno != ECONNABORTED)
			(void)nanosleep(&pause, NULL); /* out of descriptors or memory: wait for better times */
	}
	return NULL;
}

bool server_start(struct server *s, struct gate *gate, int fd, void (*serve)(struct gate *, struct conn *))
{
	*s = (struct server){ .gate = gate, .fd = fd, .serve = serve };
	for (size_t i = 0; i < SERVE_MAX; i++)
		s->connections[i] = -1;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	return start_thread(accept_all, s);
}

bool server_stop(struct server *s, int64_t deadline)
{
	int64_t left = deadline - clock_ms();
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += left > 0 ? left / 1000 : 0;
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (size_t i = 0; i < SERVE_MAX; i++)
		if (s->connections[i] >= 0)
			(void)shutdown(s->connections[i], SHUT_RDWR);
	while (s->count > 0 && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	bool all = s->count == 0;
	(void)pthread_mutex_unlock(&s->lock);
	return all;
}
