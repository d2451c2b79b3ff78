/* master.c: preforks, respawns, replaces and drains the workers, and has housekeeping done. */
#include "master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "bounds.h"
#include "child.h"
#include "cleanup.h"
#include "clock.h"
#include "counts.h"
#include "log.h"
#include "notify.h"
#include "seats.h"
#include "sender.h"
#include "sweeper.h"
#include "watcher.h"
#include "worker.h"

#define SHORT_LIFE 1000	     /* ms: a worker that lived less waits before it is made again */
#define MAX_DELAY 5000	     /* ms */
#define LIMITS_TIME 10000    /* ms between two looks at what was refused */
#define UPLOAD_TIME 600000   /* ms that a worker has to end an upload when it is replaced */
#define SUCCEEDED_TIME 30000 /* ms for any other request when another program has taken the socket over */

/* One worker: running (pid), leaving (pid and kill_at), or to be made (no pid) at start_at. */
struct slot {
	enum pool pool;
	pid_t pid;
	int64_t start_at;  /* ms: when it may be, or was, started */
	int64_t kill_at;   /* ms; 0: not told to leave */
	unsigned failures; /* short lives in a row */
	bool old;	   /* to be replaced */
};

struct master {
	const struct conf *conf;
	struct bounds *bounds;	   /* NULL: none */
	struct counts_all *counts; /* NULL: nothing is counted */
	struct spool *spool;	   /* NULL: workers wait for slow readers */
	struct seats *seats;	   /* NULL: nobody counts whom they serve */
	struct listen_socket *listeners;
	struct slot *slots;
	size_t count;
	struct sweeper sweeper;
	struct sender sender;
	struct watcher watcher;
	bool draining, succeeded; /* another program has the sockets by now */
	sigset_t signals, before;
};

static void delay(struct slot *s, int64_t now)
{
	unsigned shift = s->failures > 6 ? 6 : s->failures;
	int64_t ms = 100ll << shift;
	s->start_at = now + (ms > MAX_DELAY ? MAX_DELAY : ms);
	s->failures++;
}

/* The part of the counters that is for the worker of this slot; NULL: none. */
static struct counts *counts_of(const struct master *m, const struct slot *s)
{
	return m->counts ? &m->counts->parts[s - m->slots] : NULL;
}

static void count_start(struct master *m, const struct slot *s)
{
	struct counts *c = counts_of(m, s);
	if (!c)
		return;
	c->running = true;
	counter_add(&m->counts->starts, 1);
}

static void count_end(struct master *m, const struct slot *s, int status)
{
	struct counts *c = counts_of(m, s);
	if (!c)
		return;
	c->running = c->busy = false;
	counter_add(&m->counts->crashes, status != 0);
}

static void start_worker(struct master *m, struct slot *s, int64_t now)
{
	const struct worker_share share = { .conf = m->conf,
					    .listen_fd = m->listeners[s->pool].fd,
					    .bounds = m->bounds,
					    .counts = counts_of(m, s),
					    .spool = m->spool,
					    .seats = m->seats,
					    .seat = (size_t)(s - m->slots),
					    .reserve = m->seats && s == &m->slots[m->count - 1] };
	pid_t pid = child_start();
	if (pid == 0)
		exit(worker_run(&share));
	if (pid < 0) {
		log_error(NULL, "no new worker: %m");
		delay(s, now);
		return;
	}
	log_debug(NULL, "worker %d started", (int)pid);
	s->pid = pid;
	s->start_at = now;
	s->kill_at = 0;
	s->old = false;
	count_start(m, s);
}

static void tell_to_leave(struct slot *s, int64_t now, int64_t patience)
{
	(void)kill(s->pid, SIGTERM);
	if (!s->kill_at || s->kill_at > now + patience)
		s->kill_at = now + patience;
}

static void note_end(const struct slot *s, int status)
{
	if (WIFSIGNALED(status))
		log_error(NULL, "worker %d was ended by signal %d", (int)s->pid, WTERMSIG(status));
	else if (!s->kill_at || WEXITSTATUS(status))
		log_warn(NULL, "worker %d ended with status %d", (int)s->pid, WEXITSTATUS(status));
	else
		log_debug(NULL, "worker %d ended", (int)s->pid);
}

