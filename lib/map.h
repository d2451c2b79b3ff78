/* map.h: a hash map from byte strings to pointers. Keys are copied; values stay the caller's. */
#ifndef CRAFT_MAP_H
#define CRAFT_MAP_H

#include "buf.h"

struct map_entry;

/* All zero is a valid empty map. */
struct map {
	struct map_entry **buckets;
	size_t bucket_count;
	size_t count;
};

void *map_get(const struct map *m, struct slice key);	    /* NULL: not there */
void map_put(struct map *m, struct slice key, void *value); /* value is not NULL; replaces */
void *map_remove(struct map *m, struct slice key);	    /* what was there, or NULL */
void map_free(struct map *m);				    /* the map's own memory */

/* Calls visit for every entry; visit may remove the entry that it was called for, no other. */
void map_each(struct map *m, void (*visit)(void *value, void *arg), void *arg);

#endif
