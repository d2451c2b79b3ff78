/* table_hash.h: where a name lies in a table of this process. SipHash-1-3 under a key that the process draws at its
 * start, so that nobody outside can choose names that all lie in one place. A plain or seeded XXH3 wouldn't do: it has
 * inputs that collide whatever the seed is. Not for what is stored, sent, or stands for contents. */
#ifndef CRAFT_TABLE_HASH_H
#define CRAFT_TABLE_HASH_H

#include "buf.h"

struct table_key {
	uint64_t k[2];
};

/* SipHash-1-3 of the text (Aumasson and Bernstein, "SipHash: a fast short-input PRF") under this process's key. */
uint64_t table_hash(struct slice text);
/* The same under a given key. */
uint64_t table_hash_keyed(const struct table_key *key, struct slice text);

#endif
