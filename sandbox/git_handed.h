/* git_handed.h: what a cached repository hands over for one branch: a pack with exactly what can be reached from the
 * commits that the host named when access was proven, in handed/<hash of the branch> of the cache. The cache's own
 * packs hold more, such as what a forced push took away, and are given to nobody. All functions but git_handed_read()
 * block for longer and are for worker threads; who changes something is alone in the cache. */
#ifndef CRAFT_GIT_HANDED_H
#define CRAFT_GIT_HANDED_H

#include "git_cache.h"

/* The directory, and the one in which it is made; the caller frees them. */
char *git_handed_path(const char *cache, const char *ref);
char *git_handed_new_path(const char *cache, const char *ref);

/* Which commits what is there was made for; false: nothing is there. Reads one small file. */
bool git_handed_read(const char *cache, const char *ref, struct git_tips *tips);
/* Makes the new directory, empty. */
bool git_handed_begin(const struct conf *conf, const char *cache, const char *ref, struct buf *error);
/* A pack was written into the new directory: it takes the place of the old one. roots: the commits in the pack that
 * have no parent there, a line each; those whose parents the cache hasn't become the shallow ones. */
bool git_handed_finish(const struct conf *conf, const char *cache, const char *ref, const struct git_tips *tips,
		       struct slice roots, struct buf *error);

#endif
