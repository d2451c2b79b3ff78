/* answer_cache.h: the bodies of answers by a key, with their ETags. */
#ifndef CRAFT_FCGI_ANSWER_CACHE_H
#define CRAFT_FCGI_ANSWER_CACHE_H

#include "buf.h"

struct answer_cache;

/* Keeps at most max_bytes, names and tags included; those asked for longest ago go first. */
struct answer_cache *answer_cache_new(size_t max_bytes);
void answer_cache_free(struct answer_cache *c); /* NULL is allowed */

/* The longest body that is kept: several should fit. */
size_t answer_cache_longest(const struct answer_cache *c);

/* The body kept for key, and in *tag its ETag's text; ptr NULL: none. They are the cache's, until the next call of it.
 */
struct slice answer_cache_get(struct answer_cache *c, struct slice key, struct slice *tag);

/* Keeps copies, in place of what was there for key; of a body that is too long, nothing. */
void answer_cache_put(struct answer_cache *c, struct slice key, struct slice tag, struct slice body);

#endif
