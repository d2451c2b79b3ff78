/* db.c: talking to PostgreSQL. */
#include "db.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static void add(struct db_params *p, const char *value, size_t len)
{
	assert(p->count < DB_MAX_PARAMS && len <= INT_MAX);
	p->values[p->count] = value;
	p->lengths[p->count] = (int)len;
	p->formats[p->count] = 1;
	p->count++;
}

static void add_number(struct db_params *p, const void *big_endian, size_t len)
{
	memcpy(&p->numbers[p->count], big_endian, len);
	add(p, (const char *)&p->numbers[p->count], len);
}

void db_add_null(struct db_params *p)
{
	add(p, NULL, 0);
}

void db_add_text(struct db_params *p, struct slice s)
{
	add(p, s.ptr, s.len);
}

void db_add_i64(struct db_params *p, int64_t v)
{
	uint64_t n = htobe64((uint64_t)v);
	add_number(p, &n, sizeof(n));
}

void db_add_i32(struct db_params *p, int32_t v)
{
	uint32_t n = htobe32((uint32_t)v);
	add_number(p, &n, sizeof(n));
}

void db_add_bool(struct db_params *p, bool v)
{
	unsigned char n = v;
	add_number(p, &n, sizeof(n));
}

static void buf_be32(struct buf *out, uint32_t v)
{
	v = htobe32(v);
	buf_add(out, &v, sizeof(v));
}

void db_array_begin(struct buf *out, enum db_array_type type, size_t count)
{
	assert(count <= INT32_MAX);
	buf_be32(out, count ? 1 : 0); /* dimensions */
	buf_be32(out, 0);	      /* whether there are nulls; the server looks for itself */
	buf_be32(out, (uint32_t)type);
	if (count) {
		buf_be32(out, (uint32_t)count);
		buf_be32(out, 1); /* lower bound */
	}
}

void db_array_i32(struct buf *out, int32_t v)
{
	buf_be32(out, 4);
	buf_be32(out, (uint32_t)v);
}

void db_array_i64(struct buf *out, int64_t v)
{
	uint64_t n = htobe64((uint64_t)v);
	buf_be32(out, 8);
	buf_add(out, &n, sizeof(n));
}

void db_array_bool(struct buf *out, bool v)
{
	buf_be32(out, 1);
	buf_add_char(out, v);
}

void db_array_text(struct buf *out, struct slice s)
{
	buf_be32(out, s.ptr ? (uint32_t)s.len : UINT32_MAX);
	buf_add_slice(out, s);
}

void db_array_end(struct buf *out)
{
	assert(out->len <= INT_MAX);
}

struct slice db_get(const PGresult *r, int row, int col)
{
	if (PQgetisnull(r, row, col))
		return slice_make(NULL, 0);
	return slice_make(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
}

static uint64_t read_be64(const char *p)
{
	uint64_t n;
	memcpy(&n, p, sizeof(n));
	return be64toh(n);
}

static uint32_t read_be32(const char *p)
{
	uint32_t n;
	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

int64_t db_get_i64(const PGresult *r, int row, int col)
{
	struct slice v = db_get(r, row, col);
	return v.len == 8 ? (int64_t)read_be64(v.ptr) : v.len == 4 ? (int32_t)read_be32(v.ptr) : 0;
}

bool db_get_bool(const PGresult *r, int row, int col)
{
	struct slice v = db_get(r, row, col);
	return v.len == 1 && v.ptr[0];
}

const char *db_i64_array(struct slice value, size_t *count)
{
	*count = 0;
	if (value.len < 20 || read_be32(value.ptr) != 1 || read_be32(value.ptr + 8) != DB_INT8)
		return NULL;
	size_t n = read_be32(value.ptr + 12);
	if (value.len != 20 + n * 12)
		return NULL;
	*count = n;
	return value.ptr + 20;
}

int64_t db_i64_array_at(const char *elements, size_t i)
{
	return (int64_t)read_be64(elements + i * 12 + 4);
}

/* What stands before dbname gives way to the URL; what stands behind it doesn't. Compiling a statement (jit) takes a
 * hundred times as long as running one of ours. All of ours go by an index; but a plan that a connection makes while a
 * table is small or not yet analysed would read it whole, and stay as the table grows (a third of the downloads per
 * second at 5,000 files). For the same reason joins are nested loops; and generic plans, because to plan a statement
 * takes longer than to run it. */
static const char settings[] = "-c jit=off -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off "
			       "-c plan_cache_mode=force_generic_plan";
/* ms that bytes may stay unacknowledged before the connection counts as lost; the kernel would try for a quarter of an
 * hour. */
#define TCP_TIMEOUT "15000"
static const char *const option_names[] = { "connect_timeout", "keepalives_idle", "tcp_user_timeout", "options",
					    "dbname",	       "client_encoding", "application_name", NULL };
#define OPTION_VALUES(url, application)                                                                                \
	((const char *const[]){ "5", "30", TCP_TIMEOUT, settings, (url), "UTF8", (application), NULL })

PGconn *db_connect_start(const char *url, const char *application)
{
	return PQconnectStartParams(option_names, OPTION_VALUES(url, application), 1);
}

PGconn *db_connect(const char *url, const char *application, const struct db_statement *statements, size_t count,
		   struct buf *error)
{
	char line[256];
	PGconn *conn = PQconnectdbParams(option_names, OPTION_VALUES(url, application), 1);
	if (PQstatus(conn) != CONNECTION_OK) {
		buf_add_str(error, db_error_line(PQerrorMessage(conn), line, sizeof(line)));
		PQfinish(conn);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		PGresult *r = PQprepare(conn, statements[i].name, statements[i].sql, statements[i].params, NULL);
		bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
		if (!ok)
			buf_addf(error, "statement %s: %s", statements[i].name,
				 db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
		PQclear(r);
		if (!ok) {
			PQfinish(conn);
			return NULL;
		}
	}
	return conn;
}

const char *db_error_line(const char *message, char *out, size_t size)
{
	size_t n = strcspn(message, "\n");
	(void)snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), message);
	return out;
}

const char *db_sqlstate(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	return state ? state : "";
}
