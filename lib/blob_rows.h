/* blob_rows.h: which blobs the database names: questions of housekeeping, each a statement of its own. On failure they
 * return false or NULL, and *error says why. */
#ifndef CRAFT_BLOB_ROWS_H
#define CRAFT_BLOB_ROWS_H

#include "db.h"
#include "uuid.h"

#define BLOB_BATCH 1000

/* Ids to ask about. All zero is an empty one. */
struct blob_batch {
	size_t count;
	char ids[BLOB_BATCH][UUID_SIZE];
	bool known[BLOB_BATCH]; /* after blob_rows_ask() */
};

/* Fills `known`: does a file name the blob, or does it stand in app.blob_gone? Brings the ids into order. */
bool blob_rows_ask(PGconn *conn, struct blob_batch *batch, struct buf *error);
/* The same of one blob. */
bool blob_rows_ask_one(PGconn *conn, const char id[static UUID_SIZE], bool *known, struct buf *error);
/* Does any file name any blob? */
bool blob_rows_any(PGconn *conn, bool *any, struct buf *error);

/* At most `limit` blobs that stand in app.blob_gone longer than `age` seconds: rows of one column, the id as text. The
 * caller clears it. */
PGresult *blob_rows_gone(PGconn *conn, int64_t age, int32_t limit, struct buf *error);
/* Deletes the rows of app.blob_gone that blob_rows_gone() returned. */
bool blob_rows_forget(PGconn *conn, const PGresult *gone, struct buf *error);

#endif
