/* db.h: parameters of prepared statements, connecting, and what is common to talking to PostgreSQL (libpq).
 * SQL text is never composed: a program's statements stand in one table of struct db_statement. */
#ifndef CRAFT_DB_H
#define CRAFT_DB_H

#include <libpq-fe.h>

#include "buf.h"

struct db_statement {
	const char *name;
	const char *sql;
	int params;
};

/* SQLSTATE of a writer whose base version is not the current one (api.session_save, api.session_update). */
#define DB_STALE "CA001"

#define DB_MAX_PARAMS 24

/* Parameters, in order. They point to the caller's bytes, which must stay until the query was sent; numbers lie inside.
 * Texts and json go in binary format, so they need no terminator. Statements must cast: $1::text, $2::json, $3::bigint.
 */
struct db_params {
	int count;
	const char *values[DB_MAX_PARAMS];
	int lengths[DB_MAX_PARAMS];
	int formats[DB_MAX_PARAMS];
	uint64_t numbers[DB_MAX_PARAMS];
};

void db_add_null(struct db_params *p);
void db_add_text(struct db_params *p, struct slice s); /* text, json or bytea; ptr NULL: null */
void db_add_i64(struct db_params *p, int64_t v);       /* bigint */
void db_add_i32(struct db_params *p, int32_t v);       /* integer */
void db_add_bool(struct db_params *p, bool v);

/* Binary arrays, built in a buffer that is then passed by db_add_text(). */
enum db_array_type { DB_BOOL = 16, DB_BYTEA = 17, DB_INT8 = 20, DB_INT4 = 23, DB_TEXT = 25, DB_JSON = 114 };
void db_array_begin(struct buf *out, enum db_array_type type, size_t count);
void db_array_i32(struct buf *out, int32_t v);
void db_array_i64(struct buf *out, int64_t v);
void db_array_bool(struct buf *out, bool v);
void db_array_text(struct buf *out, struct slice s); /* or any value in its binary form; ptr NULL: null */
void db_array_end(
	struct buf *out); /* ends the process if the array is beyond what a parameter can hold; callers bound it */

/* Reads binary results. db_get_i64_array: element i of a binary bigint[] value; *count its number (0 for null). */
int64_t db_get_i64(const PGresult *r, int row, int col);
bool db_get_bool(const PGresult *r, int row, int col);
struct slice db_get(const PGresult *r, int row, int col); /* ptr NULL: null */
const char *db_i64_array(struct slice value,
			 size_t *count); /* where the elements start, each 4 bytes of length and 8 of value */
int64_t db_i64_array_at(const char *elements, size_t i);

/* Starts connecting (PQconnectStartParams) with application_name, a 5 s connect timeout, keepalives and planner settings
 * (SETTINGS in db.c) on top of the URL. Never NULL; PQstatus tells. */
PGconn *db_connect_start(const char *url, const char *application);
/* Connects and prepares all statements; NULL on failure, with a sentence without secrets in *error. */
PGconn *db_connect(const char *url, const char *application, const struct db_statement *statements, size_t count,
		   struct buf *error);

/* The first line of a connection's or result's error message, fit for a log (libpq never puts the password there). */
const char *db_error_line(const char *message, char *out, size_t size);
/* SQLSTATE of a failed result, or "" . */
const char *db_sqlstate(const PGresult *r);

#endif
