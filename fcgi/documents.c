/* documents.c: lists and single documents: whatever a statement answers as rows (tag, body). */
#include "documents.h"

#include "conditional.h"
#include "handlers.h"
#include "kept.h"
#include "log.h"

enum { COL_TAG, COL_BODY };

enum status documents_write_rows(struct response *res, struct database *db)
{
	const PGresult *row;
	const char *separator = "[";
	for (;;) {
		enum status status = database_row(db, &row);
		if (status != STATUS_OK)
			return status;
		if (!row)
			break;
		if (!response_write(res, slice_make(separator, 1)) || !response_write(res, db_get(row, 0, COL_BODY)))
			return STATUS_BROKEN;
		separator = ",";
	}
	return response_write(res, *separator == '[' ? SLICE_LIT("[]") : SLICE_LIT("]")) ? STATUS_OK : STATUS_BROKEN;
}

enum status documents_list(struct request *req, struct response *res, struct database *db)
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
	if (!row) {
		log_error(req->id, "statement %s answered no row with a tag", statements[req->route->statement].name);
		return STATUS_INTERNAL;
	}
	if (!kept_begin(req, res, db_get(row, 0, COL_TAG), TYPE_JSON))
		return STATUS_OK;
	status = documents_write_rows(res, db);
	if (status == STATUS_OK)
		kept_end(req, res);
	return status;
}

enum status documents_get(struct request *req, struct response *res, struct database *db)
{
	bool done;
	const PGresult *row;
	struct db_params params = { 0 };
	enum status status = conditional_by_tag(req, res, db, TYPE_JSON, &done);
	if (status != STATUS_OK || done)
		return status;
	conditional_params(req, &params);
	status = database_read(db, req->route->statement, &params, &row);
	if (status != STATUS_OK)
		return status;
	if (!row)
		return STATUS_NOT_FOUND;
	if (conditional_begin(req, res, db_get(row, 0, COL_TAG), TYPE_JSON))
		(void)response_write(res, db_get(row, 0, COL_BODY));
	/* Read to the end: the connection stays usable. */
	return database_row(db, &row);
}
