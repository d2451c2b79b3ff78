/* stats.h: a histogram of times, of constant size and with an error below 2%. */
#ifndef CRAFT_BENCH_STATS_H
#define CRAFT_BENCH_STATS_H

#include <stdint.h>

#define STATS_BUCKETS 4096

/* All zero is empty. */
struct stats {
	uint64_t count;
	uint32_t buckets[STATS_BUCKETS];
};

/* Monotonic time in microseconds. */
uint64_t now_us(void);

/* Counts one time of `us` microseconds. */
void stats_add(struct stats *s, uint64_t us);

/* The time in milliseconds that the share p (0 to 1) of all doesn't exceed; 0 when empty. */
double stats_percentile_ms(const struct stats *s, double p);

#endif
