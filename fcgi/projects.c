/* projects.c: a project and its credential. Its key owner/repo comes as one segment (owner%2Frepo) or as two. */
#include "database.h"
#include "handlers.h"

/* Leaves the key as one argument. */
static void join_key(struct request *req, struct buf *key)
{
	if (req->arg_count < 3)
		return;
	buf_add_slice(key, req->args[1]);
	buf_add_char(key, '/');
	buf_add_slice(key, req->args[2]);
	req->args[1] = buf_slice(key);
	req->arg_count = 2;
}

enum status projects_get(struct request *req, struct response *res, struct database *db)
{
	autobuf key = { 0 };
	join_key(req, &key);
	return documents_get(req, res, db);
}

enum status projects_delete_credential(struct request *req, struct response *res, struct database *db)
{
	autobuf key = { 0 };
	const PGresult *row;
	struct db_params params = { 0 };
	join_key(req, &key);
	db_add_text(&params, req->args[0]);
	db_add_text(&params, req->args[1]);
	/* It may be sent twice: the second time nothing is there to delete. */
	enum status status = database_read(db, req->route->statement, &params, &row);
	if (status == STATUS_OK)
		status = database_row(db, &row);
	if (status == STATUS_OK)
		response_json(res, 200, SLICE_LIT("{\"success\":true}"));
	return status;
}
