/* host.c: this host among the others. */
#include "host.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "message.h"
#include "sandbox.h"
#include "store.h"

#define POLL_MS 1000 /* a lost notification costs that */
#define BEAT_MS 5000
#define SWEEP_MS 60000
#define SWEEP_LATE_MS 120000 /* after the database was away, so that the other hosts can say that they live */
#define ROW_KEEP_S 600	     /* how long the row of a sandbox that has gone stays */
#define JOBS_AT_ONCE 50
#define JOBS_BYTES                                                                                                     \
	(8ll << 20) /* about so much of them at a time, so that a sandbox's big ones leave room for the others' */

/* Questions that are asked again and again, one at a time each. */
enum question { ASK_CLAIM, ASK_JOBS, ASK_ENDING, QUESTIONS };

struct host {
	struct daemon *daemon;
	char *protection;
	bool begun; /* what was left is known: the daemon serves */
	bool asked[QUESTIONS], again[QUESTIONS];
	bool reconnected; /* jobs whose answer was lost are to be asked for once more */
	uint64_t poll_at, beat_at, sweep_at;
};

/* A statement of this host: its first parameter is the host's id. */
static struct store_op *host_op(struct host *host, enum statement statement, store_done done)
{
	struct store_op *op = store_op_new(statement, done, host);
	store_op_text(op, slice_of(host->daemon->host));
	return op;
}

/* ---- claims ---- */

#define STATUS_COLUMN 6 /* of api.host_sandboxes only */

static struct sandbox_row read_row(const PGresult *r, int i)
{
	return (struct sandbox_row){ .session = db_get(r, i, 0),
				     .workspace = db_get(r, i, 1),
				     .repo_key = db_get(r, i, 2),
				     .branch = db_get(r, i, 3),
				     .request = db_get(r, i, 4),
				     .seq = db_get_i64(r, i, 5) };
}

static void ask(struct host *host, enum question question);

/* False: it was asked again meanwhile. */
static void answered(struct host *host, enum question question)
{
	host->asked[question] = false;
	if (!host->again[question])
		return;
	host->again[question] = false;
	ask(host, question);
}

/* A daemon that stops leaves it to the next start. */
static void begin_anew(struct host *host, const struct sandbox_row *row)
{
	if (!host->daemon->draining && !sandbox_find(host->daemon, row->session))
		(void)sandbox_begin(host->daemon, row, false);
}

static void on_claimed(void *user, const PGresult *r)
{
	struct host *host = user;
	for (int i = 0; r && i < PQntuples(r); i++) {
		struct sandbox_row row = read_row(r, i);
		begin_anew(host, &row);
	}
	answered(host, ASK_CLAIM);
}

/* ---- jobs ---- */

static struct job *find_job(struct sandbox *sb, int64_t id)
{
	struct job *job;
	TAILQ_FOREACH(job, &sb->jobs, link)
	{
		if (job->id == id)
			return job;
	}
	return NULL;
}

/* What was lost is asked for again, and that may hold what is over here, but not yet in the database. */
static bool has_been(const struct sandbox *sb, int64_t id)
{
	for (size_t i = 0; i < SANDBOX_ENDED_JOBS; i++) {
		if (sb->ended_jobs[i] == id)
			return true;
	}
	return false;
}

static void take_job(struct host *host, const PGresult *r, int i)
{
	struct sandbox *sb = sandbox_find(host->daemon, db_get(r, i, 1));
	struct job_row row = { .id = db_get_i64(r, i, 0),
			       .client = db_get(r, i, 2),
			       .kind = db_get(r, i, 3),
			       .tool_id = db_get(r, i, 4),
			       .name = db_get(r, i, 5),
			       .payload = db_get(r, i, 6),
			       .sealed_key = db_get(r, i, 7),
			       .request = db_get(r, i, 8) };
	/* One of a sandbox that goes has been answered; one that is known was taken before the connection broke. */
	if (!sb || find_job(sb, row.id) || has_been(sb, row.id))
		return;
	struct job *job = job_new(sb, &row);
	if (job)
		sandbox_take(sb, job);
	else
		stream_job_end(&sb->stream, row.id, "error", -1, 0);
}

