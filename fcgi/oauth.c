/* oauth.c: GitHub's consent: sending the user there, and what comes back (PROTOCOL section 5). */
#include "access.h"
#include "cleanup.h"
#include "clock.h"
#include "credential.h"
#include "fields.h"
#include "github.h"
#include "handlers.h"
#include "log.h"
#include "oauth_token.h"
#include "origin.h"
#include "query.h"
#include "redirect_uri.h"

#define CALLBACK "/oauth/github/callback"
#define MAX_CODE 512

static struct slice text_of(const struct buf *b)
{
	return b->len ? buf_slice(b) : slice_make("", 0);
}

static void redirect(struct response *res, const struct buf *target)
{
	response_begin(res, 302, NULL);
	response_header(res, HEADER_LOCATION, buf_slice(target));
	response_header(res, HEADER_CACHE_CONTROL, SLICE_LIT("no-store"));
	response_header(res, HEADER_REFERRER_POLICY, SLICE_LIT("no-referrer"));
}

/* ---- there ---- */

struct start {
	struct buf workspace, repo_key, redirect_uri, ticket;
};

static void start_free(struct start *s)
{
	buf_free(&s->workspace);
	buf_free(&s->repo_key);
	buf_free(&s->redirect_uri);
	buf_free(&s->ticket);
}

static enum status read_start(struct request *req, struct start *s)
{
	struct {
		const char *name;
		struct buf *value;
	} wanted[] = { { "workspaceSlug", &s->workspace },
		       { "repoKey", &s->repo_key },
		       { "redirectUri", &s->redirect_uri },
		       { "ticket", &s->ticket } };
	bool missing = false;
	for (size_t i = 0; i < 4; i++) {
		enum query_result result = query_once(req, wanted[i].name, wanted[i].value);
		if (result == QUERY_REPEATED || result == QUERY_MALFORMED)
			return request_bad_field(req, "The parameter %s is %s", wanted[i].name,
						 result == QUERY_REPEATED ? "there twice" : "malformed");
		missing |= result == QUERY_MISSING && i < 3;
	}
	if (missing)
		return request_bad_field(req, "Missing required parameters: workspaceSlug, repoKey, redirectUri");
	return STATUS_OK;
}

static enum status check_start(struct request *req, const struct start *s)
{
	if (s->workspace.len > OAUTH_WORKSPACE_MAX)
		return request_bad_field(req, "Invalid workspaceSlug: longer than %d bytes", OAUTH_WORKSPACE_MAX);
	enum status status = request_check_name(req, "workspaceSlug", buf_slice(&s->workspace));
	if (status == STATUS_OK)
		status = fields_check_repo_key(req, buf_slice(&s->repo_key));
	if (status != STATUS_OK)
		return status;
	if (!redirect_uri_allowed(buf_slice(&s->redirect_uri), req->service->conf->oauth_redirect_allow))
		return request_bad_field(req, "Invalid redirectUri: must be craft-agent://…, http://localhost…, "
					      "http://127.0.0.1… or one that this server allows");
	return access_workspace(req, buf_slice(&s->workspace));
}

static struct oauth_grant grant_of(const struct start *s)
{
	return (struct oauth_grant){ buf_slice(&s->workspace), buf_slice(&s->repo_key), buf_slice(&s->redirect_uri) };
}

static bool has_ticket(const struct request *req, const struct start *s)
{
	struct oauth_grant grant = grant_of(s);
	return s->ticket.len && oauth_ticket_check(req->service->seal_keys, req->service->seal_key_count, &grant,
						   buf_slice(&s->ticket), clock_wall_s());
}

static enum status send_to_github(struct request *req, struct response *res, const struct start *s)
{
	autobuf target = { 0 }, callback = { 0 }, state = { 0 };
	struct oauth_grant grant = grant_of(s);
	enum status status = origin_add(req, &callback);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&callback, CALLBACK);
	if (!oauth_state_make(&req->service->seal_keys[0], &grant, clock_wall_s() + OAUTH_STATE_TIME, &state)) {
		log_error(req->id, "making an OAuth state failed");
		return STATUS_INTERNAL;
	}
	buf_addf(&target, "%s/login/oauth/authorize", req->service->conf->github_url);
	redirect_uri_add(&target, "client_id", slice_of(req->service->conf->github_client_id));
	redirect_uri_add(&target, "redirect_uri", buf_slice(&callback));
	redirect_uri_add(&target, "scope", SLICE_LIT("repo"));
	redirect_uri_add(&target, "state", buf_slice(&state));
	redirect(res, &target);
	return STATUS_OK;
}

enum status oauth_start(struct request *req, struct response *res, struct database *db)
{
	(void)db;
	autocall(start_free) struct start start = { 0 };
	enum status status = read_start(req, &start);
	if (status == STATUS_OK)
		status = check_start(req, &start);
	if (status != STATUS_OK)
		return status;
	if (!req->has_key && !has_ticket(req, &start))
		return STATUS_TICKET_NEEDED;
	if (!github_configured(req->service->conf))
		return STATUS_GITHUB_NOT_CONFIGURED;
	return send_to_github(req, res, &start);
}

/* ---- and back ---- */

/* Back to the app: "?error=…&repo=…". */
static enum status answer_failure(struct response *res, const struct oauth_grant *grant, const char *error)
{
	autobuf target = { 0 };
	buf_add_slice(&target, grant->redirect_uri);
	redirect_uri_add(&target, "error", slice_of(error));
	redirect_uri_add(&target, "repo", grant->repo_key);
	redirect(res, &target);
	return STATUS_OK;
}

