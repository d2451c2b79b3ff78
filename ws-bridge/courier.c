/* courier.c: requests on their way to the database. Each is a transaction of its own, several are under way at a time
 * (libpq's pipeline); after its commit the sandbox's host is told, in another one. */
#include "courier.h"

#include <stdio.h>
#include <stdlib.h>

#include "bounds.h"
#include "conn.h"
#include "feed.h"
#include "lib/log.h"
#include "lib/pglink.h"
#include "lib/sqlstate.h"
#include "request.h"
#include "sandbox_room.h"
#include "statements.h"

#define SENT_MAX 32
#define SENT_BYTES (1u << 20)
#define RENEW_BYTES (16u << 20) /* libpq keeps buffers of the biggest query: after one of these it connects anew */

/* A statement that was sent. */
struct errand {
	STAILQ_ENTRY(errand) link;
	struct request *request; /* NULL: an announcement */
	const char *refusal;	 /* of a request: why it wasn't stored; static, or refusal_text */
	char refusal_text[200];
	bool stored;	  /* a job was made, if the commit succeeds */
	char *host;	  /* of a stored one; NULL: none has it yet */
	uint64_t sent_at; /* ms */
};

struct courier {
	struct bridge *bridge;
	const char *application;
	struct pglink *link; /* NULL: not needed yet */
	struct request_list queue;
	STAILQ_HEAD(, errand) sent;
	size_t sent_count, sent_bytes;
	size_t biggest;
	uint64_t away_since; /* ms: since when the link isn't ready; 0: it is */
};

static const struct pglink_events events;

struct courier *courier_new(struct bridge *bridge, const char *application)
{
	struct courier *c = xcalloc(1, sizeof(*c));
	c->bridge = bridge;
	c->application = application;
	TAILQ_INIT(&c->queue);
	STAILQ_INIT(&c->sent);
	return c;
}

void courier_start(struct courier *c)
{
	if (c->link)
		return;
	c->away_since = uv_now(c->bridge->loop);
	c->link = pglink_new(c->bridge->loop, c->bridge->conf.database_url, c->application, statements, STMT_COUNT,
			     &events, c);
}

void courier_free(struct courier *c)
{
	if (c->link)
		pglink_free(c->link);
	free(c);
}

bool courier_is_idle(const struct courier *c)
{
	return TAILQ_EMPTY(&c->queue) && STAILQ_EMPTY(&c->sent);
}

void courier_enqueue(struct request *r)
{
	struct bridge *b = r->conn->bridge;
	struct courier *c = r->big ? b->big_courier : b->small_courier;
	courier_start(c);
	TAILQ_INSERT_TAIL(&c->queue, r, link);
}

void courier_submit(struct conn *conn, const struct sandbox_message *m, struct buf text)
{
	struct request *r = request_new(conn, m, text);
	if (request_begin(r))
		courier_enqueue(r);
}

/* ---- sending ---- */

static void send_statement(struct courier *c, enum statement statement, const struct db_params *p, struct request *r)
{
	struct errand *e = xcalloc(1, sizeof(*e));
	e->request = r;
	e->sent_at = uv_now(c->bridge->loop);
	STAILQ_INSERT_TAIL(&c->sent, e, link);
	c->sent_count++;
	c->sent_bytes += r ? r->size : 0;
	/* A failure shows as on_lost, which clears what was sent. */
	if (pglink_query(c->link, (int)statement, p))
		(void)pglink_sync(c->link);
}

static void add_job(struct db_params *p, const struct request *r)
{
	db_add_text(p, slice_of(r->conn->client));
	db_add_text(p, slice_of(sandbox_request_name(r->kind)));
	db_add_text(p, buf_slice(&r->id));
	db_add_text(p, r->name ? slice_of(r->name) : (struct slice){ 0 });
	db_add_text(p, buf_slice(&r->text));
}

/* Empty: null. */
static void add_id(struct db_params *p, const char *id)
{
	db_add_text(p, *id ? slice_of(id) : (struct slice){ 0 });
}