static void on_jobs(void *user, const PGresult *r)
{
	struct host *host = user;
	int64_t bytes = 0;
	for (int i = 0; r && i < PQntuples(r); i++) {
		bytes += (int64_t)db_get(r, i, 6).len;
		take_job(host, r, i);
	}
	if (r && (PQntuples(r) == JOBS_AT_ONCE || bytes >= JOBS_BYTES))
		host->again[ASK_JOBS] = true;
	answered(host, ASK_JOBS);
}

static void on_known(void *user, const PGresult *r)
{
	struct host *host = user;
	int64_t lost = r && PQntuples(r) == 1 ? db_get_i64(r, 0, 0) : 0;
	host->reconnected = host->reconnected || !r;
	if (lost)
		log_info(NULL, "%" PRId64 " requests were lost with the connection; they are asked for again", lost);
}

/* Those that an answer may have held which didn't come wait again, for the usual small portions. */
static void tell_known(struct host *host)
{
	struct sandbox *sb;
	const struct job *job;
	autobuf ids = { 0 };
	size_t count = 0;
	TAILQ_FOREACH(sb, &host->daemon->sandboxes, link)
	{
		count += SANDBOX_ENDED_JOBS;
		TAILQ_FOREACH(job, &sb->jobs, link)
		{
			count++;
		}
	}
	db_array_begin(&ids, DB_INT8, count);
	TAILQ_FOREACH(sb, &host->daemon->sandboxes, link)
	{
		for (size_t i = 0; i < SANDBOX_ENDED_JOBS; i++)
			db_array_i64(&ids, sb->ended_jobs[i]);
		TAILQ_FOREACH(job, &sb->jobs, link)
		{
			db_array_i64(&ids, job->id);
		}
	}
	db_array_end(&ids);
	struct store_op *op = host_op(host, STMT_JOBS_KNOWN, on_known);
	store_op_text(op, buf_slice(&ids));
	store_send(host->daemon->state, op, true);
	host->reconnected = false;
}

/* ---- ends ---- */

static const char *known_reason(struct slice reason)
{
	static const char *const names[] = { "user", "idle", "time", "oom", "disk", "crash", "clone", "host" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (slice_eq_str(reason, names[i]))
			return names[i];
	}
	return "host";
}

static void on_ending(void *user, const PGresult *r)
{
	struct host *host = user;
	for (int i = 0; r && i < PQntuples(r); i++) {
		struct sandbox *sb = sandbox_find(host->daemon, db_get(r, i, 0));
		if (sb)
			sandbox_end(sb, known_reason(db_get(r, i, 1)), NULL, true);
		else
			sandbox_write_cleaned(host->daemon, db_get(r, i, 0));
	}
	answered(host, ASK_ENDING);
}

/* ---- asking ---- */

static void ask(struct host *host, enum question question)
{
	struct daemon *d = host->daemon;
	if (!host->begun || d->draining)
		return;
	if (host->asked[question]) {
		host->again[question] = true;
		return;
	}
	if (question == ASK_CLAIM && d->sandbox_count >= (size_t)d->conf.sandbox_max)
		return;
	host->asked[question] = true;
	struct store_op *op;
	if (question == ASK_CLAIM) {
		op = host_op(host, STMT_CLAIM, on_claimed);
		store_op_i32(op, (int32_t)((size_t)d->conf.sandbox_max - d->sandbox_count));
	} else if (question == ASK_JOBS) {
		if (host->reconnected)
			tell_known(host);
		op = host_op(host, STMT_JOBS, on_jobs);
		store_op_i32(op, JOBS_AT_ONCE);
		store_op_i64(op, JOBS_BYTES);
	} else {
		op = host_op(host, STMT_ENDING, on_ending);
	}
	store_send(d->state, op, true);
}

