/* watcher.c: what craft-fcgi tells of itself. */
#include "watcher.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "child.h"
#include "log.h"
#include "watch.h"

#define AGAIN_MS 1000  /* after it ended by itself */
#define STOP_STEPS 200 /* of 10 ms, until it is killed */

/* ---- in the child ---- */

struct telling {
	struct watch *watch;
	uv_signal_t term;
};

static void print(void *user, struct buf *out)
{
	const struct watcher *w = user;
	counts_print(w->counts, w->bounds, w->spool, out);
}

/* Has every pool a worker? They do without the reserve. */
static bool have_workers(const struct counts_all *all)
{
	bool have[COUNTS_POOLS] = { false };
	for (size_t i = 0; i < all->count; i++)
		have[all->parts[i].pool] |= all->parts[i].running;
	for (size_t i = 0; i < COUNTS_RESERVE; i++) {
		if (!have[i])
			return false;
	}
	return true;
}

static void look(void *user, const struct db_watch *database, struct buf *reason)
{
	const struct watcher *w = user;
	if (w->counts->draining)
		buf_add_str(reason, "draining");
	else if (!have_workers(w->counts))
		buf_add_str(reason, "no worker runs");
	else
		(void)db_watch_ready(database, reason);
}

static void on_term(uv_signal_t *handle, int number)
{
	struct telling *t = handle->data;
	(void)number;
	watch_free(t->watch);
	uv_close((uv_handle_t *)&t->term, NULL);
}

/* The master's signals are blocked so far; those that a terminal sends are for the master. */
static void take_signals(void)
{
	static const int others[] = { SIGINT, SIGHUP, SIGPIPE };
	sigset_t none;
	(void)sigemptyset(&none);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		(void)signal(others[i], SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int run(struct watcher *w)
{
	static const struct watch_program program = {
		.key = "FCGI_METRICS_LISTEN",
		.application = "craft-fcgi watch",
		.database = DB_WATCH_METRICS("craft_fcgi"),
		.print = print,
		.look = look,
	};
	struct telling t = { 0 };
	uv_loop_t loop;
	(void)uv_loop_init(&loop);
	(void)uv_signal_init(&loop, &t.term);
	t.term.data = &t;
	(void)uv_signal_start(&t.term, on_term, SIGTERM);
	take_signals();
	t.watch = watch_new(&loop, &program, w->conf, w->conf->fcgi_metrics_listen, w);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
	return 0;
}

/* ---- in the master ---- */

void watcher_init(struct watcher *w, const struct conf *conf, const struct counts_all *counts,
		  const struct bounds *bounds, struct spool *spool, int64_t now)
{
	bool wanted = conf->fcgi_metrics_listen && counts;
	*w = (struct watcher){
		.conf = conf, .counts = counts, .bounds = bounds, .spool = spool, .start_at = wanted ? now : INT64_MAX
	};
}

void watcher_tend(struct watcher *w, int64_t now)
{
	if (w->pid || w->start_at > now)
		return;
	pid_t pid = child_start();
	if (pid == 0)
		exit(run(w));
	w->start_at = now + AGAIN_MS;
	if (pid < 0)
		log_warn(NULL, "no process for metrics: %m");
	else
		w->pid = pid;
}

int64_t watcher_due(const struct watcher *w)
{
	return w->pid ? INT64_MAX : w->start_at;
}

void watcher_ended(struct watcher *w, pid_t pid, int64_t now)
{
	if (w->pid != pid)
		return;
	log_warn(NULL, "the process for metrics has ended");
	w->pid = 0;
	w->start_at = now + AGAIN_MS;
}

void watcher_stop(struct watcher *w)
{
	if (!w->pid)
		return;
	(void)kill(w->pid, SIGTERM);
	for (int i = 0; i < STOP_STEPS; i++) {
		if (waitpid(w->pid, NULL, WNOHANG) != 0)
			return;
		(void)nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	(void)kill(w->pid, SIGKILL);
	(void)waitpid(w->pid, NULL, 0);
}
