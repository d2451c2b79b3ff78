/* metrics.c: the text in which Prometheus reads counters. */
#include "metrics.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "utf8.h"

#define HOUR_MS UINT64_C(3600000)

const struct histogram_scale metrics_short = {
	{ 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000 }, 1e6
};
const struct histogram_scale metrics_long = {
	{ 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000, 900000, HOUR_MS, 2 * HOUR_MS }, 1e3
};
const struct histogram_scale metrics_count = { { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192 }, 1 };

void histogram_merge(struct histogram *into, const struct histogram *h)
{
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		counter_add(&into->counts[i], counter_read(&h->counts[i]));
	counter_add(&into->sum, counter_read(&h->sum));
}

uint64_t histogram_total(const struct histogram *h)
{
	uint64_t total = 0;
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		total += counter_read(&h->counts[i]);
	return total;
}

/* ---- the text ---- */

/* In a label's value a quote is escaped too, in help it isn't. */
static void add_escaped(struct buf *out, struct slice text, bool quote)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\n')
			buf_add_str(out, "\\n");
		else if (c == '\\' || (c == '"' && quote))
			buf_addf(out, "\\%c", c);
		else
			buf_add_char(out, c);
	}
}

void metrics_begin(struct buf *out, const struct metric *m)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	buf_addf(out, "# HELP %s ", m->name);
	add_escaped(out, slice_of(m->help), false);
	buf_addf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
}

void metrics_label(struct buf *labels, const char *name, struct slice value)
{
	if (labels->len)
		buf_add_char(labels, ',');
	buf_addf(labels, "%s=\"", name);
	/* The format is UTF-8; a value that isn't is told apart from others, and no more. */
	add_escaped(labels, utf8_valid(value.ptr, value.len) ? value : SLICE_LIT("(not UTF-8)"), true);
	buf_add_char(labels, '"');
}

static void add_name(struct buf *out, const struct metric *m, const char *suffix, const struct buf *labels)
{
	buf_addf(out, "%s%s", m->name, suffix);
	if (labels && labels->len) {
		buf_add_char(out, '{');
		buf_add_slice(out, buf_slice(labels));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ' ');
}

void metrics_value(struct buf *out, const struct metric *m, const struct buf *labels, uint64_t value)
{
	add_name(out, m, "", labels);
	buf_add_u64(out, value);
	buf_add_char(out, '\n');
}

void metrics_real(struct buf *out, const struct metric *m, const struct buf *labels, double value)
{
	add_name(out, m, "", labels);
	buf_addf(out, "%.15g\n", value);
}

static void add_bucket(struct buf *out, const struct metric *m, const struct buf *labels, const char *bound,
		       uint64_t count)
{
	autobuf all = { 0 };
	if (labels)
		buf_add_slice(&all, buf_slice(labels));
	metrics_label(&all, "le", slice_of(bound));
	add_name(out, m, "_bucket", &all);
	buf_add_u64(out, count);
	buf_add_char(out, '\n');
}

/* Buckets are read once and added up, so that the last one and the count are the same whatever is counted meanwhile. */
void metrics_histogram(struct buf *out, const struct metric *m, const struct buf *labels,
		       const struct histogram_scale *scale, const struct histogram *h)
{
	uint64_t below = 0;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		char bound[32];
		(void)snprintf(bound, sizeof(bound), "%.10g", (double)scale->bounds[i] / scale->unit);
		below += counter_read(&h->counts[i]);
		add_bucket(out, m, labels, bound, below);
	}
	below += counter_read(&h->counts[HISTOGRAM_BOUNDS]);
	add_bucket(out, m, labels, "+Inf", below);
	add_name(out, m, "_sum", labels);
	buf_addf(out, "%.15g\n", (double)counter_read(&h->sum) / scale->unit);
	add_name(out, m, "_count", labels);
	buf_add_u64(out, below);
	buf_add_char(out, '\n');
}

void metrics_single(struct buf *out, const struct metric *m, uint64_t value)
{
	metrics_begin(out, m);
	metrics_value(out, m, NULL, value);
}

void metrics_labelled(struct buf *out, const struct metric *m, const char *label, const char *value, uint64_t n)
{
	autobuf labels = { 0 };
	metrics_label(&labels, label, slice_of(value));
	metrics_value(out, m, &labels, n);
}

void metrics_single_histogram(struct buf *out, const struct metric *m, const struct histogram_scale *scale,
			      const struct histogram *h)
{
	metrics_begin(out, m);
	metrics_histogram(out, m, NULL, scale, h);
}

void metrics_labelled_histogram(struct buf *out, const struct metric *m, const char *label, const char *value,
				const struct histogram_scale *scale, const struct histogram *h)
{
	autobuf labels = { 0 };
	metrics_label(&labels, label, slice_of(value));
	metrics_histogram(out, m, &labels, scale, h);
}

/* ---- the process ---- */

static const struct metric build_info = { "craft_build_info", METRIC_GAUGE, "1, with the version that runs" };
static const struct metric process_memory = { "process_resident_memory_bytes", METRIC_GAUGE,
					      "Memory of the process that answers" };
static const struct metric process_cpu = { "process_cpu_seconds_total", METRIC_COUNTER,
					   "CPU time of the process that answers" };

/* proc(5): the second field of statm is the resident set, in pages. */
static uint64_t resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void metrics_process(struct buf *out)
{
	struct timespec cpu = { 0 };
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	metrics_begin(out, &build_info);
	metrics_labelled(out, &build_info, "version", PACKAGE_VERSION, 1);
	metrics_single(out, &process_memory, resident_bytes());
	metrics_begin(out, &process_cpu);
	metrics_real(out, &process_cpu, NULL, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}
