/* database.h: the one PostgreSQL connection of a worker: made on demand, with all statements prepared, and
 * never waited for without a deadline. */
#ifndef CRAFT_FCGI_DATABASE_H
#define CRAFT_FCGI_DATABASE_H

#include <libpq-fe.h>

#include "buf.h"
#include "db.h"
#include "statements.h"
#include "status.h"

struct counts;

struct database {
	const char *url;       /* the configuration's */
	struct counts *counts; /* NULL: nothing is counted */
	const char *request;   /* id for log lines; NULL outside requests */
	PGconn *conn;	       /* NULL: not connected */
	PGresult *row;	       /* what database_row() answered last */
	bool reading;	       /* a read was begun and not read to its end */
	bool announcing;       /* an announcement's outcome is still to be read */
	bool bloated;	       /* libpq's buffer has grown beyond what a worker may keep */
	int64_t hold_until;    /* ms (monotonic): connecting isn't tried before */
};

void database_init(struct database *db, const char *url, struct counts *counts);
void database_close(struct database *db);

/* Begins a read and waits (10 s) for its first row; a connection that turns out to be lost is made anew once.
 * STATUS_OK: *row is the first row, or NULL when there is none; it belongs to db until the next call.
 * Else STATUS_DATABASE_AWAY, STATUS_DATABASE_BUSY or STATUS_INTERNAL, logged. */
enum status database_read(struct database *db, enum statement statement, const struct db_params *params,
			  const PGresult **row) __attribute__((warn_unused_result));
/* The next row of the read, or NULL behind the last. Else STATUS_BROKEN, logged. */
enum status database_row(struct database *db, const PGresult **row) __attribute__((warn_unused_result));

/* Makes a change of a workspace in one transaction, and announces it to the bridges in another behind it (workspace.ptr
 * NULL: it is nothing that they have to hear of).
 * Waits (10 s) for the first only; database_settle() reads what becomes of the second.
 * STATUS_OK: *result has the statement's row and belongs to the caller; with *stale the statement was refused
 * because its base version is old (DB_STALE), nothing was changed and *result is NULL.
 * Else STATUS_DATABASE_AWAY or STATUS_DATABASE_BUSY (nothing was changed), STATUS_DATABASE_UNKNOWN or STATUS_INTERNAL,
 * logged. */
enum status database_change(struct database *db, enum statement statement, const struct db_params *params,
			    struct slice workspace, PGresult **result, bool *stale) __attribute__((warn_unused_result));

/* Call it when the client has its answer: leaves the connection idle, or closes it where that is cheaper. */
void database_settle(struct database *db);

#endif
