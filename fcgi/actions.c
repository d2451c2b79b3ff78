/* actions.c: the session actions that deep links of the app stand for (PROTOCOL section 3). */
#include <stdlib.h>

#include "cleanup.h"
#include "clock.h"
#include "database.h"
#include "handlers.h"
#include "header.h"
#include "json.h"
#include "log.h"
#include "uuid.h"

#define PREVIEW_UNITS 100 /* UTF-16 units of the input that become the preview */
#define MAX_TRIES 64	  /* merges of one request, when others change the session meanwhile */

/* ---- fields of the body ---- */

static struct slice body_object(const struct request *req)
{
	return json_trim(buf_slice(&req->body));
}

/* A field that may be missing (null counts as missing) but not of another kind. */
static enum status optional_field(struct request *req, const char *name, enum json_kind kind, const char *kind_name,
				  struct slice *value)
{
	*value = slice_make(NULL, 0);
	struct slice found;
	if (!json_get(body_object(req), name, &found) || json_kind_of(found) == JSON_NULL)
		return STATUS_OK;
	if (json_kind_of(found) != kind)
		return request_bad_field(req, "Invalid %s: must be a %s", name, kind_name);
	*value = found;
	return STATUS_OK;
}

static enum status required_string(struct request *req, const char *name, struct slice *value)
{
	enum status status = optional_field(req, name, JSON_STRING, "string", value);
	if (status == STATUS_OK && !value->ptr)
		return request_bad_field(req, "Missing %s", name);
	return status;
}

static enum status session_id(struct request *req, struct buf *id)
{
	struct slice string;
	enum status status = required_string(req, "sessionId", &string);
	if (status != STATUS_OK)
		return status;
	if (string.len == 2)
		return request_bad_field(req, "Missing sessionId");
	if (!json_decode(string, id))
		return request_bad_field(req, "Invalid sessionId: holds a character that no id can hold");
	if (id->len > REQUEST_MAX_NAME)
		return request_bad_field(req, "Invalid sessionId: longer than %d bytes", REQUEST_MAX_NAME);
	return request_check_name(req, "sessionId", buf_slice(id));
}

/* May the header take the place of old? */
static enum status header_bounded(struct request *req, struct slice header, struct slice old)
{
	autobuf error = { 0 };
	return header_fits(header, old, (size_t)req->service->conf->session_header_max, &error)
		       ? STATUS_OK
		       : request_bad_field(req, "%s", buf_cstr(&error));
}

/* ---- new-chat ---- */

static void build_header(struct buf *header, const char *id, struct slice name, struct slice input)
{
	int64_t now = clock_wall_ms();
	buf_addf(header, "{\"id\":\"%s\"", id);
	if (name.ptr) {
		buf_add_str(header, ",\"name\":");
		buf_add_slice(header, name);
	}
	if (input.ptr) {
		buf_add_str(header, ",\"preview\":");
		json_prefix(input, PREVIEW_UNITS, header);
	}
	buf_addf(header, ",\"createdAt\":%lld,\"lastUsedAt\":%lld,\"messageCount\":0", (long long)now, (long long)now);
	buf_add_str(header, ",\"tokenUsage\":{\"inputTokens\":0,\"outputTokens\":0,\"totalTokens\":0,\"contextTokens\":"
			    "0,\"costUsd\":0}}");
}

/* The status that a change answered, as text in *result. */
static bool outcome_is(const PGresult *result, const char *outcome)
{
	return slice_eq_str(db_get(result, 0, 0), outcome);
}

static enum status create_session(struct request *req, struct database *db, const char *id, struct slice header)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	autocall(header_scratch_free) struct header_scratch scratch = { 0 };
	db_add_text(&params, req->args[0]);
	db_add_text(&params, slice_of(id));
	db_add_text(&params, header);
	header_columns_add(&params, header, &scratch);
	enum status status = database_change(db, req->route->statement, &params, req->args[0], &result, &stale);
	if (status == STATUS_OK && (stale || !outcome_is(result, "ok"))) {
		log_error(req->id, "creating a session was refused");
		status = STATUS_INTERNAL;
	}
	PQclear(result);
	return status;
}