static void send_request(struct courier *c, struct request *r)
{
	struct db_params p = { 0 };
	bool touch = r->kind == SANDBOX_PING;
	db_add_text(&p, slice_of(r->conn->sandbox->workspace));
	db_add_text(&p, slice_of(r->conn->sandbox->session));
	if (!touch)
		add_job(&p, r);
	db_add_i64(&p, c->bridge->conf.sandbox_idle_timeout);
	if (!touch) {
		add_id(&p, r->conn->given.id);
		add_id(&p, r->conn->request_id);
		db_add_i64(&p, c->bridge->conf.sandbox_job_bytes);
		db_add_i64(&p, c->bridge->conf.sandbox_all_job_bytes);
	}
	c->biggest = r->size > c->biggest ? r->size : c->biggest;
	send_statement(c, touch ? STMT_SANDBOX_TOUCH : STMT_SANDBOX_SUBMIT, &p, r);
	buf_free(&r->text);
}

static void announce(struct courier *c, const char *host)
{
	struct db_params p = { 0 };
	db_add_text(&p, host ? slice_of(host) : (struct slice){ 0 });
	send_statement(c, STMT_SANDBOX_ANNOUNCE, &p, NULL);
}

static bool has_room(const struct courier *c, const struct request *r)
{
	return c->sent_count == 0 || (c->sent_count < SENT_MAX && c->sent_bytes + r->size <= SENT_BYTES);
}

void courier_pump(struct courier *c)
{
	struct request *r;
	if (!c->link || !pglink_is_ready(c->link))
		return;
	if (c->biggest > RENEW_BYTES && courier_is_idle(c)) {
		c->biggest = 0;
		c->away_since = uv_now(c->bridge->loop);
		pglink_renew(c->link);
		return;
	}
	while ((r = TAILQ_FIRST(&c->queue)) && has_room(c, r)) {
		TAILQ_REMOVE(&c->queue, r, link);
		send_request(c, r);
	}
}

/* ---- what the connection tells ---- */

struct submit_status {
	const char *code, *text;
};

/* What the client gets to read for the statuses of api.sandbox_submit. It was let in: the sandbox was there then. */
static const struct submit_status statuses[] = {
	{ "ok", NULL },
	{ "busy", "A task is already running in this sandbox; wait for it or cancel it" },
	{ "too_many", "Too many requests are under way in this sandbox; wait for their answers or cancel some" },
	{ "", "Sandbox session expired" },
};

/* The same where the bytes of a limit are told: what has too many requests under way, and which limit that is. */
static const struct {
	const char *code, *what, *key;
} full[] = {
	{ "sandbox_bytes", "this sandbox", "SANDBOX_JOB_BYTES" },
	{ "workspace_bytes", "this workspace", "SANDBOX_ALL_JOB_BYTES, of which a workspace gets half" },
	{ "all_bytes", "all sandboxes together", "SANDBOX_ALL_JOB_BYTES" },
};

/* False: it is another status. */
static bool refuse_bytes(const struct courier *c, struct errand *e, const char *status)
{
	for (size_t i = 0; i < sizeof(full) / sizeof(*full); i++) {
		if (strcmp(full[i].code, status) != 0)
			continue;
		int64_t max = i ? c->bridge->conf.sandbox_all_job_bytes : c->bridge->conf.sandbox_job_bytes;
		(void)snprintf(
			e->refusal_text, sizeof(e->refusal_text),
			"The requests under way in %s hold too many bytes (%s: %lld); wait until they have begun, or "
			"cancel some",
			full[i].what, full[i].key, (long long)max);
		e->refusal = e->refusal_text;
		bounds_count(c->bridge, LIMIT_JOB_BYTES);
		return true;
	}
	return false;
}

/* The same for errors of the database. */
static const char *const errors[SQLSTATE_KINDS] = {
	[SQLSTATE_OK] = "Internal error, nothing was done",
	[SQLSTATE_STALE] = "The database is busy, nothing was done; try again",
	[SQLSTATE_BUSY] = "The database is busy, nothing was done; try again",
	[SQLSTATE_AWAY] = "Database unavailable, nothing was done; try again",
	[SQLSTATE_FULL] = "The database is out of resources, nothing was done; try again later",
	[SQLSTATE_LIMIT] = "The request exceeds a limit of the database",
	[SQLSTATE_VALUE] = "The database can't store this request",
	[SQLSTATE_INTERNAL] = "Internal error, nothing was done",
};

