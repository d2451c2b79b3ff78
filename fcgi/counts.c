/* counts.c: counting in shared memory, the table of metrics, and their text. */
#include "counts.h"

#include <assert.h>
#include <sys/mman.h>

enum {
	M_REQUESTS,
	M_REQUEST_SECONDS,
	M_SENT_BYTES,
	M_BROKEN,
	M_WORKERS,
	M_WORKERS_BUSY,
	M_WORKER_STARTS,
	M_WORKER_CRASHES,
	M_DB_SECONDS,
	M_DB_FAILURES,
	M_DB_CONNECTS,
	M_ANSWERS,
	M_ANSWER_EVICTIONS,
	M_ANSWERS_KEPT,
	M_ANSWER_BYTES,
	M_GITHUB_CALLS,
	M_GITHUB_SECONDS,
	M_SWEEPS,
	M_SWEPT_FILES,
	M_SWEPT_BYTES,
	M_SWEEP_AT,
	M_SPOOL_ANSWERS,
	M_SPOOL_BYTES,
	M_LIMITS,
	M_DRAINING
};

/* clang-format off */
static const struct metric metrics[] = {
	[M_REQUESTS] = { "craft_fcgi_requests_total", METRIC_COUNTER, "Requests by route, method and status. Route none: there is none, or the key was wrong" },
	[M_REQUEST_SECONDS] = { "craft_fcgi_request_seconds", METRIC_HISTOGRAM, "From a worker's taking a request until its answer was written" },
	[M_SENT_BYTES] = { "craft_fcgi_sent_bytes_total", METRIC_COUNTER, "Bytes of answers' bodies; those of files are sent by nginx" },
	[M_BROKEN] = { "craft_fcgi_broken_answers_total", METRIC_COUNTER, "Answers that were broken off" },
	[M_WORKERS] = { "craft_fcgi_workers", METRIC_GAUGE, "Workers that run" },
	[M_WORKERS_BUSY] = { "craft_fcgi_workers_busy", METRIC_GAUGE, "Workers that have a request; when it is all of them, requests wait" },
	[M_WORKER_STARTS] = { "craft_fcgi_worker_starts_total", METRIC_COUNTER, "Workers that were started" },
	[M_WORKER_CRASHES] = { "craft_fcgi_worker_crashes_total", METRIC_COUNTER, "Workers that ended by a signal or with an error" },
	[M_DB_SECONDS] = { "craft_fcgi_db_statement_seconds", METRIC_HISTOGRAM, "From asking the database until a read's first row or a change's outcome" },
	[M_DB_FAILURES] = { "craft_fcgi_db_failures_total", METRIC_COUNTER, "Statements that failed" },
	[M_DB_CONNECTS] = { "craft_fcgi_db_connects_total", METRIC_COUNTER, "Attempts to connect to the database" },
	[M_ANSWERS] = { "craft_fcgi_answer_cache_lookups_total", METRIC_COUNTER, "Lists and sessions that were asked for: hit (sent from the worker's memory), stale (it had an older state), miss" },
	[M_ANSWER_EVICTIONS] = { "craft_fcgi_answer_cache_evictions_total", METRIC_COUNTER, "Answers that were dropped to make room; many: raise FCGI_ANSWER_CACHE" },
	[M_ANSWERS_KEPT] = { "craft_fcgi_answer_cache_answers", METRIC_GAUGE, "Answers that all workers together keep" },
	[M_ANSWER_BYTES] = { "craft_fcgi_answer_cache_bytes", METRIC_GAUGE, "Bytes of them; FCGI_ANSWER_CACHE bounds each worker's" },
	[M_GITHUB_CALLS] = { "craft_fcgi_github_calls_total", METRIC_COUNTER, "Calls of GitHub by kind and outcome; limited: too many requests; sso: single sign-on is wanted; no_access: another answer than 2xx; unreachable: no answer in time, or one that makes no sense" },
	[M_GITHUB_SECONDS] = { "craft_fcgi_github_call_seconds", METRIC_HISTOGRAM, "How long GitHub took" },
	[M_SWEEPS] = { "craft_fcgi_sweeps_total", METRIC_COUNTER, "Runs of housekeeping in BLOB_DIR" },
	[M_SWEPT_FILES] = { "craft_fcgi_swept_files_total", METRIC_COUNTER, "Files that it removed: contents of deleted files, strays of broken uploads, orphans" },
	[M_SWEPT_BYTES] = { "craft_fcgi_swept_bytes_total", METRIC_COUNTER, "Bytes of them" },
	[M_SWEEP_AT] = { "craft_fcgi_sweep_last_success_timestamp_seconds", METRIC_GAUGE, "When the last run that went well ended, since 1970; 0: none did since the start" },
	[M_SPOOL_ANSWERS] = { "craft_fcgi_spool_answers", METRIC_GAUGE, "Answers whose readers are slow, in files of FCGI_SPOOL_DIR" },
	[M_SPOOL_BYTES] = { "craft_fcgi_spool_bytes", METRIC_GAUGE, "Bytes of them; FCGI_SPOOL bounds them" },
	[M_LIMITS] = { "craft_fcgi_limits_total", METRIC_COUNTER, "What limits refused, by limit" },
	[M_DRAINING] = { "craft_fcgi_draining", METRIC_GAUGE, "1 from SIGTERM on" },
};
/* clang-format on */

