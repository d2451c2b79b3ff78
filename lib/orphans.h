/* orphans.h: finds the orphans of the blob directory: blobs that the database doesn't name and that nobody is about to
 * enter into it. */
#ifndef CRAFT_ORPHANS_H
#define CRAFT_ORPHANS_H

#include <libpq-fe.h>

#include "blobs.h"

#define ORPHANS_ANY_AGE INT64_MIN

struct orphans {
	const struct blobs *blobs;
	PGconn *conn;
	int64_t min_age; /* s since the modification, or ORPHANS_ANY_AGE; younger ones are passed over */
	/* Gets each orphan, which nobody can be publishing meanwhile: a regular file or a symbolic link `id` right in
	 * the directory `shard`. False: the search ends, and *error says why. */
	bool (*found)(void *arg, int shard, const char id[static UUID_SIZE], int64_t size, struct buf *error);
	void *arg;
	/* Counted: */
	int64_t busy;	 /* blobs that somebody is publishing */
	int64_t foreign; /* what is in the blobs' places and can't be one: other names, directories */
};

/* Goes through all directories. False: it was ended early, and *error says why. */
bool orphans_find(struct orphans *o, struct buf *error);

#endif
