/* answer_cache.h: the bodies of answers by a key, with their ETags. */
#ifndef CRAFT_FCGI_ANSWER_CACHE_H
#define CRAFT_FCGI_ANSWER_CACHE_H

#include "buf.h"
#include "metrics.h"

struct answer_cache;

/* What became of the asking: sent from the cache, kept but of an older state, not kept. */
enum answer_lookup { ANSWER_HIT, ANSWER_STALE, ANSWER_MISS, ANSWER_LOOKUPS };

/* What is counted of a cache, which is its only writer. */
struct answer_counts {
	struct counter lookups[ANSWER_LOOKUPS];
	struct counter evictions; /* to make room */
	_Atomic uint64_t bytes, answers;
};

/* Keeps at most max_bytes, names and tags included; those asked for longest ago go first. counts
 * must outlive it; NULL: nothing is counted. */
struct answer_cache *answer_cache_new(size_t max_bytes, struct answer_counts *counts);
void answer_cache_free(struct answer_cache *c); /* NULL is allowed */

/* The longest body that is kept: several should fit. */
size_t answer_cache_longest(const struct answer_cache *c);

/* The body kept for key, and in *tag its ETag's text; ptr NULL: none. They are the cache's, until the next call of it.
 */
struct slice answer_cache_get(struct answer_cache *c, struct slice key, struct slice *tag);

/* Counts what became of one. */
void answer_cache_count(struct answer_cache *c, enum answer_lookup lookup);

/* Keeps copies, in place of what was there for key; of a body that is too long, nothing. */
void answer_cache_put(struct answer_cache *c, struct slice key, struct slice tag, struct slice body);

#endif
