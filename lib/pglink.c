/* pglink.c: an asynchronous PostgreSQL connection (libpq's pipeline mode, manual section 34.5) on libuv. */
#include "pglink.h"

#include <stdlib.h>

#include "log.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define CONNECT_LIMIT_MS 6000
#define STEADY_MS 1000 /* a connection that lasted so long was no part of a run of failures */

enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_PREPARING, LINK_READY, LINK_CLOSED };

struct pglink {
	uv_loop_t *loop;
	const char *url, *application;
	const struct db_statement *statements;
	size_t statement_count;
	const struct pglink_events *events;
	void *user;
	enum link_state state;
	PGconn *conn;
	uv_poll_t *poll; /* on the heap: made anew for every socket, and closing takes a turn of the loop */
	int poll_events;
	uv_timer_t timer; /* the pause before the next try, or the limit of this one */
	uint64_t pause, ready_at, heard_at;
	size_t queued; /* statements and syncs without their end yet */
	bool broken;   /* noticed outside the loop; the timer reports it */
	bool down_logged;
};

static void link_start(struct pglink *link);

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void free_link(uv_handle_t *timer)
{
	free(timer->data);
}

static void close_poll(struct pglink *link)
{
	if (!link->poll)
		return;
	(void)uv_poll_stop(link->poll);
	uv_close((uv_handle_t *)link->poll, free_handle);
	link->poll = NULL;
}

static void on_timer(uv_timer_t *timer);
static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct pglink *link, int events)
{
	if (link->poll_events != events) {
		link->poll_events = events;
		(void)uv_poll_start(link->poll, events, on_poll);
	}
}

/* libpq may close and open sockets while it connects: each step gets a new handle, as epoll forgets closed sockets. */
static bool open_poll(struct pglink *link, int events)
{
	close_poll(link);
	link->poll = xcalloc(1, sizeof(*link->poll));
	link->poll->data = link;
	link->poll_events = 0;
	if (uv_poll_init(link->loop, link->poll, PQsocket(link->conn)) != 0) {
		free(link->poll);
		link->poll = NULL;
		return false;
	}
	watch(link, events);
	return true;
}

static void schedule_retry(struct pglink *link)
{
	link->state = LINK_WAITING;
	(void)uv_timer_start(&link->timer, on_timer, link->pause, 0);
	link->pause = link->pause * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : link->pause * 2;
}

/* The connection is of no use any more: closes it, says so, and plans the next try. */
static void link_broke(struct pglink *link)
{
	bool was_ready = link->state == LINK_READY;
	char line[256];
	/* A server whose disk is full lets everybody in, and fails what they ask for. */
	if (was_ready && uv_now(link->loop) - link->ready_at >= STEADY_MS)
		link->pause = RETRY_MIN_MS;
	close_poll(link);
	if (!link->down_logged || was_ready)
		log_warn(NULL, "database connection %s lost: %s", link->application,
			 db_error_line(PQerrorMessage(link->conn), line, sizeof(line)));
	link->down_logged = true;
	PQfinish(link->conn);
	link->conn = NULL;
	link->queued = 0;
	link->broken = false;
	schedule_retry(link);
	if (was_ready)
		link->events->on_lost(link, link->user);
}

static bool flush(struct pglink *link)
{
	int left = PQflush(link->conn);
	if (left < 0)
		return false;
	watch(link, left ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	return true;
}

static void became_ready(struct pglink *link)
{
	link->state = LINK_READY;
	link->ready_at = uv_now(link->loop);
	(void)uv_timer_stop(&link->timer);
	if (link->down_logged)
		log_info(NULL, "database connection %s is back", link->application);
	link->down_logged = false;
	link->events->on_ready(link, link->user);
}

static bool prepare_all(struct pglink *link)
{
	link->state = LINK_PREPARING;
	if (PQsetnonblocking(link->conn, 1) != 0 || !PQenterPipelineMode(link->conn))
		return false;
	for (size_t i = 0; i < link->statement_count; i++) {
		const struct db_statement *s = &link->statements[i];
		if (!PQsendPrepare(link->conn, s->name, s->sql, s->params, NULL))
			return false;
	}
	link->queued = link->statement_count;
	return pglink_sync(link);
}

static bool connect_step(struct pglink *link)
{
	switch (PQconnectPoll(link->conn)) {
	case PGRES_POLLING_READING:
		return open_poll(link, UV_READABLE);
	case PGRES_POLLING_WRITING:
		return open_poll(link, UV_WRITABLE);
	case PGRES_POLLING_OK:
		return open_poll(link, UV_READABLE) && prepare_all(link);
	default:
		return false;
	}
}

/* While preparing the results are the link's own. */
static bool take_prepared(struct pglink *link, const PGresult *r)
{
	char line[256];
	if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
		became_ready(link);
		return true;
	}
	if (PQresultStatus(r) == PGRES_COMMAND_OK)
		return true;
	if (!link->down_logged)
		log_error(NULL, "the database doesn't know a statement (run craft-cloud migrate): %s",
			  db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
	return false;
}

static bool deliver(struct pglink *link, PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);
	bool ok = true;
	if (status == PGRES_PIPELINE_SYNC)
		link->queued--;
	if (link->state == LINK_PREPARING)
		ok = take_prepared(link, r);
	else if (status == PGRES_PIPELINE_SYNC)
		link->events->on_sync(link, link->user);
	else
		link->events->on_result(link, link->user, r);
	PQclear(r);
	return ok;
}

