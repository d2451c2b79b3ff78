/* dispatch.c: what every request goes through, in one order: key, path, method, names and headers, body, handler. */
#include "dispatch.h"

#include <stdlib.h>

#include "access.h"
#include "bounds.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "routes.h"
#include "seats.h"
#include "underway.h"
#include "workspace_keys.h"

#define SEAT_STEP 2	    /* ms between two questions for a worker that the workspace may have, */
#define SEAT_LONG_STEP 20   /* or so many while it has long requests */
#define SEAT_PATIENCE 20000 /* ms that a request waits for one */
#define SEAT_WAITERS 256    /* requests that wait in one worker for theirs */

/* ---- the route ---- */

/* A name beyond what can be stored is there for no reader, and no name for a writer. */
static enum status check_names(struct request *req)
{
	for (size_t i = 0; i < req->arg_count; i++) {
		enum status status = request_check_name(req, "name in the path", req->args[i]);
		if (status != STATUS_OK)
			return status;
		if (req->args[i].len <= REQUEST_MAX_NAME)
			continue;
		if (req->method == METHOD_POST)
			return request_bad_field(req, "A name in the path is longer than %d bytes", REQUEST_MAX_NAME);
		return STATUS_NOT_FOUND;
	}
	return STATUS_OK;
}

static enum status find_route(struct request *req, struct database *db, unsigned *allowed)
{
	bool parsed = uri_path_parse(req->target, &req->path);
	struct route_match match = { 0 };
	if (parsed)
		route_find(&req->path, req->method, &match);
	/* First of all, so that a client without a key learns nothing, not even which paths there are. */
	enum status status = access_check(req, db, &match);
	if (status != STATUS_OK)
		return status;
	if (!parsed)
		return STATUS_BAD_PATH;
	*allowed = match.allowed;
	if (!match.route)
		return match.allowed ? STATUS_WRONG_METHOD : STATUS_NOT_FOUND;
	route_take(&match, req);
	return STATUS_OK;
}

/* ---- answers ---- */

/* When to come again. */
static void add_retry(const struct request *req, struct response *res, enum status status)
{
	int64_t wait = req->retry_after ? req->retry_after : status_retry_after(status);
	autobuf seconds = { 0 };
	if (!wait)
		return;
	buf_add_i64(&seconds, wait);
	response_header(res, HEADER_RETRY_AFTER, buf_slice(&seconds));
}

/* Headers that go with an error. */
static void add_advice(const struct request *req, struct response *res, enum status status, unsigned allowed)
{
	if (status == STATUS_UNAUTHORIZED)
		response_header(res, HEADER_WWW_AUTHENTICATE, SLICE_LIT("Bearer"));
	add_retry(req, res, status);
	if (status != STATUS_WRONG_METHOD)
		return;
	autobuf names = { 0 };
	method_names(allowed, &names);
	response_header(res, HEADER_ALLOW, buf_slice(&names));
}

static const char *error_text(struct request *req, enum status status)
{
	const char *text = status_text(status);
	return text ? text : buf_cstr(&req->detail);
}

static void answer_error(struct request *req, struct response *res, enum status status, unsigned allowed)
{
	response_begin(res, status_http(status), TYPE_JSON);
	add_advice(req, res, status, allowed);
	response_error(res, status_http(status), error_text(req, status));
}

/* nginx tells the client in our place, so that it needn't take the body first. */
static void answer_check(struct request *req, struct response *res, enum status status, unsigned allowed)
{
	autobuf text = { 0 }, http = { 0 };
	if (status == STATUS_OK) {
		response_begin(res, 204, NULL);
		return;
	}
	buf_add_str(&text, "{\"error\":");
	json_encode(&text, slice_of(error_text(req, status)));
	buf_add_char(&text, '}');
	buf_addf(&http, "%d", status_http(status));
	response_begin(res, 403, TYPE_JSON);
	res->refusal = status_http(status);
	response_header(res, HEADER_CRAFT_REFUSAL, buf_slice(&http));
	response_header(res, HEADER_CRAFT_REFUSAL_TEXT, buf_slice(&text));
	add_advice(req, res, status, allowed);
}

