/* plans.c: a plan as the text that it is: stored as a JSON string, sent decoded. */
#include "conditional.h"
#include "handlers.h"
#include "log.h"
#include "unescape.h"

enum { COL_TAG, COL_PART };

static enum status write_plan(struct response *res, struct database *db, const PGresult *row)
{
	struct unescape decoder = { 0 };
	autobuf text = { 0 };
	while (row) {
		buf_clear(&text);
		if (!unescape_feed(&decoder, db_get(row, 0, COL_PART), &text)) {
			log_error(db->request, "the stored content of the plan is no string");
			return STATUS_INTERNAL;
		}
		if (!response_write(res, buf_slice(&text)))
			return STATUS_BROKEN;
		enum status status = database_row(db, &row);
		if (status != STATUS_OK)
			return status;
	}
	return unescape_complete(&decoder) ? STATUS_OK : STATUS_INTERNAL;
}

enum status plans_get(struct request *req, struct response *res, struct database *db)
{
	const PGresult *row;
	struct db_params params = { 0 };
	conditional_params(req, &params);
	enum status status = database_read(db, req->route->statement, &params, &row);
	if (status != STATUS_OK)
		return status;
	if (!row)
		return STATUS_NOT_FOUND;
	if (!conditional_begin(req, res, db_get(row, 0, COL_TAG), TYPE_MARKDOWN))
		return STATUS_OK;
	return write_plan(res, db, row);
}