static void ask_all(struct host *host)
{
	for (int q = 0; q < QUESTIONS; q++)
		ask(host, (enum question)q);
}

void host_notified(void *user, const char *payload)
{
	struct host *host = user;
	if (strcmp(payload, "*") == 0 || strcmp(payload, host->daemon->host) == 0)
		ask_all(host);
}

/* ---- the start ---- */

/* All clients of a sandbox hear of its tasks, whose lines they have seen. */
static void say_lost(struct sandbox *sb, struct slice client, struct slice kind, struct slice tool_id)
{
	static const char text[] = "The sandbox server was restarted; what ran was ended";
	autobuf body = { 0 };
	struct draft draft = { 0 };
	autofree char *name = slice_dup(client);
	if (slice_eq_str(kind, "cancel"))
		return;
	if (slice_eq_str(kind, "tool")) {
		message_tool_result(&draft,
				    &(struct tool_result){ .id = tool_id, .error = slice_of(text), .exit_code = -1 });
		sandbox_say_draft(sb, name, &draft);
		return;
	}
	message_error(&body, text);
	sandbox_say(sb, slice_eq_str(kind, "execute") ? NULL : name, &body);
}

static void on_lost_jobs(void *user, const PGresult *r)
{
	struct host *host = user;
	for (int i = 0; r && i < PQntuples(r); i++) {
		struct sandbox *sb = sandbox_find(host->daemon, db_get(r, i, 1));
		if (sb)
			say_lost(sb, db_get(r, i, 2), db_get(r, i, 3), db_get(r, i, 4));
	}
	host->begun = true;
	log_info(NULL, "serving, with %zu sandboxes of before", host->daemon->sandbox_count);
	ask_all(host);
}

struct known {
	const PGresult *rows;
	struct host *host;
};

static bool has_ended(const PGresult *r, int i)
{
	return slice_eq_str(db_get(r, i, STATUS_COLUMN), "expired");
}

static void remove_stray(const char *session, void *arg)
{
	const struct known *known = arg;
	const struct log_ids ids = { .sandbox = session };
	struct instance instance;
	autobuf error = { 0 };
	for (int i = 0; i < PQntuples(known->rows); i++) {
		if (slice_eq_str(db_get(known->rows, i, 0), session) && !has_ended(known->rows, i))
			return;
	}
	log_about(LOG_INFO, &ids, "removing what is left of it");
	instance_init(&instance, &known->host->daemon->conf, session, 0);
	if (!instance_remove(&instance, &error))
		log_about(LOG_ERROR, &ids, "%s", buf_cstr(&error));
	instance_free(&instance);
}

/* Sandboxes of a daemon before: those that were ready are adopted with their files, those that weren't begin anew. */
static void on_mine(void *user, const PGresult *r)
{
	struct host *host = user;
	if (!r || host->daemon->draining)
		return;
	instance_each(&host->daemon->conf, remove_stray, &(struct known){ r, host });
	for (int i = 0; i < PQntuples(r); i++) {
		struct sandbox_row row = read_row(r, i);
		struct slice status = db_get(r, i, STATUS_COLUMN);
		bool ready = slice_eq_str(status, "ready") || slice_eq_str(status, "idle");
		if (has_ended(r, i))
			sandbox_write_cleaned(host->daemon, row.session);
		else if (!sandbox_find(host->daemon, row.session) && !sandbox_begin(host->daemon, &row, ready))
			log_error(NULL, "SANDBOX_MAX is too small for the sandboxes of before");
	}
	store_send(host->daemon->state, host_op(host, STMT_JOBS_LOST, on_lost_jobs), true);
}

static void sign_on(struct host *host)
{
	char name[256] = "";
	(void)gethostname(name, sizeof(name) - 1);
	struct store_op *op = host_op(host, STMT_HOST_BEGIN, NULL);
	store_op_text(op, slice_of(name));
	store_op_text(op, slice_of(PACKAGE_VERSION));
	store_op_i32(op, (int32_t)host->daemon->conf.sandbox_max);
	store_op_text(op, slice_of(host->protection));
	store_send(host->daemon->state, op, true);
}

