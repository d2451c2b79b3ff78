/* blob_rows.c: which blobs the database names. */
#include "blob_rows.h"

#include <stdlib.h>

#include "cleanup.h"

enum { ASK, ANY, GONE, FORGET };

static const struct db_statement statements[] = {
	[ASK] = { "blobs_known", "select blob::text from api.blobs_known($1::text[]::uuid[]) as blob", 1 },
	[ANY] = { "blobs", "select exists (select from api.blobs(null, 1))", 0 },
	[GONE] = { "blobs_gone", "select blob::text from api.blobs_gone($1::bigint, $2::integer) as blob", 2 },
	[FORGET] = { "blobs_forget", "select api.blobs_forget($1::text[]::uuid[])", 1 },
};

static PGresult *query(PGconn *conn, size_t statement, const struct db_params *p, struct buf *error)
{
	char line[256];
	PGresult *r =
		PQexecParams(conn, statements[statement].sql, p->count, NULL, p->values, p->lengths, p->formats, 1);
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		return r;
	const char *message = r ? PQresultErrorMessage(r) : PQerrorMessage(conn);
	buf_addf(error, "asking the database (%s) failed: %s", statements[statement].name,
		 db_error_line(message, line, sizeof(line)));
	PQclear(r);
	return NULL;
}

static void clear_result(PGresult **r)
{
	PQclear(*r);
}
#define autoresult autocall(clear_result) PGresult

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, UUID_SIZE);
}

static void note_known(struct blob_batch *batch, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		/* libpq puts a NUL behind every value. */
		const char(*at)[UUID_SIZE] = NULL;
		if (db_get(r, i, 0).len == UUID_SIZE - 1)
			at = bsearch(PQgetvalue(r, i, 0), batch->ids, batch->count, UUID_SIZE, by_id);
		if (at)
			batch->known[at - (const char(*)[UUID_SIZE])batch->ids] = true;
	}
}

bool blob_rows_ask(PGconn *conn, struct blob_batch *batch, struct buf *error)
{
	autobuf ids = { 0 };
	struct db_params p = { 0 };
	memset(batch->known, 0, sizeof(batch->known));
	if (batch->count == 0)
		return true;
	qsort(batch->ids, batch->count, UUID_SIZE, by_id);
	db_array_begin(&ids, DB_TEXT, batch->count);
	for (size_t i = 0; i < batch->count; i++)
		db_array_text(&ids, slice_of(batch->ids[i]));
	db_array_end(&ids);
	db_add_text(&p, buf_slice(&ids));
	autoresult *r = query(conn, ASK, &p, error);
	if (r)
		note_known(batch, r);
	return r != NULL;
}

bool blob_rows_ask_one(PGconn *conn, const char id[static UUID_SIZE], bool *known, struct buf *error)
{
	autobuf ids = { 0 };
	struct db_params p = { 0 };
	db_array_begin(&ids, DB_TEXT, 1);
	db_array_text(&ids, slice_of(id));
	db_array_end(&ids);
	db_add_text(&p, buf_slice(&ids));
	autoresult *r = query(conn, ASK, &p, error);
	*known = r && PQntuples(r) > 0;
	return r != NULL;
}

bool blob_rows_any(PGconn *conn, bool *any, struct buf *error)
{
	autoresult *r = query(conn, ANY, &(struct db_params){ 0 }, error);
	*any = r && db_get_bool(r, 0, 0);
	return r != NULL;
}

PGresult *blob_rows_gone(PGconn *conn, int64_t age, int32_t limit, struct buf *error)
{
	struct db_params p = { 0 };
	db_add_i64(&p, age);
	db_add_i32(&p, limit);
	return query(conn, GONE, &p, error);
}

bool blob_rows_forget(PGconn *conn, const PGresult *gone, struct buf *error)
{
	autobuf ids = { 0 };
	struct db_params p = { 0 };
	db_array_begin(&ids, DB_TEXT, (size_t)PQntuples(gone));
	for (int i = 0; i < PQntuples(gone); i++)
		db_array_text(&ids, db_get(gone, i, 0));
	db_array_end(&ids);
	db_add_text(&p, buf_slice(&ids));
	autoresult *r = query(conn, FORGET, &p, error);
	return r != NULL;
}
