/* git_cache.h: the cache of bare repositories below SANDBOX_DIR/cache, one for each URL of a workspace, so that nothing
 * of it ever reaches another one: shallow, each branch that was asked for as refs/craft/<hash of its name>, so that no
 * two of them are in one another's way. It holds whatever was fetched once, also what the host has no more; what a
 * sandbox is given of it is git_handed.h's to say. It belongs to a user of its own (git_cache_user()). The functions
 * that block are for worker threads; who calls them holds the gate of the path: a place to read, all of them to change
 * it. */
#ifndef CRAFT_GIT_CACHE_H
#define CRAFT_GIT_CACHE_H

#include <uv.h>

#include "git_id.h"
#include "git_run.h"

/* What the names of repositories begin with. Those of earlier releases, which all workspaces shared, begin otherwise.
 */
#define GIT_CACHE_PREFIX "w-"
/* More packs than this are made one by the clone that finds them. */
#define GIT_CACHE_PACKS 8

/* A branch's name, as branch_valid() takes it. */
#define GIT_BRANCH_SIZE 256

/* What a host says about a branch, as hex digits. */
struct git_tips {
	char commit[GIT_ID_SIZE];
	/* The default branch, and its commit; both empty when it is the same branch, or there is none. */
	char trunk[GIT_BRANCH_SIZE];
	char trunk_commit[GIT_ID_SIZE];
};

/* SANDBOX_DIR/cache/w-<sha256 of workspace, NUL, URL>.git; the caller frees it. */
char *git_cache_path(const struct conf *conf, const char *workspace, const char *url);
/* The ref that holds a branch; the caller frees it. */
char *git_cache_ref(const char *branch);

/* Makes the repository if there is none, removes what a fetch that was killed left, and marks it as used now. *fresh:
 * it was made. Blocks. */
bool git_cache_prepare(const struct conf *conf, const char *path, bool *fresh, struct buf *error);
/* Removes it. Blocks. */
bool git_cache_discard(const char *path, struct buf *error);
/* The commit of a ref, as hex digits; false: there is none. Reads one small file. */
bool git_cache_read(const char *path, const char *ref, char commit[static GIT_ID_SIZE]);
/* A file of a repository, as a whole; false: it can't be read, or is larger than 16 MB. */
bool git_cache_file(const char *path, const char *name, struct buf *out);
/* Marks it as used now. */
void git_cache_touch(const char *path);
/* How many packs it has. Reads a directory. */
unsigned git_cache_packs(const char *path);

/* Begins, unless it is under way, to remove the repositories that were not used for longest, until all of them take no
 * more than 10 times SANDBOX_REPO_MAX, and all that daemons before have made under other names; those in use stay.
 * Returns at once; the loop lives until it is done. */
void git_cache_trim(uv_loop_t *loop, const struct conf *conf);

#endif