/* False: broken. Callbacks may queue more, and may drop the link (then conn is NULL or another one). */
static bool take_results(struct pglink *link)
{
	PGconn *conn = link->conn;
	while (link->queued && !PQisBusy(conn)) {
		PGresult *r = PQgetResult(conn);
		if (!r)
			link->queued--; /* the end of one statement's results */
		else if (!deliver(link, r))
			return false;
		if (link->conn != conn)
			return true;
	}
	return true;
}

static void take_notifications(struct pglink *link)
{
	PGnotify *n;
	while (link->conn && (n = PQnotifies(link->conn))) {
		if (link->events->on_notify && link->state == LINK_READY)
			link->events->on_notify(link, link->user, n->relname, n->extra);
		PQfreemem(n);
	}
}

static bool transfer(struct pglink *link)
{
	PGconn *conn = link->conn;
	link->heard_at = uv_now(link->loop);
	if (!PQconsumeInput(conn) || !take_results(link))
		return false;
	if (link->conn != conn)
		return true;
	take_notifications(link);
	return link->conn != conn || (PQstatus(conn) == CONNECTION_OK && flush(link));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct pglink *link = poll->data;
	bool ok;
	(void)events;
	if (link->poll != poll)
		return;
	if (link->state == LINK_CONNECTING)
		ok = connect_step(link);
	else
		ok = status == 0 && transfer(link);
	if (!ok && link->conn)
		link_broke(link);
}

/* libpq would write it to standard error as it is; what follows from it is logged where it shows. */
static void take_notice(void *user, const char *message)
{
	const struct pglink *link = user;
	char line[256];
	log_debug(NULL, "PostgreSQL says to %s: %s", link->application, db_error_line(message, line, sizeof(line)));
}

static void link_start(struct pglink *link)
{
	link->state = LINK_CONNECTING;
	link->conn = db_connect_start(link->url, link->application);
	if (!link->conn)
		abort(); /* out of memory */
	(void)PQsetNoticeProcessor(link->conn, take_notice, link);
	(void)uv_timer_start(&link->timer, on_timer, CONNECT_LIMIT_MS, 0);
	if (PQstatus(link->conn) == CONNECTION_BAD || !open_poll(link, UV_WRITABLE))
		link_broke(link);
}

static void on_timer(uv_timer_t *timer)
{
	struct pglink *link = timer->data;
	if (link->state == LINK_WAITING)
		link_start(link);
	else if (link->state != LINK_CLOSED && (link->state != LINK_READY || link->broken))
		link_broke(link);
}

struct pglink *pglink_new(uv_loop_t *loop, const char *url, const char *application,
			  const struct db_statement *statements, size_t count, const struct pglink_events *events,
			  void *user)
{
	struct pglink *link = xcalloc(1, sizeof(*link));
	link->loop = loop;
	link->url = url;
	link->application = application;
	link->statements = statements;
	link->statement_count = count;
	link->events = events;
	link->user = user;
	link->pause = RETRY_MIN_MS;
	(void)uv_timer_init(loop, &link->timer);
	link->timer.data = link;
	(void)uv_timer_start(&link->timer, on_timer, 0, 0);
	return link;
}

void pglink_free(struct pglink *link)
{
	close_poll(link);
	PQfinish(link->conn);
	link->conn = NULL;
	link->state = LINK_CLOSED;
	uv_close((uv_handle_t *)&link->timer, free_link);
}

bool pglink_is_ready(const struct pglink *link)
{
	return link->state == LINK_READY && !link->broken;
}

/* Reports a broken connection from the loop, not from within the caller. */
static bool mark_broken(struct pglink *link)
{
	link->broken = true;
	(void)uv_timer_start(&link->timer, on_timer, 0, 0);
	return false;
}

bool pglink_query(struct pglink *link, int statement, const struct db_params *params)
{
	static const struct db_params none = { 0 };
	if (!params)
		params = &none;
	if (link->broken || !PQsendQueryPrepared(link->conn, link->statements[statement].name, params->count,
						 params->values, params->lengths, params->formats, 1))
		return mark_broken(link);
	link->queued++;
	return true;
}

bool pglink_sync(struct pglink *link)
{
	if (link->broken || !PQpipelineSync(link->conn))
		return mark_broken(link);
	link->queued++;
	return flush(link) || mark_broken(link);
}

void pglink_drop(struct pglink *link)
{
	if (link->conn)
		link_broke(link);
}

void pglink_renew(struct pglink *link)
{
	close_poll(link);
	PQfinish(link->conn);
	link->pause = RETRY_MIN_MS;
	link_start(link);
}

uint64_t pglink_heard_at(const struct pglink *link)
{
	return link->heard_at;
}
