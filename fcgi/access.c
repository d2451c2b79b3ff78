/* access.c: keys and signatures. */
#include "access.h"

#include "api_key.h"
#include "bounds.h"
#include "clock.h"
#include "signature.h"
#include "workspace_keys.h"

/* ---- signatures ---- */

static bool has_files(const struct uri_path *path)
{
	return path->count > 0 && (slice_eq_str(path->seg[0], "files") || slice_eq_str(path->seg[0], "assets"));
}

/* STATUS_UNAUTHORIZED: there is none. A signature is for the decoded path. */
static enum status check_signature(const struct request *req, struct database *db)
{
	autobuf path = { 0 };
	struct signature signature;
	if (!has_files(&req->path))
		return STATUS_UNAUTHORIZED;
	uri_path_join(&req->path, 0, &path);
	enum signature_result result = signature_read(uri_query(req->target), clock_wall_s(), &signature);
	if (result != SIGNATURE_OK)
		return result == SIGNATURE_NONE ? STATUS_UNAUTHORIZED : STATUS_BAD_SIGNATURE;
	if (signature_is_ours(&req->service->keys, buf_slice(&path), &signature))
		return STATUS_OK;
	if (req->path.count < 2)
		return STATUS_BAD_SIGNATURE;
	bool may_ask = bounds_may_ask(req->service->bounds, request_param(req, "REMOTE_ADDR"), clock_ms());
	return workspace_keys_signed(req->service->workspace_keys, db, req->path.seg[1], may_ask, buf_slice(&path),
				     &signature);
}

/* ---- a workspace's key ---- */

enum status access_workspace(const struct request *req, struct slice workspace)
{
	bool opens = !req->key || slice_eq(workspace, buf_slice(&req->key->workspace));
	return opens ? STATUS_OK : STATUS_OTHER_WORKSPACE;
}

static enum status check_scope(const struct request *req, const struct route_match *match)
{
	switch (match->route->scope) {
	case SCOPE_ARGUMENT:
		return access_workspace(req, match->args[0]);
	case SCOPE_ANY:
	case SCOPE_PARAMETER:
		return STATUS_OK;
	case SCOPE_NONE:
		break;
	}
	return STATUS_OTHER_WORKSPACE;
}

/* nginx asks first whether an upload may come: that is the one that counts. */
static bool is_counted(const struct request *req)
{
	return req->check_only || req->method != METHOD_PUT;
}

static enum status check_limits(struct request *req, const struct route_match *match)
{
	const struct workspace_key *key = req->key;
	if (key->per_minute && is_counted(req) &&
	    !bounds_key(req->service->bounds, key->id, key->per_minute, clock_ms())) {
		int64_t wait = (60 + key->per_minute - 1) / key->per_minute;
		(void)request_bad_field(req,
					"Too many requests with this key, which may make %lld a minute: try "
					"again in %lld s",
					(long long)key->per_minute, (long long)wait);
		req->retry_after = wait;
		return STATUS_KEY_RATE;
	}
	if (!match->route)
		return STATUS_OK;
	enum status status = check_scope(req, match);
	if (status == STATUS_OK && key->read_only && match->route->effect != READS)
		return STATUS_READ_ONLY;
	return status;
}

/* STATUS_UNAUTHORIZED: it opens nothing. */
static enum status find_key(struct request *req, struct database *db)
{
	(void)buf_reserve(&req->key_text, API_KEY_LENGTH + 1);
	auth_given(req->authorization, uri_query(req->target), &req->key_text);
	bool may_ask = bounds_may_try(req->service->bounds, request_param(req, "REMOTE_ADDR"), clock_ms());
	enum status status =
		workspace_keys_find(req->service->workspace_keys, db, buf_slice(&req->key_text), may_ask, &req->key);
	req->has_key = req->key != NULL;
	return status == STATUS_OK && !req->key ? STATUS_UNAUTHORIZED : status;
}

/* ---- all ---- */

static enum status wrong_key(struct request *req)
{
	bool ok = bounds_wrong_key(req->service->bounds, request_param(req, "REMOTE_ADDR"), clock_ms());
	return ok ? STATUS_UNAUTHORIZED : STATUS_TOO_MANY_ATTEMPTS;
}

static enum status without_key(struct request *req, struct database *db, const struct route *route)
{
	enum status status = check_signature(req, db);
	if (status == STATUS_UNAUTHORIZED)
		return wrong_key(req);
	if (status == STATUS_OK && (!route || route->key != KEY_OR_SIGNATURE))
		status = STATUS_BAD_SIGNATURE;
	if (status == STATUS_BAD_SIGNATURE)
		bounds_count(req->service->bounds, LIMIT_BAD_SIGNATURE);
	return status;
}

static enum status check_access(struct request *req, struct database *db, const struct route_match *match)
{
	const struct route *route = match->route;
	if (route && route->key == KEY_NOT_ASKED)
		return STATUS_OK;
	enum auth_result key = auth_check(&req->service->keys, req->authorization, uri_query(req->target));
	req->has_key = key == AUTH_OK;
	if (req->has_key || (key == AUTH_NONE && route && route->key == KEY_IF_SENT))
		return STATUS_OK;
	if (key == AUTH_WORKSPACE) {
		enum status status = find_key(req, db);
		if (status == STATUS_OK)
			return check_limits(req, match);
		if (status != STATUS_UNAUTHORIZED)
			return status;
	}
	return without_key(req, db, route);
}

enum status access_check(struct request *req, struct database *db, const struct route_match *match)
{
	enum status status = check_access(req, db, match);
	if (status == STATUS_UNCHECKED)
		bounds_count(req->service->bounds, LIMIT_UNCHECKED);
	return status;
}
