/* session_cache.c: the sessions written last, least recently used ones dropped first. */
#include "session_cache.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "lib/map.h"

struct node {
	struct session_entry entry; /* first: an entry's address is its node's */
	TAILQ_ENTRY(node) link;
	struct buf key;
	size_t weight;
};

struct session_cache {
	struct map map;
	TAILQ_HEAD(, node) recent; /* the least recently used first */
	size_t bytes, max_bytes;
};

struct session_cache *session_cache_new(size_t max_bytes)
{
	struct session_cache *cache = xcalloc(1, sizeof(*cache));
	cache->max_bytes = max_bytes;
	TAILQ_INIT(&cache->recent);
	return cache;
}

/* A NUL, which neither can hold, parts slug and id. */
static void make_key(struct buf *key, struct slice workspace, struct slice id)
{
	buf_add_slice(key, workspace);
	buf_add_char(key, '\0');
	buf_add_slice(key, id);
}

static struct node *find(struct session_cache *cache, struct slice workspace, struct slice id)
{
	autobuf key = { 0 };
	make_key(&key, workspace, id);
	return map_get(&cache->map, buf_slice(&key));
}

static void remove_node(struct session_cache *cache, struct node *n)
{
	(void)map_remove(&cache->map, buf_slice(&n->key));
	TAILQ_REMOVE(&cache->recent, n, link);
	cache->bytes -= n->weight;
	buf_free(&n->entry.header);
	buf_free(&n->entry.sha256);
	buf_free(&n->entry.hashes);
	buf_free(&n->key);
	free(n);
}

void session_cache_clear(struct session_cache *cache)
{
	while (!TAILQ_EMPTY(&cache->recent))
		remove_node(cache, TAILQ_FIRST(&cache->recent));
}

void session_cache_free(struct session_cache *cache)
{
	session_cache_clear(cache);
	map_free(&cache->map);
	free(cache);
}

static struct session_entry *touch(struct session_cache *cache, struct node *n)
{
	TAILQ_REMOVE(&cache->recent, n, link);
	TAILQ_INSERT_TAIL(&cache->recent, n, link);
	return &n->entry;
}

struct session_entry *session_cache_get(struct session_cache *cache, struct slice workspace, struct slice id)
{
	struct node *n = find(cache, workspace, id);
	return n ? touch(cache, n) : NULL;
}

struct session_entry *session_cache_put(struct session_cache *cache, struct slice workspace, struct slice id)
{
	struct node *n = find(cache, workspace, id);
	if (n)
		return touch(cache, n);
	n = xcalloc(1, sizeof(*n));
	make_key(&n->key, workspace, id);
	map_put(&cache->map, buf_slice(&n->key), n);
	TAILQ_INSERT_TAIL(&cache->recent, n, link);
	return &n->entry;
}

void session_cache_weigh(struct session_cache *cache, struct session_entry *entry)
{
	struct node *n = (struct node *)entry;
	cache->bytes -= n->weight;
	n->weight = sizeof(*n) + n->key.cap + entry->header.cap + entry->sha256.cap + entry->hashes.cap;
	cache->bytes += n->weight;
	while (cache->bytes > cache->max_bytes && TAILQ_FIRST(&cache->recent) != n)
		remove_node(cache, TAILQ_FIRST(&cache->recent));
}

void session_cache_drop(struct session_cache *cache, struct slice workspace, struct slice id)
{
	struct node *n = find(cache, workspace, id);
	if (n)
		remove_node(cache, n);
}
