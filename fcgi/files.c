/* files.c: files and assets: store, fetch and delete them (PROTOCOL section 4). */
#include <stdlib.h>

#include "cleanup.h"
#include "database.h"
#include "download.h"
#include "etag.h"
#include "file_key.h"
#include "handlers.h"
#include "json.h"
#include "upload.h"

#define MAX_TAGS 64			 /* of one If-Match; the rest is not looked at */
#define NO_WORKSPACE slice_make(NULL, 0) /* nothing that the bridges' clients hear of */

enum { FIND_BLOB, FIND_SIZE, FIND_TYPE, FIND_MS };

/* A precondition as text[], null when the header isn't there. The array lies in out. */
static void add_tags(struct db_params *params, struct slice header, bool strong, struct buf *out)
{
	struct slice tags[MAX_TAGS];
	size_t count = 0;
	struct etag_iter it = etag_iter(header);
	if (header.len == 0) {
		db_add_null(params);
		return;
	}
	while (count < MAX_TAGS && etag_next(&it)) {
		/* A quoted "*" is a tag that no file has. */
		if ((it.any || !slice_eq_str(it.text, "*")) && !(strong && it.weak))
			tags[count++] = it.text;
	}
	db_array_begin(out, DB_TEXT, count);
	for (size_t i = 0; i < count; i++)
		db_array_text(out, tags[i]);
	db_array_end(out);
	db_add_text(params, buf_slice(out));
}

/* ---- put ---- */

static enum status enter(struct request *req, struct database *db, const struct upload *u, const struct file_key *key,
			 PGresult **result)
{
	bool stale;
	struct db_params params = { 0 };
	autobuf match = { 0 }, none_match = { 0 };
	file_key_params(key, &params);
	db_add_text(&params, slice_of(u->id));
	db_add_i64(&params, (int64_t)u->size);
	db_add_text(&params, upload_media_type(req));
	db_add_text(&params, slice_make((const char *)u->sha256, sizeof(u->sha256)));
	add_tags(&params, request_header(req, HEADER_IF_MATCH), true, &match);
	add_tags(&params, req->if_none_match, false, &none_match);
	db_add_i64(&params, req->service->conf->workspace_quota);
	enum status status = database_change(db, req->route->statement, &params, NO_WORKSPACE, result, &stale);
	if (status != STATUS_OK)
		return status;
	struct slice outcome = db_get(*result, 0, 0);
	if (slice_eq_str(outcome, "failed"))
		return STATUS_PRECONDITION_FAILED;
	if (slice_eq_str(outcome, "files"))
		return upload_too_many_files(req);
	return slice_eq_str(outcome, "ok") ? STATUS_OK : upload_over_quota(req);
}

static void answer_stored(struct request *req, struct response *res, const struct upload *u, const struct file_key *key,
			  int64_t uploaded_ms)
{
	autobuf body = { 0 }, tag = { 0 };
	buf_add_str(&body, "{\"name\":");
	json_encode(&body, key->name);
	buf_addf(&body, ",\"size\":%llu,\"mimeType\":", (unsigned long long)u->size);
	json_encode(&body, upload_media_type(req));
	if (!key->asset)
		buf_addf(&body, ",\"uploadedAt\":%lld", (long long)uploaded_ms);
	buf_add_char(&body, '}');
	buf_addf(&tag, "\"%s\"", u->id);
	response_begin(res, 201, TYPE_JSON);
	response_header(res, HEADER_ETAG, buf_slice(&tag));
	(void)response_write(res, buf_slice(&body));
}

static enum status put_received(struct request *req, struct response *res, struct database *db, struct upload *upload)
{
	PGresult *result = NULL;
	struct file_key key = file_key_of(req);
	enum status status = enter(req, db, upload, &key, &result);
	if (status == STATUS_OK)
		answer_stored(req, res, upload, &key, db_get_i64(result, 0, 1));
	else if (status != STATUS_DATABASE_UNKNOWN)
		upload_take_back(upload, req->id);
	PQclear(result);
	return status;
}

static enum status put_after_all(struct request *req, struct response *res, struct database *db)
{
	struct upload *upload = req->rest_to_do.state;
	if (!request_is_abandoned(req))
		return put_received(req, res, db, upload);
	upload_take_back(upload, req->id);
	return STATUS_BODY_INCOMPLETE;
}

static void free_upload(void *state)
{
	upload_end(state);
	free(state);
}

enum status files_put(struct request *req, struct response *res, struct database *db)
{
	autoupload upload = UPLOAD_NONE;
	enum status status = upload_receive(&upload, req);
	if (status != STATUS_OK)
		return status;
	if (upload_is_whole(&upload, req))
		return put_received(req, res, db, &upload);
	struct upload *waiting = xmalloc(sizeof(*waiting));
	*waiting = upload;
	upload = UPLOAD_NONE;
	request_wait(req, UPLOAD_ABORT_TIME,
		     (struct request_rest){ .resume = put_after_all, .state = waiting, .free_state = free_upload });
	return STATUS_OK;
}

/* ---- get ---- */

/* The last part of an asset's path. */
static struct slice base_name(struct slice name)
{
	const char *slash = memrchr(name.ptr, '/', name.len);
	return slash ? slice_make(slash + 1, (size_t)(name.ptr + name.len - slash - 1)) : name;
}

enum status files_get(struct request *req, struct response *res, struct database *db)
{
	const PGresult *row;
	struct file_key key = file_key_of(req);
	enum status status = file_key_find(&key, req, db, &row);
	if (status != STATUS_OK)
		return status;
	struct download d = {
		.blob = db_get(row, 0, FIND_BLOB),
		.media_type = db_get(row, 0, FIND_TYPE),
		.name = base_name(key.name),
		.size = (uint64_t)db_get_i64(row, 0, FIND_SIZE),
		.modified = db_get_i64(row, 0, FIND_MS) / 1000,
	};
	return download_answer(&d, req, res);
}

/* ---- delete ---- */

enum status files_delete(struct request *req, struct response *res, struct database *db)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	autobuf match = { 0 };
	struct file_key key = file_key_of(req);
	file_key_params(&key, &params);
	add_tags(&params, request_header(req, HEADER_IF_MATCH), true, &match);
	enum status status = database_change(db, req->route->statement, &params, NO_WORKSPACE, &result, &stale);
	if (status == STATUS_OK && slice_eq_str(db_get(result, 0, 0), "failed"))
		status = STATUS_PRECONDITION_FAILED;
	if (status == STATUS_OK)
		response_json(res, 200, SLICE_LIT("{\"success\":true}"));
	PQclear(result);
	return status;
}

enum status files_delete_session(struct request *req, struct response *res, struct database *db)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	autobuf body = { 0 };
	db_add_text(&params, req->args[0]);
	db_add_text(&params, req->args[1]);
	enum status status = database_change(db, req->route->statement, &params, NO_WORKSPACE, &result, &stale);
	if (status == STATUS_OK) {
		buf_addf(&body, "{\"success\":true,\"deleted\":%lld}", (long long)db_get_i64(result, 0, 0));
		response_json(res, 200, buf_slice(&body));
	}
	PQclear(result);
	return status;
}
