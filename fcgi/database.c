/* database.c: the worker's connection to PostgreSQL. */
#include "database.h"

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "counts.h"
#include "log.h"
#include "sqlstate.h"

#define APPLICATION "craft-fcgi"
#define FIRST_WAIT 10000  /* ms until a read's first row or a change's outcome */
#define ROW_WAIT 30000	  /* ms between rows */
#define PREPARE_WAIT 5000 /* ms to prepare all statements */
#define SETTLE_WAIT 2000  /* ms until an announcement's outcome */
#define SLOW_CONNECT 1000 /* ms from which on a failed attempt is not repeated at once */
#define HOLD_TIME 2000	  /* ms that it isn't then */
#define LARGE_ROW (16u << 20)
#define SKIP_ROWS 32 /* so many unread rows are skipped; when there are more, a new connection is cheaper */

/* Set once per connection. A change that waits for its workspace longer than lock_timeout is refused by PostgreSQL,
 * so that its outcome is known. It may have to wait twice: for its place in the queue, and then for the lock. */
static const char setting[] = "set lock_timeout = '4s'";

void database_init(struct database *db, const char *url, struct counts *counts)
{
	*db = (struct database){ .url = url, .counts = counts };
}

static void clear_row(struct database *db)
{
	PQclear(db->row);
	db->row = NULL;
}

void database_close(struct database *db)
{
	clear_row(db);
	PQfinish(db->conn);
	db->conn = NULL;
	db->reading = db->announcing = db->bloated = false;
}

/* ---- waiting ---- */