/* Those whose claim's answer was lost. */
static void on_mine_again(void *user, const PGresult *r)
{
	struct host *host = user;
	for (int i = 0; r && i < PQntuples(r); i++) {
		struct sandbox_row row = read_row(r, i);
		if (slice_eq_str(db_get(r, i, STATUS_COLUMN), "cloning"))
			begin_anew(host, &row);
	}
}

void host_connected(void *user)
{
	struct host *host = user;
	host->reconnected = true;
	host->sweep_at = uv_now(host->daemon->loop) + SWEEP_LATE_MS;
	if (!host->begun || host->daemon->draining)
		return;
	store_send(host->daemon->state, host_op(host, STMT_MINE, on_mine_again), true);
	ask_all(host);
}

struct host *host_new(struct daemon *d, const char *protection)
{
	struct host *host = xcalloc(1, sizeof(*host));
	host->daemon = d;
	host->protection = xstrdup(protection);
	sign_on(host);
	store_send(d->state, host_op(host, STMT_MINE, on_mine), true);
	return host;
}

void host_free(struct host *host)
{
	store_forget(host->daemon->state, host);
	free(host->protection);
	free(host);
}

/* ---- the rhythm ---- */

static void beat(struct host *host)
{
	struct daemon *d = host->daemon;
	struct sandbox *sb;
	autobuf busy = { 0 };
	size_t count = 0;
	TAILQ_FOREACH(sb, &d->sandboxes, link)
	{
		count += sandbox_busy(sb);
	}
	db_array_begin(&busy, DB_TEXT, count);
	TAILQ_FOREACH(sb, &d->sandboxes, link)
	{
		if (sandbox_busy(sb))
			db_array_text(&busy, slice_of(sb->session));
	}
	db_array_end(&busy);
	struct store_op *op = host_op(host, STMT_HOST_BEAT, NULL);
	store_op_text(op, buf_slice(&busy));
	store_op_i64(op, d->conf.sandbox_idle_timeout);
	store_send(d->state, op, true);
}

static void on_swept(void *user, const PGresult *r)
{
	(void)user;
	if (!r || PQntuples(r) != 1)
		return;
	int64_t messages = db_get_i64(r, 0, 0), sessions = db_get_i64(r, 0, 1), lost = db_get_i64(r, 0, 2);
	if (messages || sessions || lost)
		log_info(NULL,
			 "forgot %" PRId64 " old messages and %" PRId64 " sandboxes; ended %" PRId64
			 " of hosts that are gone",
			 messages, sessions, lost);
}

static void sweep(struct host *host)
{
	struct store_op *op = store_op_new(STMT_SWEEP, on_swept, host);
	store_op_i64(op, host->daemon->conf.sandbox_stream_keep);
	store_op_i64(op, ROW_KEEP_S);
	store_send(host->daemon->state, op, true);
}

/* Several times before a sandbox with work would expire. */
static uint64_t beat_every(const struct host *host)
{
	uint64_t quarter = (uint64_t)host->daemon->conf.sandbox_idle_timeout * 1000 / 4;
	return quarter < BEAT_MS ? quarter : BEAT_MS;
}

void host_tick(struct host *host, uint64_t now)
{
	if (!host->begun || host->daemon->draining || !store_connected(host->daemon->state))
		return;
	if (now >= host->beat_at) {
		host->beat_at = now + beat_every(host);
		beat(host);
	}
	if (now >= host->poll_at) {
		host->poll_at = now + POLL_MS;
		ask_all(host);
	}
	if (now >= host->sweep_at) {
		host->sweep_at = now + SWEEP_MS;
		sweep(host);
	}
}

const struct daemon *host_daemon(const struct host *host)
{
	return host->daemon;
}

bool host_serves(const struct host *host)
{
	return host->begun && !host->daemon->draining;
}

void host_leave(struct host *host)
{
	store_send(host->daemon->state, host_op(host, STMT_HOST_END, NULL), true);
}
