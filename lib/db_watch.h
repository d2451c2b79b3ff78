/* db_watch.h: asks the database once a second, on a connection of its own, whether it answers and takes changes. For
 * /readyz and the metrics of a daemon that is watched. */
#ifndef CRAFT_DB_WATCH_H
#define CRAFT_DB_WATCH_H

#include <uv.h>

#include "buf.h"
#include "metrics.h"

struct db_watch;

/* application: shows in pg_stat_activity. The texts must outlive it. */
struct db_watch *db_watch_new(uv_loop_t *loop, const char *url, const char *application);
void db_watch_free(struct db_watch *watch); /* NULL: none */

/* False: *reason says what is wrong with it. */
bool db_watch_ready(const struct db_watch *watch, struct buf *reason);

/* The same as a number, how long its answers took, and the connections that were lost. */
struct db_watch_metrics {
	struct metric up, seconds, lost;
};
/* Their names in a program whose metrics begin with this. */
/* clang-format off */
#define DB_WATCH_METRICS(prefix) { \
	.up = { prefix "_db_up", METRIC_GAUGE, "1 while the database answers and takes changes" }, \
	.seconds = { prefix "_db_seconds", METRIC_HISTOGRAM, "How long the database takes for the least question" }, \
	.lost = { prefix "_db_lost_total", METRIC_COUNTER, "Losses of the connection that asks it" } }
/* clang-format on */
void db_watch_print(const struct db_watch *watch, const struct db_watch_metrics *names, struct buf *out);

#endif