/* nginx writes the status of what it asks last into its access log: it gets the upload's own back. */
static void answer_ended(struct request *req, struct response *res)
{
	autobuf text = { 0 };
	struct slice status = request_param(req, "CRAFT_STATUS");
	bool known = status.len == 3 && *status.ptr >= '2' && *status.ptr <= '5';
	buf_add_slice(&text, known ? status : SLICE_LIT("499"));
	underway_end(bounds_underway(req->service->bounds), slice_of(req->id));
	response_begin(res, atoi(buf_cstr(&text)), NULL);
}

static enum status run(struct request *req, struct response *res, struct database *db)
{
	if (req->route->body_limit) {
		enum status status = request_read_object(req, req->route->body_limit, false);
		if (status != STATUS_OK)
			return status;
	}
	return req->route->handler(req, res, db);
}

/* ---- a worker for the workspace ---- */

static void end_waiting(struct request *req)
{
	if (!req->seat_until)
		return;
	req->service->seat_waiters--;
	req->seat_until = 0;
}

static enum status run_seated(struct request *req, struct response *res, struct database *db);

/* Its workspace has its half of the workers. The more wait, the less often each asks. */
static enum status wait_for_seat(struct request *req, int64_t step)
{
	struct service *service = req->service;
	int64_t now = clock_ms();
	bool full = !req->seat_until && service->seat_waiters >= SEAT_WAITERS;
	bool late = req->seat_until && req->seat_until < now;
	if (full || late) {
		end_waiting(req);
		bounds_count(service->bounds, LIMIT_SEATS);
		return STATUS_NO_SEAT;
	}
	if (!req->seat_until) {
		service->seat_waiters++;
		req->seat_until = now + SEAT_PATIENCE;
	}
	request_wait(req, step + (int64_t)service->seat_waiters / 2, (struct request_rest){ .resume = run_seated });
	return STATUS_OK;
}

static enum status run_seated(struct request *req, struct response *res, struct database *db)
{
	struct service *service = req->service;
	if (req->seat_until && request_is_abandoned(req)) {
		end_waiting(req);
		res->gone = true;
		return STATUS_OK;
	}
	enum seat seat = SEAT_TAKEN;
	if (req->has_workspace)
		seat = seats_take(service->seats, service->seat, res->out.share.workspace, clock_ms());
	if (seat != SEAT_TAKEN)
		return wait_for_seat(req, seat == SEAT_SOON ? SEAT_STEP : SEAT_LONG_STEP);
	end_waiting(req);
	return run(req, res, db);
}

/* Whose request is it? A workspace's key says so, or the path. */
static void note_workspace(struct request *req, struct response *res)
{
	bool named = req->route && req->route->scope == SCOPE_ARGUMENT;
	req->has_workspace = req->key || named;
	if (req->has_workspace)
		response_for(res, req->key ? buf_slice(&req->key->workspace) : req->args[0]);
}

/* The answer, unless the handler wrote it. */
static bool conclude(struct request *req, struct response *res, enum status status, unsigned allowed)
{
	if (res->full) {
		bounds_count(req->service->bounds, LIMIT_SPOOL);
		status = STATUS_ANSWERS_UNREAD;
	}
	if (res->unclean) {
		log_error(req->id, "a control byte was to go into the header %s", res->unclean);
		status = STATUS_INTERNAL;
	}
	if (status == STATUS_OK)
		return !res->gone;
	if (res->http && !response_take_back(res))
		return false;
	/* What broke before anything was out is a database that went away. */
	answer_error(req, res, status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status, allowed);
	return true;
}

bool dispatch_rest(struct request *req, struct response *res, struct database *db)
{
	struct request_rest rest = req->rest_to_do;
	req->rest_to_do.resume = NULL;
	return conclude(req, res, rest.resume(req, res, db), 0);
}

bool dispatch(struct request *req, struct response *res, struct database *db)
{
	unsigned allowed = 0;
	if (req->ended_only) {
		answer_ended(req, res);
		return true;
	}
	enum status status = find_route(req, db, &allowed);
	note_workspace(req, res);
	if (status == STATUS_OK)
		status = req->route->check ? req->route->check(req, db) : check_names(req);
	if (req->check_only) {
		answer_check(req, res, status, allowed);
		return true;
	}
	if (status == STATUS_OK)
		status = run_seated(req, res, db);
	return conclude(req, res, status, allowed);
}
