/* sandbox.c: sandbox sessions: made, looked at, kept alive, ended (PROTOCOL section 6). */
#include "cleanup.h"
#include "credential.h"
#include "fields.h"
#include "git_ref.h"
#include "handlers.h"
#include "json.h"
#include "log.h"
#include "origin.h"

/* ---- create ---- */

struct wish {
	struct buf workspace, repo_key, branch;
};

static void wish_free(struct wish *w)
{
	buf_free(&w->workspace);
	buf_free(&w->repo_key);
	buf_free(&w->branch);
}

static enum status read_wish(struct request *req, struct wish *w)
{
	const struct field fields[] = { { "workspaceSlug", &w->workspace },
					{ "repoKey", &w->repo_key },
					{ "branch", &w->branch } };
	enum status status = fields_read(req, fields, 3);
	if (status == STATUS_OK)
		status = fields_check_workspace(req, buf_slice(&w->workspace));
	if (status == STATUS_OK)
		status = fields_check_repo_key(req, buf_slice(&w->repo_key));
	if (status != STATUS_OK)
		return status;
	if (!branch_valid(buf_slice(&w->branch)))
		return request_bad_field(req,
					 "Invalid branch: must be a branch's name as git takes it, of at most %d bytes",
					 BRANCH_MAX);
	return STATUS_OK;
}

static enum status need_credential(struct request *req, struct database *db, const struct wish *w)
{
	autocredential found = { 0 };
	const struct credential_place place = { buf_slice(&w->workspace), buf_slice(&w->repo_key) };
	enum status status = credential_find(req, db, &place, &found);
	return status == STATUS_OK && !found.usable ? STATUS_NO_CREDENTIAL : status;
}

/* Why there is no new sandbox. */
static enum status refused(struct request *req, struct slice why, long long in_use)
{
	if (slice_eq_str(why, "no_host"))
		return STATUS_NO_SANDBOX_HOST;
	if (slice_eq_str(why, "workspace_full")) {
		(void)request_bad_field(
			req,
			"This workspace has %lld sandboxes already, and may have %lld (SANDBOX_WORKSPACE_MAX): "
			"delete one, or wait until one expires",
			in_use, (long long)req->service->conf->sandbox_workspace_max);
		return STATUS_WORKSPACE_FULL;
	}
	(void)request_bad_field(
		req,
		"All sandbox hosts are full, their limit of %lld sandboxes is reached (SANDBOX_MAX on each): try "
		"again later",
		in_use);
	return STATUS_HOSTS_FULL;
}

static enum status make(struct request *req, struct database *db, const struct wish *w, struct buf *session)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	db_add_text(&params, buf_slice(&w->workspace));
	db_add_text(&params, buf_slice(&w->repo_key));
	db_add_text(&params, buf_slice(&w->branch));
	db_add_i64(&params, req->service->conf->sandbox_idle_timeout);
	db_add_i64(&params, req->service->conf->sandbox_workspace_max);
	db_add_text(&params, *req->id ? slice_of(req->id) : slice_make(NULL, 0));
	enum status status = database_change(db, req->route->statement, &params, slice_make(NULL, 0), &result, &stale);
	if (status == STATUS_OK && slice_eq_str(db_get(result, 0, 0), "ok"))
		buf_add_slice(session, db_get(result, 0, 1));
	else if (status == STATUS_OK)
		status = refused(req, db_get(result, 0, 0), db_get_i64(result, 0, 2));
	PQclear(result);
	return status;
}

static void answer_made(struct response *res, struct slice origin, const struct wish *w, struct slice session)
{
	autobuf url = { 0 }, body = { 0 };
	/* http becomes ws, https wss. */
	size_t http = strlen("http");
	buf_add_str(&url, "ws");
	buf_add_slice(&url, slice_make(origin.ptr + http, origin.len - http));
	buf_add_str(&url, "/workspace/");
	uri_encode(&url, buf_slice(&w->workspace));
	buf_add_str(&url, "/sandbox/ws/");
	buf_add_slice(&url, session);
	buf_add_str(&body, "{\"sessionId\":");
	json_encode(&body, session);
	buf_add_str(&body, ",\"sandboxId\":");
	json_encode(&body, slice_make(session.ptr, 8));
	buf_add_str(&body, ",\"wsUrl\":");
	json_encode(&body, buf_slice(&url));
	buf_add_char(&body, '}');
	response_json(res, 200, buf_slice(&body));
}

enum status sandbox_create_post(struct request *req, struct response *res, struct database *db)
{
	autocall(wish_free) struct wish wish = { 0 };
	autobuf origin = { 0 }, session = { 0 };
	enum status status = read_wish(req, &wish);
	if (status == STATUS_OK)
		status = origin_add(req, &origin);
	if (status == STATUS_OK)
		status = need_credential(req, db, &wish);
	if (status == STATUS_OK)
		status = make(req, db, &wish, &session);
	if (status != STATUS_OK)
		return status;
	/* craft-sandboxd's lines about it carry both ids. */
	log_info(req->id, "sandbox %s is asked for", buf_cstr(&session));
	answer_made(res, buf_slice(&origin), &wish, buf_slice(&session));
	return STATUS_OK;
}

/* ---- the others ---- */

enum status sandbox_status_get(struct request *req, struct response *res, struct database *db)
{
	enum status status = documents_get(req, res, db);
	return status == STATUS_NOT_FOUND ? STATUS_SANDBOX_NOT_FOUND : status;
}

static void answer_success(struct response *res)
{
	response_json(res, 200, SLICE_LIT("{\"success\":true}"));
}

/* Runs the route's statement on workspace and session, and answers by the one word that it returns. What is asked this
 * way may be asked twice, so that a lost connection is no error. */
static enum status change(struct request *req, struct response *res, struct database *db, struct db_params *params)
{
	const PGresult *row;
	enum status status = database_read(db, req->route->statement, params, &row);
	if (status != STATUS_OK)
		return status;
	struct slice word = row ? db_get(row, 0, 0) : slice_make(NULL, 0);
	bool ok = slice_eq_str(word, "ok"), expired = slice_eq_str(word, "expired");
	status = database_row(db, &row);
	if (status != STATUS_OK)
		return status;
	if (!ok)
		return expired ? STATUS_SANDBOX_EXPIRED : STATUS_SANDBOX_NOT_FOUND;
	answer_success(res);
	return STATUS_OK;
}

enum status sandbox_delete(struct request *req, struct response *res, struct database *db)
{
	struct db_params params = { 0 };
	db_add_text(&params, req->args[0]);
	db_add_text(&params, req->args[1]);
	enum status status = change(req, res, db, &params);
	if (status != STATUS_SANDBOX_NOT_FOUND)
		return status;
	/* What isn't there need not be ended. */
	answer_success(res);
	return STATUS_OK;
}

enum status sandbox_heartbeat_post(struct request *req, struct response *res, struct database *db)
{
	struct db_params params = { 0 };
	db_add_text(&params, req->args[0]);
	db_add_text(&params, req->args[1]);
	db_add_i64(&params, req->service->conf->sandbox_idle_timeout);
	return change(req, res, db, &params);
}