static bool wait_socket(PGconn *conn, short events, int64_t deadline)
{
	struct pollfd p = { PQsocket(conn), events, 0 };
	for (;;) {
		int64_t left = deadline - clock_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

/* Sends what is unsent and reads until PQgetResult() won't block. */
static bool pump(PGconn *conn, int64_t deadline)
{
	for (;;) {
		int unsent = PQflush(conn);
		if (unsent < 0)
			return false;
		if (!unsent && !PQisBusy(conn))
			return true;
		if (!wait_socket(conn, (short)(POLLIN | (unsent ? POLLOUT : 0)), deadline))
			return false;
		if (!PQconsumeInput(conn))
			return false;
	}
}

/* Reads results up to the next pipeline synchronisation. *first gets the first one, or the first error behind it. */
static bool read_to_sync(PGconn *conn, int64_t deadline, PGresult **first)
{
	*first = NULL;
	while (pump(conn, deadline)) {
		PGresult *r = PQgetResult(conn);
		if (!r && PQstatus(conn) != CONNECTION_OK)
			return false;
		ExecStatusType type = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;
		if (type == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			return true;
		}
		bool failed = type == PGRES_FATAL_ERROR;
		if (r && (!*first || (failed && PQresultStatus(*first) != PGRES_FATAL_ERROR))) {
			PQclear(*first);
			*first = r;
		} else {
			PQclear(r);
		}
	}
	return false;
}

/* ---- connecting ---- */

/* What PostgreSQL tells beside results is no fault of ours. */
static void take_notice(void *unused, const char *message)
{
	char line[256];
	(void)unused;
	log_debug(NULL, "PostgreSQL says: %s", db_error_line(message, line, sizeof(line)));
}

static bool send_preparations(PGconn *conn)
{
	if (PQsetnonblocking(conn, 1) || !PQenterPipelineMode(conn))
		return false;
	if (!PQsendQueryParams(conn, setting, 0, NULL, NULL, NULL, NULL, 0))
		return false;
	for (size_t i = SQL_NONE + 1; i < SQL_COUNT; i++) {
		if (!PQsendPrepare(conn, statements[i].name, statements[i].sql, statements[i].params, NULL))
			return false;
	}
	return PQpipelineSync(conn) == 1;
}

static bool prepare(struct database *db, PGconn *conn)
{
	char line[256];
	PGresult *first = NULL;
	bool ok = send_preparations(conn) && read_to_sync(conn, clock_ms() + PREPARE_WAIT, &first);
	if (!ok) {
		log_error(db->request, "preparing statements failed: %s",
			  db_error_line(PQerrorMessage(conn), line, sizeof(line)));
	} else if (PQresultStatus(first) == PGRES_FATAL_ERROR) {
		log_error(db->request, "preparing statements failed, is the schema up to date? %s",
			  db_error_line(PQresultErrorMessage(first), line, sizeof(line)));
		ok = false;
	}
	PQclear(first);
	return ok && PQexitPipelineMode(conn);
}

static bool connect_now(struct database *db)
{
	int64_t start = clock_ms();
	if (start < db->hold_until)
		return false;
	autobuf error = { 0 };
	PGconn *conn = db_connect(db->url, APPLICATION, NULL, 0, &error);
	if (!conn)
		log_error(db->request, "no connection to PostgreSQL: %s", buf_cstr(&error));
	else
		(void)PQsetNoticeProcessor(conn, take_notice, NULL);
	bool ok = conn && prepare(db, conn);
	counts_connect(db->counts, ok);
	if (ok) {
		db->conn = conn;
		return true;
	}
	PQfinish(conn);
	/* While the server hangs, every request would wait for it in turn, also those that need no database. */
	int64_t end = clock_ms();
	if (end - start >= SLOW_CONNECT)
		db->hold_until = end + HOLD_TIME;
	return false;
}

/* An idle connection that has something to say says that it ends (the end of the stream, or a shutdown's notice). */
static bool idle_connection_ended(const struct database *db)
{
	struct pollfd p = { PQsocket(db->conn), POLLIN, 0 };
	return PQstatus(db->conn) != CONNECTION_OK || poll(&p, 1, 0) != 0;
}

static bool ensure_connected(struct database *db)
{
	database_settle(db);
	if (db->conn && idle_connection_ended(db))
		database_close(db);
	return db->conn || connect_now(db);
}

/* ---- errors ---- */

/* What an SQLSTATE means to the client. */
static enum status status_of_state(const char *state)
{
	static const enum status table[SQLSTATE_KINDS] = {
		[SQLSTATE_OK] = STATUS_INTERNAL,	[SQLSTATE_STALE] = STATUS_DATABASE_BUSY,
		[SQLSTATE_BUSY] = STATUS_DATABASE_BUSY, [SQLSTATE_AWAY] = STATUS_DATABASE_AWAY,
		[SQLSTATE_FULL] = STATUS_DATABASE_AWAY, [SQLSTATE_LIMIT] = STATUS_INTERNAL,
		[SQLSTATE_VALUE] = STATUS_INTERNAL,	[SQLSTATE_INTERNAL] = STATUS_INTERNAL,
	};
	return table[sqlstate_kind(state)];
}

/* What PostgreSQL, or libpq, says went wrong; without a word from them a deadline passed. */
static const char *reason(const struct database *db, const PGresult *r, char *out, size_t size)
{
	const char *message = r ? PQresultErrorMessage(r) : PQerrorMessage(db->conn);
	return *message ? db_error_line(message, out, size) : "no answer in time";
}

static void log_failure(const struct database *db, enum statement statement, const PGresult *r)
{
	char line[256];
	const char *state = db_sqlstate(r);
	log_error(db->request, "statement %s failed: %s%s%s", statements[statement].name,
		  reason(db, r, line, sizeof(line)), *state ? " SQLSTATE " : "", state);
}

/* ---- reading ---- */

static bool send_statement(struct database *db, enum statement statement, const struct db_params *p)
{
	return PQsendQueryPrepared(db->conn, statements[statement].name, p->count, p->values, p->lengths, p->formats,
				   1) == 1;
}

/* Reads to the end of what PQgetResult() has; the connection is idle then. */
static bool read_to_end(struct database *db, int64_t deadline)
{
	for (;;) {
		if (!pump(db->conn, deadline))
			return false;
		PGresult *r = PQgetResult(db->conn);
		if (!r)
			return true;
		PQclear(r);
	}
}

/* One result in single-row mode: STATUS_OK with db->row set, or unset behind the last row. */
static enum status next_row(struct database *db, int64_t deadline)
{
	clear_row(db);
	if (!pump(db->conn, deadline))
		return STATUS_DATABASE_AWAY;
	PGresult *r = PQgetResult(db->conn);
	ExecStatusType type = PQresultStatus(r);
	db->row = r;
	if (type == PGRES_SINGLE_TUPLE) {
		db->bloated |= PQresultMemorySize(r) > LARGE_ROW;
		return STATUS_OK;
	}
	if (type != PGRES_TUPLES_OK)
		return r && *db_sqlstate(r) ? status_of_state(db_sqlstate(r)) : STATUS_DATABASE_AWAY;
	clear_row(db);
	db->reading = false;
	return read_to_end(db, deadline) ? STATUS_OK : STATUS_DATABASE_AWAY;
}

static enum status try_read(struct database *db, enum statement statement, const struct db_params *params,
			    int64_t deadline)
{
	if (!ensure_connected(db))
		return STATUS_DATABASE_AWAY;
	db->reading = true;
	enum status status = STATUS_DATABASE_AWAY;
	if (send_statement(db, statement, params) && PQsetSingleRowMode(db->conn))
		status = next_row(db, deadline);
	if (status != STATUS_OK) {
		log_failure(db, statement, db->row);
		/* Whatever state it is in: a new one is cheap, and prepared anew. */
		database_close(db);
	}
	return status;
}

enum status database_read(struct database *db, enum statement statement, const struct db_params *params,
			  const PGresult **row)
{
	bool was_connected = db->conn != NULL;
	int64_t started = clock_us(), deadline = started / 1000 + FIRST_WAIT;
	enum status status = try_read(db, statement, params, deadline);
	if (status == STATUS_DATABASE_AWAY && was_connected && clock_ms() < deadline)
		status = try_read(db, statement, params, deadline);
	counts_statement(db->counts, statement, status == STATUS_OK, (uint64_t)(clock_us() - started));
	*row = db->row;
	return status;
}

enum status database_row(struct database *db, const PGresult **row)
{
	*row = NULL;
	if (!db->reading)
		return STATUS_OK;
	if (next_row(db, clock_ms() + ROW_WAIT) != STATUS_OK) {
		char line[256];
		log_error(db->request, "a read broke off: %s", reason(db, db->row, line, sizeof(line)));
		database_close(db);
		return STATUS_BROKEN;
	}
	*row = db->row;
	return STATUS_OK;
}

/* ---- changing ---- */

static bool send_change(struct database *db, enum statement statement, const struct db_params *params)
{
	return PQenterPipelineMode(db->conn) && send_statement(db, statement, params) && PQpipelineSync(db->conn);
}

static bool send_announcement(struct database *db, struct slice workspace)
{
	autobuf workspaces = { 0 };
	struct db_params announce = { 0 };
	if (!workspace.ptr)
		return true;
	db_array_begin(&workspaces, DB_TEXT, 1);
	db_array_text(&workspaces, workspace);
	db_array_end(&workspaces);
	db_add_text(&announce, buf_slice(&workspaces));
	db->announcing = send_statement(db, SQL_ANNOUNCE, &announce) && PQpipelineSync(db->conn);
	return db->announcing;
}

/* Reads the change's outcome, and leaves the pipeline where nothing else is under way. */
static bool read_outcome(struct database *db, PGresult **first)
{
	return read_to_sync(db->conn, clock_ms() + FIRST_WAIT, first) &&
	       (db->announcing || PQexitPipelineMode(db->conn));
}

/* The change's transaction has ended: how? */
static enum status judge_change(struct database *db, enum statement statement, PGresult *first, PGresult **result,
				bool *stale)
{
	ExecStatusType type = PQresultStatus(first);
	/* Behind a read in single-row mode libpq applies that mode to the first statement of a pipeline too. */
	if ((type == PGRES_TUPLES_OK || type == PGRES_SINGLE_TUPLE) && PQntuples(first) == 1) {
		*result = first;
		return STATUS_OK;
	}
	enum status status = status_of_state(db_sqlstate(first));
	*stale = strcmp(db_sqlstate(first), DB_STALE) == 0;
	if (!*stale)
		log_failure(db, statement, first);
	PQclear(first);
	return *stale ? STATUS_OK : status;
}

static enum status change(struct database *db, enum statement statement, const struct db_params *params,
			  struct slice workspace, PGresult **result, bool *stale)
{
	*result = NULL;
	*stale = false;
	if (!ensure_connected(db))
		return STATUS_DATABASE_AWAY;
	PGresult *first = NULL;
	if (!send_change(db, statement, params) || !send_announcement(db, workspace) || !read_outcome(db, &first)) {
		log_failure(db, statement, first);
		PQclear(first);
		database_close(db);
		return STATUS_DATABASE_UNKNOWN;
	}
	enum status status = judge_change(db, statement, first, result, stale);
	if (status != STATUS_OK)
		database_close(db);
	return status;
}

enum status database_change(struct database *db, enum statement statement, const struct db_params *params,
			    struct slice workspace, PGresult **result, bool *stale)
{
	int64_t started = clock_us();
	enum status status = change(db, statement, params, workspace, result, stale);
	counts_statement(db->counts, statement, status == STATUS_OK, (uint64_t)(clock_us() - started));
	return status;
}

/* ---- afterwards ---- */

static bool settle_announcement(struct database *db)
{
	PGresult *first = NULL;
	bool ok = read_to_sync(db->conn, clock_ms() + SETTLE_WAIT, &first);
	if (!ok || PQresultStatus(first) == PGRES_FATAL_ERROR) {
		char line[256];
		log_warn(db->request, "announcing a change failed: %s", reason(db, first, line, sizeof(line)));
		ok = false;
	}
	PQclear(first);
	return ok && PQexitPipelineMode(db->conn);
}

/* The rest of a read whose rows nobody wants. */
static bool skip_rows(struct database *db)
{
	int64_t deadline = clock_ms() + SETTLE_WAIT;
	for (int i = 0; db->reading && i < SKIP_ROWS; i++) {
		if (next_row(db, deadline) != STATUS_OK)
			return false;
	}
	clear_row(db);
	return !db->reading;
}

void database_settle(struct database *db)
{
	clear_row(db);
	if (!db->conn)
		return;
	bool ok = skip_rows(db);
	if (db->announcing)
		ok = settle_announcement(db);
	db->announcing = false;
	if (!ok || db->bloated)
		database_close(db);
}
