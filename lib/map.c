/* map.c: the hash map: chained buckets, doubled as it fills; where a key lies nobody outside can tell. */
#include "map.h"

#include <stdlib.h>

#include "table_hash.h"

struct map_entry {
	struct map_entry *next;
	void *value;
	uint64_t hash;
	size_t len;
	char key[];
};

static struct map_entry **find(const struct map *m, struct slice key, uint64_t hash)
{
	struct map_entry **at = &m->buckets[hash & (m->bucket_count - 1)];
	while (*at && ((*at)->hash != hash || !slice_eq(slice_make((*at)->key, (*at)->len), key)))
		at = &(*at)->next;
	return at;
}

void *map_get(const struct map *m, struct slice key)
{
	if (!m->count)
		return NULL;
	struct map_entry *e = *find(m, key, table_hash(key));
	return e ? e->value : NULL;
}

static void grow(struct map *m)
{
	size_t count = m->bucket_count ? m->bucket_count * 2 : 16;
	struct map_entry **buckets = xcalloc(count, sizeof(struct map_entry *));
	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			struct map_entry **head = &buckets[e->hash & (count - 1)];
			e->next = *head;
			*head = e;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = count;
}

void map_put(struct map *m, struct slice key, void *value)
{
	if (m->count >= m->bucket_count)
		grow(m);
	uint64_t hash = table_hash(key);
	struct map_entry **at = find(m, key, hash);
	if (!*at) {
		*at = xcalloc(1, sizeof(**at) + key.len);
		(*at)->hash = hash;
		(*at)->len = key.len;
		if (key.len)
			memcpy((*at)->key, key.ptr, key.len);
		m->count++;
	}
	(*at)->value = value;
}

void *map_remove(struct map *m, struct slice key)
{
	if (!m->count)
		return NULL;
	struct map_entry **at = find(m, key, table_hash(key)), *e = *at;
	if (!e)
		return NULL;
	void *value = e->value;
	*at = e->next;
	free(e);
	m->count--;
	return value;
}

void map_each(struct map *m, void (*visit)(void *value, void *arg), void *arg)
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			visit(e->value, arg);
		}
	}
}

void map_free(struct map *m)
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(m->buckets);
	*m = (struct map){ 0 };
}