enum status actions_new_chat(struct request *req, struct response *res, struct database *db)
{
	char id[UUID_SIZE];
	struct slice name, input, send;
	/* All fields are optional, the body too. */
	enum status status = request_read_object(req, ACTION_BODY, true);
	if (status == STATUS_OK)
		status = optional_field(req, "name", JSON_STRING, "string", &name);
	if (status == STATUS_OK)
		status = optional_field(req, "input", JSON_STRING, "string", &input);
	/* Sending the input is the client's affair: the field is only checked. */
	if (status == STATUS_OK)
		status = optional_field(req, "send", JSON_BOOL, "boolean", &send);
	if (status != STATUS_OK)
		return status;
	if (!uuid_random(id)) {
		log_error(req->id, "no random bytes: %m");
		return STATUS_INTERNAL;
	}
	autobuf header = { 0 };
	build_header(&header, id, name, input);
	status = header_bounded(req, buf_slice(&header), slice_make(NULL, 0));
	if (status == STATUS_OK)
		status = create_session(req, db, id, buf_slice(&header));
	if (status == STATUS_OK)
		response_json(res, 201, buf_slice(&header));
	return status;
}

/* ---- changes of a header ---- */

/* Reads the header and merges updates into it. */
static enum status merged_header(struct request *req, struct database *db, struct slice id, struct slice updates,
				 struct buf *header, int64_t *version)
{
	const PGresult *row;
	struct db_params params = { 0 };
	db_add_text(&params, req->args[0]);
	db_add_text(&params, id);
	enum status status = database_read(db, SQL_SESSION_HEADER, &params, &row);
	if (status != STATUS_OK)
		return status;
	struct slice base = row ? json_trim(db_get(row, 0, 1)) : slice_make(NULL, 0);
	if (base.len == 0)
		return STATUS_SESSION_NOT_FOUND;
	if (json_kind_of(base) != JSON_OBJECT) {
		log_error(req->id, "the stored header of the session is no object");
		return STATUS_INTERNAL;
	}
	*version = db_get_i64(row, 0, 0);
	buf_clear(header);
	json_merge(header, base, updates);
	return header_bounded(req, buf_slice(header), base);
}

/* One attempt: STATUS_OK with *stale means that somebody else was faster. */
static enum status try_update(struct request *req, struct database *db, struct slice id, struct slice updates,
			      struct buf *header, bool *stale)
{
	int64_t version;
	PGresult *result;
	struct db_params params = { 0 };
	autocall(header_scratch_free) struct header_scratch scratch = { 0 };
	enum status status = merged_header(req, db, id, updates, header, &version);
	if (status != STATUS_OK)
		return status;
	db_add_text(&params, req->args[0]);
	db_add_text(&params, id);
	db_add_text(&params, buf_slice(header));
	header_columns_add(&params, buf_slice(header), &scratch);
	db_add_i64(&params, version);
	status = database_change(db, SQL_SESSION_UPDATE, &params, req->args[0], &result, stale);
	if (status == STATUS_OK && !*stale && !outcome_is(result, "ok"))
		status = STATUS_SESSION_NOT_FOUND;
	PQclear(result);
	return status;
}

static enum status update_session(struct request *req, struct response *res, struct database *db, struct slice updates)
{
	autobuf id = { 0 }, header = { 0 };
	enum status status = session_id(req, &id);
	bool stale = true;
	for (int i = 0; status == STATUS_OK && stale && i < MAX_TRIES; i++)
		status = try_update(req, db, buf_slice(&id), updates, &header, &stale);
	if (status == STATUS_OK && stale)
		return STATUS_DATABASE_BUSY;
	if (status == STATUS_OK)
		response_json(res, 200, buf_slice(&header));
	return status;
}

enum status actions_flag_session(struct request *req, struct response *res, struct database *db)
{
	return update_session(req, res, db, SLICE_LIT("{\"isFlagged\":true}"));
}

enum status actions_unflag_session(struct request *req, struct response *res, struct database *db)
{
	return update_session(req, res, db, SLICE_LIT("{\"isFlagged\":false}"));
}

enum status actions_rename_session(struct request *req, struct response *res, struct database *db)
{
	autobuf id = { 0 }, updates = { 0 };
	struct slice name;
	/* In the order in which the fields are documented. */
	enum status status = session_id(req, &id);
	if (status == STATUS_OK)
		status = required_string(req, "name", &name);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&updates, "{\"name\":");
	buf_add_slice(&updates, name);
	buf_add_char(&updates, '}');
	return update_session(req, res, db, buf_slice(&updates));
}

/* ---- delete-session ---- */

enum status actions_delete_session(struct request *req, struct response *res, struct database *db)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	autobuf id = { 0 };
	enum status status = session_id(req, &id);
	if (status != STATUS_OK)
		return status;
	db_add_text(&params, req->args[0]);
	db_add_text(&params, buf_slice(&id));
	status = database_change(db, req->route->statement, &params, req->args[0], &result, &stale);
	if (status == STATUS_OK && !outcome_is(result, "ok"))
		status = STATUS_SESSION_NOT_FOUND;
	PQclear(result);
	if (status == STATUS_OK)
		response_json(res, 200, SLICE_LIT("{\"success\":true}"));
	return status;
}
