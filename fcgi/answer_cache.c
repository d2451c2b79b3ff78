/* answer_cache.c: a map, and a list in the order of use. */
#include "answer_cache.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "cleanup.h"
#include "map.h"

struct entry {
	TAILQ_ENTRY(entry) link;
	size_t key_len, tag_len, body_len;
	char text[]; /* key, tag, body */
};

TAILQ_HEAD(entry_list, entry);

struct answer_cache {
	struct map by_key;
	struct entry_list used; /* the latest first */
	size_t bytes, answers, max;
	struct answer_counts *counts;
};

/* ---- counting ---- */

static void tell(const struct answer_cache *c)
{
	if (!c->counts)
		return;
	atomic_store_explicit(&c->counts->bytes, c->bytes, memory_order_relaxed);
	atomic_store_explicit(&c->counts->answers, c->answers, memory_order_relaxed);
}

void answer_cache_count(struct answer_cache *c, enum answer_lookup lookup)
{
	if (c->counts)
		counter_add(&c->counts->lookups[lookup], 1);
}

/* ---- life ---- */

struct answer_cache *answer_cache_new(size_t max_bytes, struct answer_counts *counts)
{
	struct answer_cache *c = xcalloc(1, sizeof(*c));
	TAILQ_INIT(&c->used);
	c->max = max_bytes;
	c->counts = counts;
	/* Where a worker before was killed its numbers still stand. */
	tell(c);
	return c;
}

size_t answer_cache_longest(const struct answer_cache *c)
{
	return c->max / 4;
}

static size_t entry_bytes(const struct entry *e)
{
	return sizeof(*e) + e->key_len + e->tag_len + e->body_len;
}

static struct slice entry_key(const struct entry *e)
{
	return slice_make(e->text, e->key_len);
}

static void drop(struct answer_cache *c, struct entry *e)
{
	(void)map_remove(&c->by_key, entry_key(e));
	TAILQ_REMOVE(&c->used, e, link);
	c->bytes -= entry_bytes(e);
	c->answers--;
	free(e);
}

void answer_cache_free(struct answer_cache *c)
{
	struct entry *e;
	if (!c)
		return;
	while ((e = TAILQ_FIRST(&c->used)))
		drop(c, e);
	tell(c);
	map_free(&c->by_key);
	free(c);
}

struct slice answer_cache_get(struct answer_cache *c, struct slice key, struct slice *tag)
{
	struct entry *e = map_get(&c->by_key, key);
	if (!e)
		return slice_make(NULL, 0);
	TAILQ_REMOVE(&c->used, e, link);
	TAILQ_INSERT_HEAD(&c->used, e, link);
	*tag = slice_make(e->text + e->key_len, e->tag_len);
	return slice_make(e->text + e->key_len + e->tag_len, e->body_len);
}

static void make_room(struct answer_cache *c, size_t bytes)
{
	while (c->bytes + bytes > c->max) {
		drop(c, TAILQ_LAST(&c->used, entry_list));
		if (c->counts)
			counter_add(&c->counts->evictions, 1);
	}
}

void answer_cache_put(struct answer_cache *c, struct slice key, struct slice tag, struct slice body)
{
	struct entry *old = map_get(&c->by_key, key), *e;
	size_t bytes = sizeof(*e) + key.len + tag.len + body.len;
	if (old)
		drop(c, old);
	if (body.len > answer_cache_longest(c) || bytes > c->max) {
		tell(c);
		return;
	}
	make_room(c, bytes);
	e = xcalloc(1, bytes);
	*e = (struct entry){ .key_len = key.len, .tag_len = tag.len, .body_len = body.len };
	memcpy(e->text, key.ptr, key.len);
	memcpy(e->text + key.len, tag.ptr, tag.len);
	memcpy(e->text + key.len + tag.len, body.ptr, body.len);
	map_put(&c->by_key, key, e);
	TAILQ_INSERT_HEAD(&c->used, e, link);
	c->bytes += bytes;
	c->answers++;
	tell(c);
}
