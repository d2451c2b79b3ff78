/* session_cache.h: what a save or a merge compares with: version, header text and digests of the messages of
 * recently written sessions. What it says may be outdated, or foretell a change under way; the functions of schema api
 * compare versions under the workspace's lock and refuse what was based on another one. */
#ifndef CRAFT_SESSION_CACHE_H
#define CRAFT_SESSION_CACHE_H

#include "lib/buf.h"

struct session_cache;

struct session_entry {
	int64_t version;   /* 0: there is no such session */
	struct buf header; /* JSON text; empty when there is no session */
	/* Of each message: the SHA-256 that the database has, until the session is written; then its universal_hash(),
	 * with which all messages of a save are compared while SHA-256 is for those that are stored. Only in memory:
	 * the hash's key is the process's. */
	bool has_digests;
	struct buf sha256; /* SHA256_BYTES each; empty: see hashes */
	struct buf hashes; /* UNIVERSAL_HASH_BYTES each */
};

/* max_bytes bounds what it keeps. */
struct session_cache *session_cache_new(size_t max_bytes);
void session_cache_free(struct session_cache *cache);
void session_cache_clear(struct session_cache *cache);

/* NULL: not known. The entry is good until the next call for this cache. */
struct session_entry *session_cache_get(struct session_cache *cache, struct slice workspace, struct slice id);
/* Makes or finds the entry, to be filled in; call session_cache_weigh() afterwards. */
struct session_entry *session_cache_put(struct session_cache *cache, struct slice workspace, struct slice id);
/* Brings the cache within its bound after an entry changed. */
void session_cache_weigh(struct session_cache *cache, struct session_entry *entry);
void session_cache_drop(struct session_cache *cache, struct slice workspace, struct slice id);

#endif
