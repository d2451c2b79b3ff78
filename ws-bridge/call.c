/* call.c: statements for one op or for many. api.session_update_many() takes what api.session_update() takes, as one
 * array for each parameter, because statements over sets cost a fraction of as many single ones. */
#include "call.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/pglink.h"
#include "room.h"

#define CALL_BYTES (4u << 20) /* of parameters, above which no further op joins */

/* Parameters of STMT_SESSION_UPDATE. */
enum { ROW_WORKSPACE, ROW_ID, ROW_BASE = 9, ROW_CLIENT = 13, ROW_COUNT = 16 };

static const enum db_array_type row_types[ROW_COUNT] = {
	DB_TEXT, DB_TEXT, DB_JSON, DB_TEXT, DB_BOOL, DB_TEXT, DB_TEXT,	DB_INT8,
	DB_INT8, DB_INT8, DB_INT8, DB_JSON, DB_TEXT, DB_TEXT, DB_BYTEA, DB_INT8,
};

/* Parameters of STMT_SESSION_UPDATE_MANY: five about the whole, then the columns but the first. */
enum {
	MANY_WORKSPACES,
	MANY_COUNTS,
	MANY_PLACE,
	MANY_NTH,
	MANY_LAST,
	MANY_COLUMNS,
	MANY_COUNT = MANY_COLUMNS + ROW_COUNT - 1
};

struct call_builder {
	struct db_params rows[CALL_OPS];
	bool last[CALL_OPS]; /* of its session */
	struct buf arrays[MANY_COUNT];
};

struct call_builder *call_builder_new(void)
{
	return xcalloc(1, sizeof(struct call_builder));
}

void call_builder_free(struct call_builder *b)
{
	for (size_t i = 0; i < MANY_COUNT; i++)
		buf_free(&b->arrays[i]);
	free(b);
}

static size_t row_bytes(const struct db_params *row)
{
	size_t bytes = 0;
	for (int i = 0; i < row->count; i++)
		bytes += (size_t)row->lengths[i];
	return bytes;
}

static struct slice cell(const struct db_params *row, int column)
{
	return slice_make(row->values[column], (size_t)row->lengths[column]);
}

/* Of several updates of one session only the last one is stored, if the first one's base is still there. */
static void link_sessions(struct call_builder *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		b->last[i] = true;
		for (size_t j = i;
		     j-- > 0 && slice_eq(cell(&b->rows[j], ROW_WORKSPACE), cell(&b->rows[i], ROW_WORKSPACE));) {
			if (!b->last[j] || !slice_eq(cell(&b->rows[j], ROW_ID), cell(&b->rows[i], ROW_ID)))
				continue;
			b->last[j] = false;
			b->rows[i].values[ROW_BASE] = b->rows[j].values[ROW_BASE];
			break;
		}
	}
}

static bool begins_workspace(struct op *const *ops, size_t i)
{
	return i == 0 || ops[i]->room != ops[i - 1]->room;
}

static void add_workspaces(struct call_builder *b, struct op *const *ops, size_t count)
{
	size_t distinct = 0, begin = 0;
	int32_t place = 0, nth = 0;
	for (size_t i = 0; i < count; i++)
		distinct += begins_workspace(ops, i);
	db_array_begin(&b->arrays[MANY_WORKSPACES], DB_TEXT, distinct);
	db_array_begin(&b->arrays[MANY_COUNTS], DB_INT4, distinct);
	db_array_begin(&b->arrays[MANY_PLACE], DB_INT4, count);
	db_array_begin(&b->arrays[MANY_NTH], DB_INT4, count);
	db_array_begin(&b->arrays[MANY_LAST], DB_BOOL, count);
	for (size_t i = 0; i < count; i++) {
		if (begins_workspace(ops, i)) {
			db_array_text(&b->arrays[MANY_WORKSPACES], room_name(ops[i]->room));
			begin = i;
			place++;
		}
		nth = (int32_t)(i - begin) + 1;
		if (i + 1 == count || begins_workspace(ops, i + 1))
			db_array_i32(&b->arrays[MANY_COUNTS], nth);
		db_array_i32(&b->arrays[MANY_PLACE], place);
		db_array_i32(&b->arrays[MANY_NTH], nth);
		db_array_bool(&b->arrays[MANY_LAST], b->last[i]);
	}
}

