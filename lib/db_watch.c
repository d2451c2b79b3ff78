/* db_watch.c: does the database answer? */
#include "db_watch.h"

#include <stdlib.h>

#include "pglink.h"

#define EVERY_MS 1000
#define PATIENCE_MS 5000 /* without an answer it is away, and the connection of no use */

static const struct db_statement statements[] = {
	{ "watch", "select pg_is_in_recovery(), current_setting('transaction_read_only')::boolean", 0 }
};

struct db_watch {
	struct pglink *link;
	uv_timer_t timer;
	bool asked, answered; /* a question is under way; one was answered on this connection */
	bool standby, read_only;
	uint64_t asked_at; /* ms of the loop's clock */
	uint64_t asked_ns;
	struct histogram seconds;
	struct counter lost;
};

static void ask(struct db_watch *w)
{
	if (w->asked || !pglink_is_ready(w->link))
		return;
	w->asked = true;
	w->asked_at = uv_now(w->timer.loop);
	w->asked_ns = uv_hrtime();
	/* A failure shows as on_lost. */
	if (pglink_query(w->link, 0, NULL))
		(void)pglink_sync(w->link);
}

static void on_ready(struct pglink *link, void *user)
{
	(void)link;
	ask(user);
}

static void on_lost(struct pglink *link, void *user)
{
	struct db_watch *w = user;
	(void)link;
	w->asked = w->answered = false;
	counter_add(&w->lost, 1);
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct db_watch *w = user;
	(void)link;
	w->answered = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
	w->standby = w->answered && db_get_bool(r, 0, 0);
	w->read_only = w->answered && db_get_bool(r, 0, 1);
	histogram_add(&w->seconds, &metrics_short, (uv_hrtime() - w->asked_ns) / 1000);
}

static void on_sync(struct pglink *link, void *user)
{
	struct db_watch *w = user;
	(void)link;
	w->asked = false;
}

static bool is_late(const struct db_watch *w)
{
	return w->asked && uv_now(w->timer.loop) - w->asked_at > PATIENCE_MS;
}

static void on_timer(uv_timer_t *timer)
{
	struct db_watch *w = timer->data;
	if (is_late(w))
		pglink_drop(w->link);
	else
		ask(w);
}

struct db_watch *db_watch_new(uv_loop_t *loop, const char *url, const char *application)
{
	static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, NULL };
	struct db_watch *w = xcalloc(1, sizeof(*w));
	(void)uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	w->link = pglink_new(loop, url, application, statements, 1, &events, w);
	(void)uv_timer_start(&w->timer, on_timer, EVERY_MS, EVERY_MS);
	return w;
}

static void on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void db_watch_free(struct db_watch *w)
{
	if (!w)
		return;
	pglink_free(w->link);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

bool db_watch_ready(const struct db_watch *w, struct buf *reason)
{
	if (!w->answered || is_late(w))
		buf_add_str(reason, "the database doesn't answer");
	else if (w->standby)
		buf_add_str(reason, "the database takes no changes: it is a standby");
	else if (w->read_only)
		buf_add_str(reason, "the database takes no changes: it is set to read-only");
	return !reason->len;
}

void db_watch_print(const struct db_watch *w, const struct db_watch_metrics *names, struct buf *out)
{
	autobuf reason = { 0 };
	metrics_single(out, &names->up, db_watch_ready(w, &reason));
	metrics_single_histogram(out, &names->seconds, &metrics_short, &w->seconds);
	metrics_single(out, &names->lost, counter_read(&w->lost));
}