static void worker_ended(struct master *m, pid_t pid, int status, int64_t now)
{
	for (size_t i = 0; i < m->count; i++) {
		struct slot *s = &m->slots[i];
		if (s->pid != pid)
			continue;
		note_end(s, status);
		count_end(m, s, status);
		spool_owner_ended(m->spool, pid);
		seats_leave(m->seats, i, now);
		bool failed = !s->kill_at && now - s->start_at < SHORT_LIFE;
		s->pid = 0;
		s->kill_at = 0;
		s->start_at = now;
		if (failed)
			delay(s, now);
		else
			s->failures = 0;
	}
}

static void reap(struct master *m, int64_t now)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		worker_ended(m, pid, status, now);
		sweeper_ended(&m->sweeper, pid, status, now);
		watcher_ended(&m->watcher, pid, now);
		sender_ended(&m->sender, pid, now);
	}
}

static bool any_worker_left(const struct master *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->slots[i].pid)
			return true;
	}
	return false;
}

/* Starts what is due and ends what overstays; at a replacement at most one worker leaves at a time. */
static void tend(struct master *m, int64_t now)
{
	struct slot *next_old = NULL;
	bool somebody_leaves = false;
	for (size_t i = 0; i < m->count; i++) {
		struct slot *s = &m->slots[i];
		if (!s->pid && !m->draining && s->start_at <= now)
			start_worker(m, s, now);
		if (s->pid && s->kill_at && s->kill_at <= now) {
			log_warn(NULL, "worker %d doesn't end its request and is killed", (int)s->pid);
			(void)kill(s->pid, SIGKILL);
			s->kill_at = now + CHILD_KILL_TIME;
		}
		somebody_leaves |= !s->pid || s->kill_at;
		if (s->pid && s->old && !s->kill_at)
			next_old = s;
	}
	if (next_old && !somebody_leaves)
		tell_to_leave(next_old, now, next_old->pool == POOL_UPLOAD ? UPLOAD_TIME : CHILD_KILL_TIME);
	sweeper_tend(&m->sweeper, now);
	watcher_tend(&m->watcher, now);
	if (m->draining && !any_worker_left(m))
		sender_leave(&m->sender, now, m->succeeded ? UPLOAD_TIME : CHILD_KILL_TIME);
	sender_tend(&m->sender, now);
	bounds_tell(m->bounds, now);
	notify_alive(now);
}

/* ms until tend() has something to do, however nothing is signalled. */
static int64_t time_left(const struct master *m, int64_t now)
{
	int64_t next = now + LIMITS_TIME, sweep = sweeper_due(&m->sweeper), watch = watcher_due(&m->watcher),
		send = sender_due(&m->sender);
	if (sweep < next)
		next = sweep;
	if (watch < next)
		next = watch;
	if (send < next)
		next = send;
	if (notify_due() < next)
		next = notify_due();
	for (size_t i = 0; i < m->count; i++) {
		const struct slot *s = &m->slots[i];
		if (s->pid && s->kill_at && s->kill_at < next)
			next = s->kill_at;
		if (!s->pid && !m->draining && s->start_at < next)
			next = s->start_at;
	}
	return next > now ? next - now : 0;
}

/* Where a successor serves already, nobody waits for the end of a long request. */
static int64_t drain_time(enum pool pool, bool succeeded)
{
	if (!succeeded)
		return CHILD_KILL_TIME;
	return pool == POOL_UPLOAD ? UPLOAD_TIME : SUCCEEDED_TIME;
}

