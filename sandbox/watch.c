/* watch.c: what craft-sandboxd tells of itself. */
#include "watch.h"

#include <stdlib.h>

#include "counts.h"
#include "lib/db_watch.h"
#include "lib/monitor.h"
#include "store.h"

static const struct db_watch_metrics database_metrics = {
	.up = { "craft_sandbox_db_up", METRIC_GAUGE, "1 while the database answers and takes changes" },
	.seconds = { "craft_sandbox_db_seconds", METRIC_HISTOGRAM,
		     "How long the database takes for the least question" },
	.lost = { "craft_sandbox_db_lost_total", METRIC_COUNTER, "Losses of the connection that asks it" },
};

struct watch {
	const struct daemon *daemon;
	const struct host *host;
	struct db_watch *database;
	struct monitor *monitor;
};

static void print(void *user, struct buf *out)
{
	const struct watch *w = user;
	counts_print(w->daemon, out);
	db_watch_print(w->database, &database_metrics, out);
	metrics_process(out);
}

static bool is_ready(void *user, struct buf *reason)
{
	const struct watch *w = user;
	if (w->daemon->draining)
		buf_add_str(reason, "draining");
	else if (db_watch_ready(w->database, reason) && !store_connected(w->daemon->state))
		buf_add_str(reason, "the connection that takes jobs is not there");
	else if (!reason->len && !host_serves(w->host))
		buf_add_str(reason, "it has not signed on yet");
	return !reason->len;
}

struct watch *watch_new(struct daemon *daemon, const struct host *host)
{
	const struct conf *conf = &daemon->conf;
	if (!conf->sandbox_metrics_listen)
		return NULL;
	struct watch *w = xcalloc(1, sizeof(*w));
	const struct monitor_source source = { print, is_ready, w };
	w->daemon = daemon;
	w->host = host;
	w->database = db_watch_new(daemon->loop, conf->database_url, "craft-sandboxd watch");
	w->monitor = monitor_new(daemon->loop, "SANDBOX_METRICS_LISTEN", conf->sandbox_metrics_listen,
				 (mode_t)conf->socket_mode, &source);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	monitor_free(w->monitor);
	db_watch_free(w->database);
	free(w);
}