static enum status answer_success(struct response *res, const struct oauth_grant *grant, struct slice login)
{
	autobuf target = { 0 };
	buf_add_slice(&target, grant->redirect_uri);
	redirect_uri_add(&target, "success", SLICE_LIT("true"));
	redirect_uri_add(&target, "repo", grant->repo_key);
	redirect_uri_add(&target, "username", login);
	redirect(res, &target);
	return STATUS_OK;
}

/* What GitHub granted, as it is asked for step by step. NULL: all of it is there, else the error's code. */
struct granted {
	struct github_grant grant;
	struct buf login, branch;
	int64_t user_id;
};

static void granted_free(struct granted *g)
{
	github_grant_free(&g->grant);
	buf_free(&g->login);
	buf_free(&g->branch);
}

static const char *ask_github(struct request *req, const struct oauth_grant *grant, struct slice code,
			      struct granted *g)
{
	autobuf callback = { 0 };
	struct github *github = service_github(req->service);
	if (!github || origin_add(req, &callback) != STATUS_OK)
		return "internal_error";
	buf_add_str(&callback, CALLBACK);
	if (github_exchange(github, req->id, code, buf_slice(&callback), &g->grant) != GITHUB_OK)
		return g->grant.error.len ? buf_cstr(&g->grant.error) : "token_exchange_failed";
	struct slice token = buf_slice(&g->grant.token);
	if (github_user(github, req->id, token, &g->login, &g->user_id) != GITHUB_OK)
		return "user_fetch_failed";
	switch (github_repo(github, req->id, token, grant->repo_key, GITHUB_TIMEOUT, &g->branch)) {
	case GITHUB_OK:
		return NULL;
	case GITHUB_UNREACHABLE:
		return "internal_error";
	default:
		return "no_repo_access";
	}
}

static enum status store(struct request *req, struct database *db, const struct oauth_grant *grant,
			 const struct granted *g)
{
	autobuf url = { 0 };
	buf_addf(&url, "%s/", req->service->conf->github_url);
	buf_add_slice(&url, grant->repo_key);
	const struct credential credential = {
		.workspace = grant->workspace,
		.repo_key = grant->repo_key,
		.repo_url = buf_slice(&url),
		.branch = buf_slice(&g->branch),
		.token = buf_slice(&g->grant.token),
		.username = buf_slice(&g->login),
		.scope = text_of(&g->grant.scope),
		.user_id = g->user_id,
	};
	return credential_store(req, db, &credential);
}

static enum status finish(struct request *req, struct response *res, struct database *db,
			  const struct oauth_grant *grant, struct slice code)
{
	autocall(granted_free) struct granted g = { 0 };
	if (!github_configured(req->service->conf))
		return answer_failure(res, grant, "internal_error");
	const char *error = ask_github(req, grant, code, &g);
	if (!error && store(req, db, grant, &g) != STATUS_OK)
		error = "store_failed";
	return error ? answer_failure(res, grant, error) : answer_success(res, grant, buf_slice(&g.login));
}

/* A state is good for one callback, wherever that arrives. */
static enum status use_state(struct request *req, struct database *db, const struct oauth_state *state)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	db_add_text(&params, slice_make((const char *)state->nonce, sizeof(state->nonce)));
	db_add_i64(&params, state->expires * 1000);
	enum status status = database_change(db, req->route->statement, &params, slice_make(NULL, 0), &result, &stale);
	if (status == STATUS_OK && !db_get_bool(result, 0, 0))
		status = request_bad_field(req, "This link was used already: begin again in the app");
	PQclear(result);
	return status;
}

static enum status open_state(struct request *req, struct oauth_state *state)
{
	autobuf text = { 0 };
	switch (query_once(req, "state", &text)) {
	case QUERY_OK:
		break;
	case QUERY_MISSING:
		return request_bad_field(req, "Missing code or state parameter");
	default:
		return request_bad_field(req, "Invalid state parameter");
	}
	switch (oauth_state_open(req->service->seal_keys, req->service->seal_key_count, buf_slice(&text),
				 clock_wall_s(), state)) {
	case OAUTH_STATE_OK:
		return STATUS_OK;
	case OAUTH_STATE_EXPIRED:
		return request_bad_field(req, "This link has expired: begin again in the app");
	case OAUTH_STATE_BAD:
		break;
	}
	return request_bad_field(req, "Invalid state parameter");
}

/* GitHub's codes are words; what isn't one is not passed on. */
static const char *error_code(struct buf *error)
{
	const char *text = buf_cstr(error);
	bool word = error->len <= 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz_") == error->len;
	return word ? text : "access_denied";
}

enum status oauth_callback(struct request *req, struct response *res, struct database *db)
{
	autocall(oauth_state_free) struct oauth_state state = { 0 };
	autobuf code = { 0 }, error = { 0 };
	enum status status = open_state(req, &state);
	if (status != STATUS_OK)
		return status;
	enum query_result has_error = query_once(req, "error", &error), has_code = query_once(req, "code", &code);
	if (has_error == QUERY_MISSING && has_code == QUERY_MISSING)
		return request_bad_field(req, "Missing code or state parameter");
	if (has_error > QUERY_MISSING || has_code > QUERY_MISSING || code.len > MAX_CODE)
		return request_bad_field(req, "Invalid code parameter");
	status = use_state(req, db, &state);
	if (status != STATUS_OK)
		return status;
	if (has_error == QUERY_OK)
		return answer_failure(res, &state.grant, error_code(&error));
	return finish(req, res, db, &state.grant, buf_slice(&code));
}
