/* git_place.h: a sandbox's repository, made from the cache without a git process: the packs, the commit, a
 * configuration without any secret; and the shadow repository beside it, which the box never sees. All functions block,
 * for worker threads. */
#ifndef CRAFT_GIT_PLACE_H
#define CRAFT_GIT_PLACE_H

#include <stdatomic.h>

#include "git_cache.h"
#include "instance.h"

struct git_place {
	const struct conf *conf;
	const struct instance *instance;
	const char *cache; /* its path */
	const char *url;   /* of origin */
	const char *branch;
	const char *commit;
	atomic_bool stop; /* set by others: end soon, without success */
	bool full;	  /* after a failure: the disk had no room */
};

/* Makes repo/.git of the instance, without index and working tree, and the shadow; what an earlier commit of the same
 * cache left there stays and is added to. The caller holds the cache's gate. False: *error. */
bool git_place(struct git_place *place, struct buf *error);
/* After the checkout: the shadow gets its index, with which the first diff sees at once what wasn't touched. */
bool git_place_finish(const struct git_place *place, struct buf *error);
/* Empties the working tree and the shadow. */
bool git_place_clear(const struct instance *instance, struct buf *error);

/* The commit that was checked out, from the shadow. */
bool git_place_base(const struct instance *instance, char commit[static GIT_ID_SIZE]);
/* Copies a file with its times; it belongs to uid then. False: errno. */
bool git_place_copy(const char *from, const char *to, uid_t uid, gid_t gid, const atomic_bool *stop);

#endif
