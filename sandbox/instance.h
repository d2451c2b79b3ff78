/* instance.h: what one sandbox has on the disk of its host: directories, a file system of limited size, a user of its
 * own. All functions that touch the disk block (mkfs, mount, removing trees): call them from a worker thread
 * (uv_queue_work), one at a time for an instance. */
#ifndef CRAFT_INSTANCE_H
#define CRAFT_INSTANCE_H

#include <sys/types.h>

#include "lib/conf.h"

struct instance {
	char session[37];
	const char *workspace; /* slug of the one whose it is, which stays the caller's; NULL: not known */
	unsigned slot; /* 0..SANDBOX_MAX-1; makes the uid */
	uid_t uid;     /* of what runs in the box; the daemon's own when it isn't root */
	gid_t gid;
	/* Absolute paths. Owner and mode: dir, disk and etc the daemon's, for others only to pass through (etc: to
	 * read); home, repo, tmp and scratch 0700 of uid; run 0711 of the gateways' user; shadow 0755 of the cache's.
	 */
	char *dir, *disk, *home, *repo, *tmp, *run, *etc, *shadow, *scratch;
	bool limited; /* its disk is a file system of its own */
};

/* Users besides the sandboxes' own, when the daemon is root; else its own. */
uid_t instance_gateway_uid(const struct conf *conf);
uid_t instance_cache_uid(const struct conf *conf);

/* Sets the paths; touches nothing. */
void instance_init(struct instance *i, const struct conf *conf, const char *session, unsigned slot);
void instance_free(struct instance *i);

/* Makes everything, empty, after removing what there was of that session. False: *error; nothing is left. */
bool instance_create(struct instance *i, const struct conf *conf, struct buf *error);
/* Brings back one that a daemon before has made (mounts its disk again, gives its files to uid). False: it isn't whole.
 */
bool instance_adopt(struct instance *i, const struct conf *conf, struct buf *error);
/* Was it made to the end? Then its files are there, whatever keeps it from being adopted at the moment. Quick. */
bool instance_is_whole(const struct instance *i);
/* Unmounts and removes everything; may be called at any state. False: *error says what is left. Follows no symbolic
 * link. */
bool instance_remove(struct instance *i, struct buf *error);
/* Calls visit with the session of every instance that lies in SANDBOX_DIR. */
void instance_each(const struct conf *conf, void (*visit)(const char *session, void *arg), void *arg);
/* Bytes that home, repo and tmp hold: of the file system, or by walking where there is none. Directories that the
 * daemon can't read aren't counted then. -1: not to be found out. */
int64_t instance_used(const struct instance *i);

/* Files of /etc in the box that depend on the configuration are written by instance_create() and instance_adopt(). */

#endif
