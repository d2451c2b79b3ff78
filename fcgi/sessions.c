/* sessions.c: a session with its messages, passed on part by part: however large it is, one part is in memory. */
#include "conditional.h"
#include "handlers.h"
#include "json.h"
#include "kept.h"
#include "log.h"

enum { COL_TAG, COL_STARTS, COL_PART, COL_PIECE };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The header up to its closing brace, then the member that goes on behind it: of two called "messages" the last counts.
 */
static bool write_opening(struct response *res, struct slice header)
{
	header.len--;
	while (header.len > 1 && is_space(header.ptr[header.len - 1]))
		header.len--;
	if (!response_write(res, header))
		return false;
	return response_write(res, header.len == 1 ? SLICE_LIT("\"messages\":[") : SLICE_LIT(",\"messages\":["));
}

static enum status write_messages(struct response *res, struct database *db)
{
	const PGresult *row;
	for (bool first = true;; first = false) {
		enum status status = database_row(db, &row);
		if (status != STATUS_OK)
			return status;
		if (!row)
			return response_write(res, SLICE_LIT("]}")) ? STATUS_OK : STATUS_BROKEN;
		if (!first && db_get_bool(row, 0, COL_STARTS) && !response_write(res, SLICE_LIT(",")))
			return STATUS_BROKEN;
		if (!response_write(res, db_get(row, 0, PQgetisnull(row, 0, COL_PART) ? COL_PIECE : COL_PART)))
			return STATUS_BROKEN;
	}
}

enum status sessions_get(struct request *req, struct response *res, struct database *db)
{
	bool done;
	const PGresult *row;
	struct db_params params = { 0 };
	enum status status = kept_answer(req, res, db, TYPE_JSON, &done);
	if (status != STATUS_OK || done)
		return status;
	conditional_params(req, &params);
	status = database_read(db, req->route->statement, &params, &row);
	if (status != STATUS_OK)
		return status;
	if (!row)
		return STATUS_NOT_FOUND;
	struct slice header = json_trim(db_get(row, 0, COL_PART));
	if (header.len < 2 || *header.ptr != '{') {
		log_error(req->id, "the stored header of the session is no object");
		return STATUS_INTERNAL;
	}
	if (!kept_begin(req, res, db_get(row, 0, COL_TAG), TYPE_JSON))
		return STATUS_OK;
	status = write_opening(res, header) ? write_messages(res, db) : STATUS_BROKEN;
	if (status == STATUS_OK)
		kept_end(req, res);
	return status;
}
