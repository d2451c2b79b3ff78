/* sweep.h: housekeeping of the blob directory: removes what no file names any more. Several may run at once, beside
 * uploads and downloads; one that is killed in the middle leaves nothing wrong. */
#ifndef CRAFT_SWEEP_H
#define CRAFT_SWEEP_H

#include <libpq-fe.h>

#include "blobs.h"

#define SWEEP_GONE_AGE 300     /* s: a download of the old file may be about to begin */
#define SWEEP_STRAY_AGE 3600   /* s since the last byte of an upload */
#define SWEEP_ORPHAN_AGE 86400 /* s since the publishing */

struct sweep_options {
	int64_t gone_age, stray_age, orphan_age; /* s */
	/* While the database names no blob at all, orphans stay: it may be one that a backup is just being loaded into.
	 */
	bool spare_all;
	bool dry_run; /* only counts */
};
#define SWEEP_DEFAULTS                                                                                                 \
	((struct sweep_options){                                                                                       \
		.gone_age = SWEEP_GONE_AGE, .stray_age = SWEEP_STRAY_AGE, .orphan_age = SWEEP_ORPHAN_AGE })

struct sweep_count {
	int64_t files, bytes;
};

struct sweep_result {
	struct sweep_count gone;    /* blobs of files that were replaced or deleted */
	struct sweep_count strays;  /* of uploads that ended early */
	struct sweep_count orphans; /* blobs that no file ever named */
	struct sweep_count spared;  /* orphans that stayed, see spare_all */
	int64_t foreign;	    /* things that are none of ours; they are left alone */
};

/* One run. False: it stopped, *error says why, and *result what was done before. Without the database nothing is
 * removed. */
bool sweep_run(const struct blobs *blobs, PGconn *conn, const struct sweep_options *options,
	       struct sweep_result *result, struct buf *error);

#endif