static const struct {
	enum method method;
	const char *name;
} methods[COUNTS_METHODS] = { { METHOD_GET, "GET" }, { METHOD_HEAD, "HEAD" },	  { METHOD_POST, "POST" },
			      { METHOD_PUT, "PUT" }, { METHOD_DELETE, "DELETE" }, { METHOD_OTHER, "other" } };

struct counts_all *counts_new(size_t workers)
{
	struct counts_all *all = mmap(NULL, sizeof(*all) + workers * sizeof(all->parts[0]), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(routes_count <= COUNTS_ROUTES);
	if (all == MAP_FAILED)
		return NULL;
	all->count = workers;
	return all;
}

/* ---- counting ---- */

static size_t method_place(enum method method)
{
	size_t i = 0;
	while (i < COUNTS_METHODS - 1 && methods[i].method != method)
		i++;
	return i;
}

/* Every route has a series of its own, one more for HEAD; a request without one has one by its method. */
static size_t series_of(const struct request *req)
{
	if (req->route)
		return (size_t)(req->route - routes) * 2 + (req->method == METHOD_HEAD);
	return (size_t)COUNTS_ROUTES * 2 + method_place(req->method);
}

void counts_begin(struct counts *c)
{
	if (c)
		atomic_store_explicit(&c->busy, true, memory_order_relaxed);
}

void counts_idle(struct counts *c)
{
	if (c)
		atomic_store_explicit(&c->busy, false, memory_order_relaxed);
}

void counts_end(struct counts *c, const struct request *req, int http, uint64_t bytes, bool complete, uint64_t us)
{
	if (!c)
		return;
	size_t series = series_of(req);
	counter_add(&c->requests[series][status_place(http)], 1);
	histogram_add(&c->seconds[series], &metrics_short, us);
	counter_add(&c->sent_bytes, bytes);
	counter_add(&c->broken, !complete);
}

void counts_statement(struct counts *c, enum statement statement, bool ok, uint64_t us)
{
	if (!c)
		return;
	histogram_add(&c->statements[statement], &metrics_short, us);
	counter_add(&c->failed_statements[statement], !ok);
}

void counts_connect(struct counts *c, bool ok)
{
	if (c)
		counter_add(ok ? &c->connects : &c->failed_connects, 1);
}

/* ---- telling ---- */

/* A counter of the same place in all parts. */
static uint64_t sum(const struct counts_all *all, size_t offset)
{
	uint64_t n = 0;
	for (size_t i = 0; i < all->count; i++)
		n += counter_read((const struct counter *)(const void *)((const char *)&all->parts[i] + offset));
	return n;
}

#define SUM(all, field) sum((all), offsetof(struct counts, field))

static struct histogram sum_histogram(const struct counts_all *all, size_t offset)
{
	struct histogram h = { 0 };
	for (size_t i = 0; i < all->count; i++)
		histogram_merge(&h, (const struct histogram *)(const void *)((const char *)&all->parts[i] + offset));
	return h;
}

/* False: no such series. */
static bool add_series(struct buf *labels, size_t series)
{
	bool head = series % 2;
	const struct route *route = &routes[series / 2];
	if (series >= (size_t)COUNTS_ROUTES * 2) {
		metrics_label(labels, "route", SLICE_LIT("none"));
		metrics_label(labels, "method", slice_of(methods[series - (size_t)COUNTS_ROUTES * 2].name));
		return true;
	}
	if (series / 2 >= routes_count || (head && !(route->methods & METHOD_HEAD)))
		return false;
	metrics_label(labels, "route", slice_of(route->pattern));
	metrics_label(labels, "method",
		      slice_of(head ? "HEAD" : methods[method_place(route->methods & ~(unsigned)METHOD_HEAD)].name));
	return true;
}

static void print_statuses(const struct counts_all *all, size_t series, const struct buf *labels, struct buf *out)
{
	for (size_t i = 0; i < STATUS_HTTP_MAX; i++) {
		uint64_t n = sum(all, offsetof(struct counts, requests) +
					      (series * STATUS_HTTP_MAX + i) * sizeof(struct counter));
		if (!n)
			continue;
		autobuf with_status = { 0 };
		char number[16] = "other";
		if (status_at(i))
			(void)snprintf(number, sizeof(number), "%d", status_at(i));
		buf_add_slice(&with_status, buf_slice(labels));
		metrics_label(&with_status, "status", slice_of(number));
		metrics_value(out, &metrics[M_REQUESTS], &with_status, n);
	}
}

/* Of the many there could be, only what there was. */
static void print_requests(const struct counts_all *all, struct buf *out)
{
	metrics_begin(out, &metrics[M_REQUESTS]);
	for (size_t i = 0; i < COUNTS_SERIES; i++) {
		autobuf labels = { 0 };
		if (add_series(&labels, i))
			print_statuses(all, i, &labels, out);
	}
	metrics_begin(out, &metrics[M_REQUEST_SECONDS]);
	for (size_t i = 0; i < COUNTS_SERIES; i++) {
		autobuf labels = { 0 };
		struct histogram h = sum_histogram(all, offsetof(struct counts, seconds) + i * sizeof(h));
		if (histogram_total(&h) && add_series(&labels, i))
			metrics_histogram(out, &metrics[M_REQUEST_SECONDS], &labels, &metrics_short, &h);
	}
	metrics_single(out, &metrics[M_SENT_BYTES], SUM(all, sent_bytes));
	metrics_single(out, &metrics[M_BROKEN], SUM(all, broken));
}

static void print_workers(const struct counts_all *all, struct buf *out)
{
	static const char *const names[COUNTS_POOLS] = { "quick", "upload", "github", "reserve" };
	uint64_t running[COUNTS_POOLS] = { 0 }, busy[COUNTS_POOLS] = { 0 };
	for (size_t i = 0; i < all->count; i++) {
		running[all->parts[i].pool] += all->parts[i].running;
		busy[all->parts[i].pool] += all->parts[i].busy;
	}
	metrics_begin(out, &metrics[M_WORKERS]);
	for (size_t i = 0; i < COUNTS_POOLS; i++)
		metrics_labelled(out, &metrics[M_WORKERS], "pool", names[i], running[i]);
	metrics_begin(out, &metrics[M_WORKERS_BUSY]);
	for (size_t i = 0; i < COUNTS_POOLS; i++)
		metrics_labelled(out, &metrics[M_WORKERS_BUSY], "pool", names[i], busy[i]);
	metrics_single(out, &metrics[M_WORKER_STARTS], counter_read(&all->starts));
	metrics_single(out, &metrics[M_WORKER_CRASHES], counter_read(&all->crashes));
}

static void print_database(const struct counts_all *all, struct buf *out)
{
	metrics_begin(out, &metrics[M_DB_SECONDS]);
	for (size_t i = SQL_NONE + 1; i < SQL_COUNT; i++) {
		struct histogram h = sum_histogram(all, offsetof(struct counts, statements) + i * sizeof(h));
		if (histogram_total(&h))
			metrics_labelled_histogram(out, &metrics[M_DB_SECONDS], "statement", statements[i].name,
						   &metrics_short, &h);
	}
	metrics_begin(out, &metrics[M_DB_FAILURES]);
	for (size_t i = SQL_NONE + 1; i < SQL_COUNT; i++)
		metrics_labelled(out, &metrics[M_DB_FAILURES], "statement", statements[i].name,
				 sum(all, offsetof(struct counts, failed_statements) + i * sizeof(struct counter)));
	metrics_begin(out, &metrics[M_DB_CONNECTS]);
	metrics_labelled(out, &metrics[M_DB_CONNECTS], "outcome", "ok", SUM(all, connects));
	metrics_labelled(out, &metrics[M_DB_CONNECTS], "outcome", "failed", SUM(all, failed_connects));
}

/* Workers that are gone keep nothing. */
static void print_answers(const struct counts_all *all, struct buf *out)
{
	static const char *const names[ANSWER_LOOKUPS] = {
		[ANSWER_HIT] = "hit", [ANSWER_STALE] = "stale", [ANSWER_MISS] = "miss"
	};
	uint64_t kept = 0, bytes = 0;
	for (size_t i = 0; i < all->count; i++) {
		kept += all->parts[i].running ? all->parts[i].answers.answers : 0;
		bytes += all->parts[i].running ? all->parts[i].answers.bytes : 0;
	}
	metrics_begin(out, &metrics[M_ANSWERS]);
	for (size_t i = 0; i < ANSWER_LOOKUPS; i++)
		metrics_labelled(out, &metrics[M_ANSWERS], "outcome", names[i],
				 sum(all, offsetof(struct counts, answers.lookups) + i * sizeof(struct counter)));
	metrics_single(out, &metrics[M_ANSWER_EVICTIONS], SUM(all, answers.evictions));
	metrics_single(out, &metrics[M_ANSWERS_KEPT], kept);
	metrics_single(out, &metrics[M_ANSWER_BYTES], bytes);
}

static void print_github_calls(const struct counts_all *all, size_t call, struct buf *out)
{
	for (size_t i = 0; i < GITHUB_RESULTS; i++) {
		if (!github_result_names[i])
			continue;
		autobuf labels = { 0 };
		metrics_label(&labels, "call", slice_of(github_call_names[call]));
		metrics_label(&labels, "outcome", slice_of(github_result_names[i]));
		metrics_value(out, &metrics[M_GITHUB_CALLS], &labels,
			      sum(all, offsetof(struct counts, github.results) +
					       (call * GITHUB_RESULTS + i) * sizeof(struct counter)));
	}
}

static void print_github(const struct counts_all *all, struct buf *out)
{
	metrics_begin(out, &metrics[M_GITHUB_CALLS]);
	for (size_t i = 0; i < GITHUB_CALLS; i++)
		print_github_calls(all, i, out);
	metrics_begin(out, &metrics[M_GITHUB_SECONDS]);
	for (size_t i = 0; i < GITHUB_CALLS; i++) {
		struct histogram h = sum_histogram(all, offsetof(struct counts, github.seconds) + i * sizeof(h));
		metrics_labelled_histogram(out, &metrics[M_GITHUB_SECONDS], "call", github_call_names[i],
					   &metrics_short, &h);
	}
}

static void print_swept(const struct counter *counts, const struct metric *m, struct buf *out)
{
	static const char *const names[SWEEP_KINDS] = {
		[SWEEP_DELETED] = "deleted", [SWEEP_STRAY] = "stray", [SWEEP_ORPHAN] = "orphan"
	};
	metrics_begin(out, m);
	for (size_t i = 0; i < SWEEP_KINDS; i++)
		metrics_labelled(out, m, "kind", names[i], counter_read(&counts[i]));
}

static void print_sweeps(const struct sweep_counts *sweeps, struct buf *out)
{
	metrics_begin(out, &metrics[M_SWEEPS]);
	metrics_labelled(out, &metrics[M_SWEEPS], "outcome", "ok", counter_read(&sweeps->ok));
	metrics_labelled(out, &metrics[M_SWEEPS], "outcome", "failed", counter_read(&sweeps->failed));
	print_swept(sweeps->files, &metrics[M_SWEPT_FILES], out);
	print_swept(sweeps->bytes, &metrics[M_SWEPT_BYTES], out);
	metrics_single(out, &metrics[M_SWEEP_AT], (uint64_t)sweeps->ok_at);
}

void counts_print(const struct counts_all *all, const struct bounds *bounds, struct spool *spool, struct buf *out)
{
	struct spool_sums spooled = spool_sums(spool);
	print_requests(all, out);
	print_workers(all, out);
	print_database(all, out);
	print_answers(all, out);
	print_github(all, out);
	print_sweeps(&all->sweeps, out);
	metrics_single(out, &metrics[M_SPOOL_ANSWERS], spooled.answers);
	metrics_single(out, &metrics[M_SPOOL_BYTES], spooled.bytes);
	metrics_begin(out, &metrics[M_LIMITS]);
	for (int i = 0; i < LIMIT_COUNT; i++)
		metrics_labelled(out, &metrics[M_LIMITS], "limit", limit_rows[i].name,
				 bounds_read(bounds, (enum limit)i));
	metrics_single(out, &metrics[M_DRAINING], all->draining);
}
