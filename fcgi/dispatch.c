/* dispatch.c: what every request goes through, in one order: key, path, method, body, handler. */
#include "dispatch.h"

#include "auth.h"
#include "log.h"
#include "routes.h"

static bool has_access(const struct request *req, const struct route *route, const char *api_key)
{
	switch (auth_check(api_key, req->authorization, uri_query(req->target))) {
	case AUTH_OK:
		return true;
	case AUTH_NONE:
		return route && route->key == KEY_IF_SENT;
	case AUTH_WRONG:
		break;
	}
	return false;
}

/* A name beyond what can be stored is there for no reader, and no name for a writer. */
static enum status check_names(struct request *req)
{
	for (size_t i = 0; i < req->arg_count; i++) {
		if (req->args[i].len <= REQUEST_MAX_NAME)
			continue;
		if (req->method == METHOD_POST)
			return request_bad_field(req, "A name in the path is longer than %d bytes", REQUEST_MAX_NAME);
		return STATUS_NOT_FOUND;
	}
	return STATUS_OK;
}

static enum status route_request(struct request *req, struct response *res, const char *api_key)
{
	bool parsed = uri_path_parse(req->target, &req->path);
	struct route_match match = { 0 };
	if (parsed)
		route_find(&req->path, req->method, &match);
	/* First of all, so that a client without a key learns nothing, not even which paths there are. */
	if (!has_access(req, match.route, api_key))
		return STATUS_UNAUTHORIZED;
	if (!parsed)
		return STATUS_BAD_PATH;
	if (!match.allowed)
		return STATUS_NOT_FOUND;
	if (!match.route) {
		autobuf names = { 0 };
		method_names(match.allowed, &names);
		response_begin(res, status_http(STATUS_WRONG_METHOD), TYPE_JSON);
		response_header(res, "Allow", buf_slice(&names));
		response_error(res, status_http(STATUS_WRONG_METHOD), status_text(STATUS_WRONG_METHOD));
		return STATUS_OK;
	}
	req->route = match.route;
	req->arg_count = match.arg_count;
	memcpy(req->args, match.args, sizeof(req->args));
	return check_names(req);
}

static enum status run(struct request *req, struct response *res, struct database *db)
{
	if (req->route->body_limit) {
		enum status status = request_read_object(req, req->route->body_limit);
		if (status != STATUS_OK)
			return status;
	}
	return req->route->handler(req, res, db);
}

static void answer_error(struct request *req, struct response *res, enum status status)
{
	const char *text = status_text(status);
	if (status == STATUS_UNAUTHORIZED) {
		response_begin(res, status_http(status), TYPE_JSON);
		response_header(res, "WWW-Authenticate", SLICE_LIT("Bearer"));
	}
	response_error(res, status_http(status), text ? text : buf_cstr(&req->detail));
}

bool dispatch(struct request *req, struct response *res, struct database *db, const char *api_key)
{
	enum status status = route_request(req, res, api_key);
	if (status == STATUS_OK && req->route)
		status = run(req, res, db);
	if (status == STATUS_OK)
		return !res->gone;
	if (res->http && !response_take_back(res))
		return false;
	/* What broke before anything was out is a database that went away. */
	answer_error(req, res, status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status);
	return true;
}
