/* metrics.h: counters and histograms, and the text in which Prometheus reads them (exposition format 0.0.4).
 *
 * A counter has one writer, a process or a thread; readers may be others that share its memory. So adding is a load and
 * a store, and no locked instruction. */
#ifndef CRAFT_METRICS_H
#define CRAFT_METRICS_H

#include <stdatomic.h>

#include "buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* A row of a program's table of metrics. */
struct metric {
	const char *name;
	enum metric_type type;
	const char *help;
};

struct counter {
	_Atomic uint64_t n;
};

static inline uint64_t counter_read(const struct counter *c)
{
	return atomic_load_explicit(&c->n, memory_order_relaxed);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
	atomic_store_explicit(&c->n, counter_read(c) + n, memory_order_relaxed);
}

/* ---- histograms ---- */

#define HISTOGRAM_BOUNDS 14

/* Upper bounds, ascending, of whole numbers; what is shown is divided by `unit`. */
struct histogram_scale {
	uint64_t bounds[HISTOGRAM_BOUNDS];
	double unit;
};

extern const struct histogram_scale metrics_short; /* µs, shown as seconds, up to 10 s */
extern const struct histogram_scale metrics_long;  /* ms, shown as seconds, up to two hours */
extern const struct histogram_scale metrics_count; /* a number of things, up to 8,192 */

/* All zero is an empty one. */
struct histogram {
	struct counter counts[HISTOGRAM_BOUNDS + 1]; /* the last one: above all bounds */
	struct counter sum;
};

static inline void histogram_add(struct histogram *h, const struct histogram_scale *scale, uint64_t value)
{
	unsigned i = 0;
	while (i < HISTOGRAM_BOUNDS && value > scale->bounds[i])
		i++;
	counter_add(&h->counts[i], 1);
	counter_add(&h->sum, value);
}

void histogram_merge(struct histogram *into, const struct histogram *h);
uint64_t histogram_total(const struct histogram *h);

/* ---- the text ---- */

/* Begins a metric: its help and its type. All its samples follow at once. */
void metrics_begin(struct buf *out, const struct metric *m);
/* Appends to a sample's labels; any bytes will do. */
void metrics_label(struct buf *labels, const char *name, struct slice value);
/* One sample. labels NULL: none. */
void metrics_value(struct buf *out, const struct metric *m, const struct buf *labels, uint64_t value);
void metrics_real(struct buf *out, const struct metric *m, const struct buf *labels, double value);
void metrics_histogram(struct buf *out, const struct metric *m, const struct buf *labels,
		       const struct histogram_scale *scale, const struct histogram *h);

/* A metric with one sample without labels, and one with a sample for one label's value. */
void metrics_single(struct buf *out, const struct metric *m, uint64_t value);
void metrics_labelled(struct buf *out, const struct metric *m, const char *label, const char *value, uint64_t n);
void metrics_single_histogram(struct buf *out, const struct metric *m, const struct histogram_scale *scale,
			      const struct histogram *h);
void metrics_labelled_histogram(struct buf *out, const struct metric *m, const char *label, const char *value,
				const struct histogram_scale *scale, const struct histogram *h);

/* What every program tells of its process: build, memory, CPU time. */
void metrics_process(struct buf *out);

#endif
