/* watch.c: what the bridge tells of itself. */
#include "watch.h"

#include <stdlib.h>

#include "counts.h"
#include "feed.h"
#include "lib/db_watch.h"
#include "lib/monitor.h"

static const struct db_watch_metrics database_metrics = {
	.up = { "craft_ws_db_up", METRIC_GAUGE, "1 while the database answers and takes changes" },
	.seconds = { "craft_ws_db_seconds", METRIC_HISTOGRAM, "How long the database takes for the least question" },
	.lost = { "craft_ws_db_lost_total", METRIC_COUNTER, "Losses of the connection that asks it" },
};

struct watch {
	struct bridge *bridge;
	struct db_watch *database;
	struct monitor *monitor;
};

static void print(void *user, struct buf *out)
{
	const struct watch *w = user;
	counts_print(w->bridge, out);
	db_watch_print(w->database, &database_metrics, out);
	metrics_process(out);
}

/* The socket for clients is open from before this is until it drains. */
static bool is_ready(void *user, struct buf *reason)
{
	const struct watch *w = user;
	if (w->bridge->draining)
		buf_add_str(reason, "draining");
	else if (db_watch_ready(w->database, reason) && !feed_is_connected(w->bridge->feed))
		buf_add_str(reason, "the connection that reads changes is not there");
	return !reason->len;
}

struct watch *watch_new(struct bridge *bridge)
{
	const struct conf *conf = &bridge->conf;
	if (!conf->ws_metrics_listen)
		return NULL;
	struct watch *w = xcalloc(1, sizeof(*w));
	const struct monitor_source source = { print, is_ready, w };
	w->bridge = bridge;
	w->database = db_watch_new(bridge->loop, conf->database_url, "craft-ws-bridge watch");
	w->monitor = monitor_new(bridge->loop, "WS_METRICS_LISTEN", conf->ws_metrics_listen, (mode_t)conf->socket_mode,
				 &source);
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
