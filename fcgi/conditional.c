/* conditional.c: HEAD and If-None-Match. */
#include "conditional.h"

#include "etag.h"
#include "routes.h"

void conditional_params(const struct request *req, struct db_params *params)
{
	for (size_t i = 0; i < req->arg_count; i++)
		db_add_text(params, req->args[i]);
}

/* Parameters of the tag's statement: the first ones of the route. */
static void tag_params(const struct request *req, struct db_params *params)
{
	size_t wanted = (size_t)statements[req->route->tag].params;
	for (size_t i = 0; i < req->arg_count && i < wanted; i++)
		db_add_text(params, req->args[i]);
}

bool conditional_begin(struct request *req, struct response *res, struct slice tag, const char *type)
{
	if (etag_matches(req->if_none_match, tag)) {
		response_not_modified(res, tag);
		return false;
	}
	response_begin(res, 200, type);
	response_etag(res, tag);
	return true;
}

enum status conditional_tag(const struct request *req, struct database *db, struct buf *tag)
{
	const PGresult *row;
	struct db_params params = { 0 };
	tag_params(req, &params);
	enum status status = database_read(db, req->route->tag, &params, &row);
	if (status != STATUS_OK)
		return status;
	if (!row || PQgetisnull(row, 0, 0))
		return STATUS_NOT_FOUND;
	buf_add_slice(tag, db_get(row, 0, 0));
	return database_row(db, &row);
}

enum status conditional_by_tag(struct request *req, struct response *res, struct database *db, const char *type,
			       bool *done)
{
	autobuf tag = { 0 };
	*done = false;
	if (req->route->tag == SQL_NONE || (req->method != METHOD_HEAD && req->if_none_match.len == 0))
		return STATUS_OK;
	enum status status = conditional_tag(req, db, &tag);
	if (status == STATUS_OK && (req->method == METHOD_HEAD || etag_matches(req->if_none_match, buf_slice(&tag)))) {
		(void)conditional_begin(req, res, buf_slice(&tag), type);
		*done = true;
	}
	return status;
}