static void add_column(struct call_builder *b, size_t count, int column)
{
	struct buf *array = &b->arrays[MANY_COLUMNS + column - 1];
	db_array_begin(array, row_types[column], count);
	for (size_t i = 0; i < count; i++)
		db_array_text(array, cell(&b->rows[i], column));
	db_array_end(array);
}

static bool any_client(const struct call_builder *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (b->rows[i].values[ROW_CLIENT])
			return true;
	}
	return false;
}

static void send_many(struct call_builder *b, struct op *const *ops, size_t count, struct pglink *link)
{
	struct db_params p = { 0 };
	for (size_t i = 0; i < MANY_COUNT; i++)
		buf_clear(&b->arrays[i]);
	link_sessions(b, count);
	add_workspaces(b, ops, count);
	for (int c = 1; c < ROW_COUNT; c++)
		add_column(b, count, c);
	for (int i = 0; i < MANY_COUNT; i++) {
		if (i == MANY_COLUMNS + ROW_CLIENT - 1 && !any_client(b, count))
			db_add_null(&p);
		else
			db_add_text(&p, buf_slice(&b->arrays[i]));
	}
	(void)pglink_query(link, STMT_SESSION_UPDATE_MANY, &p);
}

size_t call_send(struct call_builder *b, struct op *const *ops, size_t count, struct pglink *link)
{
	static const struct db_params none = { 0 };
	size_t n = 0, bytes = 0;
	bool joins, sent = true;
	do {
		joins = op_may_join(ops[n]);
		b->rows[n] = none;
		sent = op_parameters(ops[n], &b->rows[n]);
		bytes += row_bytes(&b->rows[n]);
		n += sent;
	} while (sent && joins && n < count && n < CALL_OPS && bytes < CALL_BYTES && op_may_join(ops[n]));
	/* Its answer has its place among the others', so something is asked for it too: alone. Behind others it is
	 * asked again. */
	if (n == 0)
		(void)pglink_query(link, STMT_REFUSED, &none);
	else if (n == 1)
		(void)pglink_query(link, (int)ops[0]->type->statement, &b->rows[0]);
	else
		send_many(b, ops, n, link);
	n += n == 0;
	for (size_t i = 0; i < n; i++)
		op_sent(ops[i]);
	return n;
}

/* ---- outcomes ---- */

static void outcomes_of_many(struct op *const *ops, size_t count, const PGresult *result, struct op_outcome *out)
{
	size_t places, place = 0, begin = 0;
	const char *ids = db_i64_array(db_get(result, 0, 0), &places);
	const char *before = db_i64_array(db_get(result, 0, 1), &places);
	for (size_t i = 0; i < count; i++) {
		if (begins_workspace(ops, i)) {
			place += i > 0;
			begin = i;
		}
		assert(place < places);
		out[i] = (struct op_outcome){ .status = SLICE_LIT("ok"),
					      .workspace_id = db_i64_array_at(ids, place),
					      .seq = db_i64_array_at(before, place) + (int64_t)(i - begin) + 1 };
	}
}

void call_outcomes(struct op *const *ops, size_t count, const PGresult *result, struct op_outcome *out)
{
	if (count > 1) {
		outcomes_of_many(ops, count, result, out);
		return;
	}
	*out = (struct op_outcome){ .status = db_get(result, 0, 0), .answer = db_get(result, 0, 3) };
	out->workspace_id = PQgetisnull(result, 0, 1) ? 0 : db_get_i64(result, 0, 1);
	out->seq = PQgetisnull(result, 0, 2) ? 0 : db_get_i64(result, 0, 2);
}
