/* git_cache.h: the cache of bare repositories below SANDBOX_DIR/cache, one for each URL: shallow, each branch that was
 * asked for as refs/craft/<hash of its name>, so that no two of them are in one another's way. It belongs to a user of
 * its own (git_cache_user()). The functions that block are for worker threads; who calls them holds the gate of the
 * path: a place to read, all of them to change it. */
#ifndef CRAFT_GIT_CACHE_H
#define CRAFT_GIT_CACHE_H

#include <uv.h>

#include "git_run.h"

/* A commit's id, also where git is made to use SHA-256 one day. */
#define GIT_ID_SIZE 65
/* More packs than this are made one by the clone that finds them. */
#define GIT_CACHE_PACKS 8

/* SANDBOX_DIR/cache/<sha256 of the URL>.git; the caller frees it. */
char *git_cache_path(const struct conf *conf, const char *url);
/* The ref that holds a branch; the caller frees it. */
char *git_cache_ref(const char *branch);

/* Makes the repository if there is none, removes what a fetch that was killed left, and marks it as used now. *fresh:
 * it was made. Blocks. */
bool git_cache_prepare(const struct conf *conf, const char *path, bool *fresh, struct buf *error);
/* Removes it. Blocks. */
bool git_cache_discard(const char *path, struct buf *error);
/* The commit of a ref, as hex digits; false: there is none. Reads one small file. */
bool git_cache_read(const char *path, const char *ref, char commit[static GIT_ID_SIZE]);
/* Is the commit's parent missing? Reads one small file. */
bool git_cache_shallow(const char *path, const char *commit);
/* Marks it as used now. */
void git_cache_touch(const char *path);
/* How many packs it has. Reads a directory. */
unsigned git_cache_packs(const char *path);

/* Begins, unless it is under way, to remove the repositories that were not used for longest, until all of them take no
 * more than 10 times SANDBOX_REPO_MAX; those in use stay. Returns at once; the loop lives until it is done. */
void git_cache_trim(uv_loop_t *loop, const struct conf *conf);

#endif