static void drain(struct master *m, int signal_number, int64_t now)
{
	if (!m->draining)
		log_info(NULL, "%s: draining", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
	m->draining = true;
	if (m->counts)
		m->counts->draining = true;
	notify_stopping();
	/* Before the workers look for the last time: what comes later is refused, and not lost in the queue. */
	bool succeeded[POOL_COUNT];
	for (int i = 0; i < POOL_COUNT; i++)
		succeeded[i] = listen_socket_retire(&m->listeners[i]);
	m->succeeded = succeeded[POOL_QUICK];
	sweeper_stop(&m->sweeper, now);
	for (size_t i = 0; i < m->count; i++) {
		struct slot *s = &m->slots[i];
		if (s->pid)
			tell_to_leave(s, now, drain_time(s->pool, succeeded[s->pool]));
	}
}

static void handle_signal(struct master *m, int number, int64_t now)
{
	if (number == SIGTERM || number == SIGINT)
		drain(m, number, now);
	if (number != SIGHUP || m->draining)
		return;
	log_info(NULL, "SIGHUP: replacing the workers one after another");
	for (size_t i = 0; i < m->count; i++)
		m->slots[i].old = m->slots[i].pid != 0;
}

static bool anybody_left(const struct master *m)
{
	return any_worker_left(m) || m->sweeper.pid != 0 || m->sender.pid != 0;
}

static bool block_signals(struct master *m)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	(void)sigemptyset(&m->signals);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		(void)sigaddset(&m->signals, numbers[i]);
	return sigprocmask(SIG_BLOCK, &m->signals, &m->before) == 0;
}

/* How many workers each kind has. */
static void count_workers(const struct conf *conf, size_t counts[POOL_COUNT])
{
	counts[POOL_QUICK] = (size_t)conf->fcgi_workers;
	counts[POOL_UPLOAD] = (size_t)conf->fcgi_upload_workers;
	counts[POOL_GITHUB] = (size_t)conf->fcgi_github_workers;
}

static void assign_pools(struct master *m, const size_t counts[POOL_COUNT])
{
	size_t next = 0;
	for (int pool = 0; pool < POOL_COUNT; pool++) {
		for (size_t i = 0; i < counts[pool]; i++, next++) {
			m->slots[next].pool = (enum pool)pool;
			seats_assign(m->seats, next,
				     &(struct seats_kind){ .pool = (unsigned)pool, .strict = pool == POOL_GITHUB });
			if (m->counts)
				m->counts->parts[next].pool = (unsigned)pool;
		}
	}
	if (!m->seats)
		return;
	/* The last one is the quick pool's reserve. */
	seats_assign(m->seats, next, &(struct seats_kind){ .pool = POOL_QUICK, .reserve = true });
	m->slots[next].pool = POOL_QUICK;
	if (m->counts)
		m->counts->parts[next].pool = COUNTS_RESERVE;
	m->count++;
}

int master_run(const struct conf *conf, struct listen_socket listeners[POOL_COUNT])
{
	size_t counts[POOL_COUNT];
	count_workers(conf, counts);
	struct master m = { .conf = conf,
			    .bounds = bounds_new(conf),
			    .listeners = listeners,
			    .count = counts[POOL_QUICK] + counts[POOL_UPLOAD] + counts[POOL_GITHUB] };
	autofree struct slot *slots = xcalloc(m.count + 1, sizeof(*slots));
	m.slots = slots;
	m.counts = counts_new(m.count + 1);
	m.seats = seats_new(m.count + 1);
	if (!m.seats)
		log_warn(NULL, "nothing keeps one workspace from having all workers: %m");
	assign_pools(&m, counts);
	sweeper_init(&m.sweeper, conf, m.counts ? &m.counts->sweeps : NULL, clock_ms());
	m.spool = spool_new(conf);
	if (!m.spool)
		log_warn(NULL, "workers will wait for slow readers: %m");
	watcher_init(&m.watcher, conf, m.counts, m.bounds, m.spool, clock_ms());
	sender_init(&m.sender, m.spool, clock_ms());
	if (!block_signals(&m)) {
		log_error(NULL, "can't block signals: %m");
		return 1;
	}
	log_info(NULL, "serving with %zu workers, %zu for uploads and %zu for what may wait for GitHub",
		 counts[POOL_QUICK], counts[POOL_UPLOAD], counts[POOL_GITHUB]);
	tend(&m, clock_ms());
	notify_ready();
	while (!m.draining || anybody_left(&m)) {
		tend(&m, clock_ms());
		int64_t left = time_left(&m, clock_ms());
		int number = sigtimedwait(&m.signals, NULL, &(struct timespec){ left / 1000, left % 1000 * 1000000 });
		if (number > 0)
			handle_signal(&m, number, clock_ms());
		reap(&m, clock_ms());
	}
	watcher_stop(&m.watcher);
	spool_free(m.spool);
	seats_free(m.seats);
	log_info(NULL, "ended");
	return 0;
}
