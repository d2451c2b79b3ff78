/* stats.c: buckets of one microsecond up to 128, from there 64 for each power of two. */
#include "stats.h"

#include <stddef.h>
#include <time.h>

#define SUB_BITS 6
#define SUB ((size_t)1 << SUB_BITS)

uint64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned octave_of(uint64_t us)
{
	return us < 2 * SUB ? 0 : 63u - (unsigned)__builtin_clzll(us) - SUB_BITS;
}

void stats_add(struct stats *s, uint64_t us)
{
	unsigned octave = octave_of(us);
	size_t bucket = (size_t)octave * SUB + (size_t)(us >> octave);
	s->buckets[bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1]++;
	s->count++;
}

/* The middle of the bucket, in microseconds. */
static double bucket_us(size_t bucket)
{
	if (bucket < 2 * SUB)
		return (double)bucket + 0.5;
	size_t octave = bucket / SUB - 1;
	return ((double)(bucket - octave * SUB) + 0.5) * (double)(1ull << octave);
}

double stats_percentile_ms(const struct stats *s, double p)
{
	uint64_t below = 0;
	for (size_t i = 0; i < STATS_BUCKETS; i++) {
		below += s->buckets[i];
		if (below && (double)below >= p * (double)s->count)
			return bucket_us(i) / 1000;
	}
	return 0;
}
