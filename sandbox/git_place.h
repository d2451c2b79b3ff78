/* git_place.h: a sandbox's repository, made without a git process of what the cache hands over (git_handed.h): the
 * pack, the commits, a configuration without any secret; and the shadow repository beside it, which the box never sees.
 * All functions block, for worker threads. */
#ifndef CRAFT_GIT_PLACE_H
#define CRAFT_GIT_PLACE_H

#include <stdatomic.h>

#include "git_cache.h"
#include "instance.h"

struct git_place {
	const struct conf *conf;
	const struct instance *instance;
	const char *cache, *ref; /* its path, and the branch's ref in it */
	const char *url;	 /* of origin */
	const char *branch;
	const struct git_tips *tips; /* no commit: an empty repository, for which the cache isn't needed */
	atomic_bool stop;	     /* set by others: end soon, without success */
	bool full;		     /* after a failure: the disk had no room */
};

/* What the shadow of an empty repository has for a commit: the tree without files. */
#define GIT_EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

/* Makes repo/.git of the instance, without index and working tree, and the shadow, after emptying both: nothing is left
 * of a commit that was placed before and is not the proven one. The caller holds the cache's gate. False: *error. */
bool git_place(struct git_place *place, struct buf *error);
/* After the checkout: the shadow gets its index, with which the first diff sees at once what wasn't touched, and what
 * git_absent_write() wrote, which may be empty. */
bool git_place_finish(const struct git_place *place, struct slice absent, struct buf *error);
/* Appends what was given there. Reads one small file. */
void git_place_absent(const struct instance *instance, struct buf *out);
/* Empties the working tree and the shadow. */
bool git_place_clear(const struct instance *instance, struct buf *error);

/* The commit that was checked out, from the shadow; a tree where it was empty. */
bool git_place_base(const struct instance *instance, char commit[static GIT_ID_SIZE]);
/* Copies a file with its times; it belongs to uid then. False: errno. */
bool git_place_copy(const char *from, const char *to, uid_t uid, gid_t gid, const atomic_bool *stop);

#endif
