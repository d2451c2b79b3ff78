/* counts.h: what craft-fcgi counts. The memory is shared: the master makes it before its workers, each of which has a
 * part of its own to write to; the master and the process that tells of it (watcher.h) read them all. A part outlives
 * its workers, of which there is one at a time, so that nothing counted is lost with one. */
#ifndef CRAFT_FCGI_COUNTS_H
#define CRAFT_FCGI_COUNTS_H

#include "answer_cache.h"
#include "bounds.h"
#include "github.h"
#include "metrics.h"
#include "request.h"
#include "routes.h"
#include "spool.h"
#include "statements.h"
#include "status.h"
#include "sweeper.h"

#define COUNTS_ROUTES 64 /* at least routes_count */
#define COUNTS_METHODS 6 /* of requests without a route */
#define COUNTS_SERIES (COUNTS_ROUTES * 2 + COUNTS_METHODS)
#define COUNTS_POOLS 4
#define COUNTS_RESERVE 3 /* the pool of the one that serves while all quick ones are in long requests */

/* A worker's part. */
struct counts {
	struct counter requests[COUNTS_SERIES][STATUS_HTTP_MAX];
	struct histogram seconds[COUNTS_SERIES];
	struct counter sent_bytes, broken;
	struct histogram statements[SQL_COUNT];
	struct counter failed_statements[SQL_COUNT];
	struct counter connects, failed_connects;
	struct answer_counts answers;
	struct github_counts github;
	_Atomic bool busy;
	/* The master's. */
	_Atomic bool running;
	unsigned pool;
};

struct counts_all {
	size_t count;
	struct counter starts, crashes;
	_Atomic bool draining;
	struct sweep_counts sweeps;
	struct counts parts[]; /* a worker each */
};

/* NULL: no memory; then nothing is counted. */
struct counts_all *counts_new(size_t workers);

/* For workers; counts may be NULL. Between these two it has a request. */
void counts_begin(struct counts *c);
void counts_idle(struct counts *c);
/* An answer was written, with this status, and took so many µs. */
void counts_end(struct counts *c, const struct request *req, int http, uint64_t bytes, bool complete, uint64_t us);
void counts_statement(struct counts *c, enum statement statement, bool ok, uint64_t us);
void counts_connect(struct counts *c, bool ok);

/* All of it. bounds may be NULL. */
void counts_print(const struct counts_all *all, const struct bounds *bounds, struct spool *spool, struct buf *out);

#endif
