/* sweeper.c: runs housekeeping every SWEEP_INTERVAL seconds. */
#include "sweeper.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "blobs.h"
#include "child.h"
#include "cleanup.h"
#include "clock.h"
#include "db.h"
#include "log.h"
#include "sweep.h"

#define APPLICATION "craft-fcgi-sweeper"
#define FIRST_RUN 60 /* s after the start, at the latest */

/* ---- in the child ---- */

/* It has nothing to finish: it may be ended at any point. */
static void take_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, usual = { .sa_handler = SIG_DFL };
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGTERM, &usual, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static void report(const struct sweep_result *r)
{
	bool nothing = !r->gone.files && !r->strays.files && !r->orphans.files;
	log_line(nothing ? LOG_DEBUG : LOG_INFO, NULL,
		 "housekeeping removed deleted blobs %" PRId64 " (%" PRId64 " bytes), stray uploads %" PRId64
		 " (%" PRId64 " bytes), orphans %" PRId64 " (%" PRId64 " bytes)",
		 r->gone.files, r->gone.bytes, r->strays.files, r->strays.bytes, r->orphans.files, r->orphans.bytes);
	if (r->spared.files)
		log_warn(NULL,
			 "housekeeping: the database names no blob at all, so orphans stay: %" PRId64 " (%" PRId64
			 " bytes); craft-cloud gc removes them",
			 r->spared.files, r->spared.bytes);
}

static void count(struct sweep_counts *counts, enum sweep_kind kind, const struct sweep_count *n)
{
	counter_add(&counts->files[kind], (uint64_t)n->files);
	counter_add(&counts->bytes[kind], (uint64_t)n->bytes);
}

static void count_all(struct sweep_counts *counts, const struct sweep_result *r)
{
	if (!counts)
		return;
	count(counts, SWEEP_DELETED, &r->gone);
	count(counts, SWEEP_STRAY, &r->strays);
	count(counts, SWEEP_ORPHAN, &r->orphans);
}

static void close_connection(PGconn **conn)
{
	PQfinish(*conn);
}

static bool sweep(const struct conf *conf, struct sweep_counts *counts, struct blobs *blobs, struct buf *error)
{
	struct sweep_options options = SWEEP_DEFAULTS;
	struct sweep_result result;
	options.spare_all = true;
	autocall(close_connection) PGconn *conn = db_connect(conf->database_url, APPLICATION, NULL, 0, error);
	if (!conn)
		return false;
	(void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
	bool ok = sweep_run(blobs, conn, &options, &result, error);
	report(&result);
	count_all(counts, &result);
	return ok;
}

static int run(const struct conf *conf, struct sweep_counts *counts)
{
	autobuf error = { 0 };
	autocall(blobs_close) struct blobs blobs;
	take_signals();
	bool ok = blobs_open(&blobs, conf->blob_dir, &error) && sweep(conf, counts, &blobs, &error);
	if (!ok)
		log_warn(NULL, "housekeeping: %s", buf_cstr(&error));
	return ok ? 0 : 1;
}

/* ---- in the master ---- */

void sweeper_init(struct sweeper *s, const struct conf *conf, struct sweep_counts *counts, int64_t now)
{
	int64_t first = conf->sweep_interval < FIRST_RUN ? conf->sweep_interval : FIRST_RUN;
	*s = (struct sweeper){
		.conf = conf, .counts = counts, .start_at = now + first * 1000, .stopped = conf->sweep_interval == 0
	};
}

static void start(struct sweeper *s, int64_t now)
{
	pid_t pid = child_start();
	if (pid == 0)
		exit(run(s->conf, s->counts));
	s->start_at = now + s->conf->sweep_interval * 1000;
	if (pid < 0)
		log_warn(NULL, "no process for housekeeping: %m");
	else
		s->pid = pid;
}

void sweeper_tend(struct sweeper *s, int64_t now)
{
	if (!s->pid && !s->stopped && s->start_at <= now)
		start(s, now);
	if (s->pid && s->kill_at && s->kill_at <= now) {
		log_warn(NULL, "housekeeping doesn't end and is killed");
		(void)kill(s->pid, SIGKILL);
		s->kill_at = now + CHILD_KILL_TIME;
	}
}

int64_t sweeper_due(const struct sweeper *s)
{
	if (s->pid)
		return s->kill_at ? s->kill_at : INT64_MAX;
	return s->stopped ? INT64_MAX : s->start_at;
}

/* One that was told to leave is neither. */
static void note_end(const struct sweeper *s, int status)
{
	struct sweep_counts *counts = s->counts;
	if (!counts || s->kill_at)
		return;
	counter_add(status == 0 ? &counts->ok : &counts->failed, 1);
	if (status == 0)
		counts->ok_at = clock_wall_s();
}

void sweeper_ended(struct sweeper *s, pid_t pid, int status, int64_t now)
{
	if (s->pid != pid)
		return;
	if (WIFSIGNALED(status) && !s->kill_at)
		log_warn(NULL, "housekeeping was ended by signal %d", WTERMSIG(status));
	note_end(s, status);
	s->pid = 0;
	s->kill_at = 0;
	s->start_at = now + s->conf->sweep_interval * 1000;
}

void sweeper_stop(struct sweeper *s, int64_t now)
{
	s->stopped = true;
	if (!s->pid)
		return;
	(void)kill(s->pid, SIGTERM);
	if (!s->kill_at)
		s->kill_at = now + CHILD_KILL_TIME;
}