static const char *status_text(const char *status)
{
	const struct submit_status *row = statuses;
	while (*row->code && strcmp(row->code, status) != 0)
		row++;
	return row->text;
}

/* Without SQLSTATE the error is libpq's own: the connection is going, and the outcome isn't known. */
static void take_failure(struct errand *e, const PGresult *r)
{
	char line[256];
	const char *sqlstate = db_sqlstate(r);
	if (!*sqlstate)
		return;
	log_warn(e->request ? e->request->conn->request_id : NULL, "a sandbox's request failed: %s %s", sqlstate,
		 db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
	e->stored = false;
	e->refusal = errors[sqlstate_kind(sqlstate)];
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct courier *c = user;
	struct errand *e = STAILQ_FIRST(&c->sent);
	(void)link;
	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		take_failure(e, r);
		return;
	}
	if (!e->request || e->request->kind == SANDBOX_PING)
		return;
	autobuf status = { 0 };
	buf_add_slice(&status, db_get(r, 0, 0));
	if (!refuse_bytes(c, e, buf_cstr(&status)))
		e->refusal = status_text(buf_cstr(&status));
	e->stored = !e->refusal;
	if (e->stored && !PQgetisnull(r, 0, 1))
		e->host = slice_dup(db_get(r, 0, 1));
}

static struct errand *next_errand(struct courier *c)
{
	struct errand *e = STAILQ_FIRST(&c->sent);
	if (e) {
		STAILQ_REMOVE_HEAD(&c->sent, link);
		c->sent_count--;
		c->sent_bytes -= e->request ? e->request->size : 0;
	}
	return e;
}

static void errand_free(struct errand *e)
{
	free(e->host);
	free(e);
}

/* The host's lines about it carry both ids. */
static void log_stored(const struct request *r)
{
	if (r->kind == SANDBOX_EXECUTE && bounds_may_log(r->conn->bridge))
		log_info(r->conn->request_id, "a task for sandbox %s", r->conn->sandbox->session);
}

static void on_sync(struct pglink *link, void *user)
{
	struct courier *c = user;
	struct errand *e = next_errand(c);
	(void)link;
	if (e->request && e->stored) {
		announce(c, e->host);
		log_stored(e->request);
		request_end(e->request);
	} else if (e->request) {
		request_refuse(e->request, e->refusal ? e->refusal : errors[SQLSTATE_INTERNAL]);
	}
	errand_free(e);
}

static void on_ready(struct pglink *link, void *user)
{
	struct courier *c = user;
	(void)link;
	c->away_since = 0;
	courier_pump(c);
}

#define UNKNOWN_OUTCOME                                                                                                \
	"The database connection was lost while this request was being handed over: whether it is done isn't known"

static void on_lost(struct pglink *link, void *user)
{
	struct courier *c = user;
	struct errand *e;
	(void)link;
	c->away_since = uv_now(c->bridge->loop);
	while ((e = next_errand(c))) {
		if (e->request)
			request_refuse(e->request, e->refusal ? e->refusal : UNKNOWN_OUTCOME);
		errand_free(e);
	}
}

static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, NULL };

/* ---- time ---- */

static void expire_queue(struct courier *c, uint64_t now, uint64_t limit)
{
	struct request_list old;
	struct request *r, *next;
	TAILQ_INIT(&old);
	for (r = TAILQ_FIRST(&c->queue); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (now - r->started > limit) {
			TAILQ_REMOVE(&c->queue, r, link);
			TAILQ_INSERT_TAIL(&old, r, link);
		}
	}
	while ((r = TAILQ_FIRST(&old))) {
		TAILQ_REMOVE(&old, r, link);
		request_refuse(r, "Database unavailable, nothing was done; try again");
	}
}

void courier_tick(struct courier *c, uint64_t now)
{
	uint64_t limit = (uint64_t)c->bridge->conf.ws_db_timeout;
	const struct errand *oldest = STAILQ_FIRST(&c->sent);
	if (!c->link)
		return;
	/* A big request may take its time. */
	bool silent = now - feed_heard_at(c->bridge->feed, c->link) > limit / 2;
	if (oldest && now - oldest->sent_at > limit && silent)
		pglink_drop(c->link);
	if (silent || (c->away_since && now - c->away_since > limit / 2))
		expire_queue(c, now, limit);
}
