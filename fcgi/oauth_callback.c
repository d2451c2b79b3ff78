/* oauth_callback.c: coming back from GitHub: the code becomes a credential, and the browser goes back to the app
 * (PROTOCOL section 5). */
#include "cleanup.h"
#include "clock.h"
#include "credential.h"
#include "github.h"
#include "handlers.h"
#include "oauth.h"
#include "oauth_consent.h"
#include "oauth_page.h"
#include "oauth_token.h"
#include "origin.h"
#include "query.h"
#include "redirect_uri.h"

#define MAX_CODE 512
#define MAX_OUTCOME 8192 /* bytes of a URL that is remembered */

/* Back to the app: "?error=…&repo=…", and where single sign-on begins when it is that. */
static void make_failure(struct buf *target, const struct oauth_grant *grant, const char *error, struct slice sso)
{
	buf_add_slice(target, grant->redirect_uri);
	redirect_uri_add(target, "error", slice_of(error));
	redirect_uri_add(target, "repo", grant->repo_key);
	if (sso.len)
		redirect_uri_add(target, "url", sso);
}

static void make_success(struct buf *target, const struct oauth_grant *grant, struct slice login)
{
	buf_add_slice(target, grant->redirect_uri);
	redirect_uri_add(target, "success", SLICE_LIT("true"));
	redirect_uri_add(target, "repo", grant->repo_key);
	redirect_uri_add(target, "username", login);
}

/* What GitHub granted, as it is asked for step by step. NULL: all of it is there, else the error's code. */
struct granted {
	struct github_grant grant;
	struct buf login, branch, sso;
	int64_t user_id;
};

static void granted_free(struct granted *g)
{
	github_grant_free(&g->grant);
	buf_free(&g->login);
	buf_free(&g->branch);
	buf_free(&g->sso);
}

/* Why the repository can't be read; a user can do something else about each. */
static const char *repo_error(enum github_result result)
{
	switch (result) {
	case GITHUB_OK:
		return NULL;
	case GITHUB_UNREACHABLE:
		return "internal_error";
	case GITHUB_LIMITED:
		return "rate_limited";
	case GITHUB_AWAY:
		return "github_unavailable";
	case GITHUB_SSO:
		return "sso_required";
	default:
		return "no_repo_access";
	}
}

static const char *ask_github(struct request *req, const struct oauth_grant *grant, struct slice code,
			      struct granted *g)
{
	autobuf callback = { 0 };
	struct github *github = service_github(req->service);
	if (!github || origin_add(req, &callback) != STATUS_OK)
		return "internal_error";
	buf_add_str(&callback, OAUTH_CALLBACK);
	if (github_exchange(github, req->id, code, buf_slice(&callback), &g->grant) != GITHUB_OK)
		return g->grant.error.len ? buf_cstr(&g->grant.error) : "token_exchange_failed";
	struct slice token = buf_slice(&g->grant.token);
	if (github_user(github, req->id, token, &g->login, &g->user_id) != GITHUB_OK)
		return "user_fetch_failed";
	enum github_result result = github_repo(github, req->id, token, grant->repo_key, GITHUB_TIMEOUT, &g->branch);
	if (result == GITHUB_SSO)
		buf_add_slice(&g->sso, github_sso(github));
	return repo_error(result);
}

static enum status store(struct request *req, struct database *db, const struct oauth_grant *grant,
			 const struct granted *g)
{
	autobuf url = { 0 };
	autotoken token = { .user_id = g->user_id, .authenticated_ms = clock_wall_ms() };
	const struct credential_place place = { grant->workspace, grant->repo_key };
	struct slice branch = g->branch.len ? buf_slice(&g->branch) : slice_make("", 0);
	buf_addf(&url, "%s/", req->service->conf->github_url);
	buf_add_slice(&url, grant->repo_key);
	buf_add_slice(&token.username, buf_slice(&g->login));
	github_token_take(&token, &g->grant, token.authenticated_ms);
	return credential_store(req, db, &place, buf_slice(&url), branch, &token);
}

/* For a page that is loaded again. Without it that page only has less to say. */
static void remember(struct database *db, const struct oauth_state *state, const struct buf *target)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	if (target->len > MAX_OUTCOME)
		return;
	db_add_text(&params, slice_make((const char *)state->nonce, sizeof(state->nonce)));
	db_add_text(&params, buf_slice(target));
	enum status status = database_change(db, SQL_OAUTH_OUTCOME, &params, slice_make(NULL, 0), &result, &stale);
	(void)status;
	PQclear(result);
}

static void finish(struct request *req, struct database *db, const struct oauth_grant *grant, struct slice code,
		   struct buf *target)
{
	autocall(granted_free) struct granted g = { 0 };
	const char *error = "internal_error";
	if (github_configured(req->service->conf))
		error = ask_github(req, grant, code, &g);
	if (!error && store(req, db, grant, &g) != STATUS_OK)
		error = "store_failed";
	if (error)
		make_failure(target, grant, error, g.sso.len ? buf_slice(&g.sso) : slice_make(NULL, 0));
	else
		make_success(target, grant, buf_slice(&g.login));
}

/* A state is good for one callback, wherever that arrives. */
static enum status use_state(struct request *req, struct database *db, const struct oauth_state *state, bool *first)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	db_add_text(&params, slice_make((const char *)state->nonce, sizeof(state->nonce)));
	db_add_i64(&params, state->expires * 1000);
	enum status status = database_change(db, req->route->statement, &params, slice_make(NULL, 0), &result, &stale);
	*first = status == STATUS_OK && db_get_bool(result, 0, 0);
	PQclear(result);
	return status;
}

/* Somebody loads the page again. Who looks at it in a browser is led to where he was sent before. */
static enum status used_before(struct request *req, struct response *res, struct database *db,
			       const struct oauth_state *state)
{
	const PGresult *row;
	autobuf outcome = { 0 };
	struct db_params params = { 0 };
	if (!oauth_is_browser(req))
		return request_bad_field(req, "This link was used already: begin again in the app");
	db_add_text(&params, slice_make((const char *)state->nonce, sizeof(state->nonce)));
	enum status status = database_read(db, SQL_OAUTH_OUTCOME_OF, &params, &row);
	if (status == STATUS_OK && row && db_get(row, 0, 0).len)
		buf_add_slice(&outcome, db_get(row, 0, 0));
	if (status == STATUS_OK)
		status = database_row(db, &row);
	return status == STATUS_OK ? oauth_page_used(req, res, &state->grant, &outcome) : status;
}

static enum status open_state(struct request *req, struct buf *text, struct oauth_state *state)
{
	switch (query_once(req, "state", text)) {
	case QUERY_OK:
		break;
	case QUERY_MISSING:
		return request_bad_field(req, "Missing code or state parameter");
	default:
		return request_bad_field(req, "Invalid state parameter");
	}
	switch (oauth_state_open(req->service->seal_keys, req->service->seal_key_count, buf_slice(text), clock_wall_s(),
				 state)) {
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

/* Does this browser's user know for whom he grants access? He was asked before he went to GitHub, or he is now: whoever
 * resolves the link himself, and sends another one to GitHub, gets him no further than here. */
static bool knows(struct request *req, const struct oauth_state *state, struct slice text, const struct buf *consent)
{
	return state->kind == OAUTH_STATE_OWN || !oauth_is_browser(req) || oauth_consent_proved(req, text) ||
	       oauth_consent_given(req, &state->grant, consent);
}

static enum status ask_user(struct request *req, struct response *res, const struct oauth_state *state,
			    struct slice text, const struct buf *code)
{
	autobuf target = { 0 }, browser = { 0 };
	enum status status = origin_add(req, &target);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&target, OAUTH_CALLBACK);
	redirect_uri_add(&target, "code", buf_slice(code));
	redirect_uri_add(&target, "state", text);
	status = oauth_consent_add(req, &state->grant, &target, &browser);
	if (status != STATUS_OK)
		return status;
	return oauth_page_consent(req, res, &state->grant, buf_slice(&target), buf_slice(&browser), true);
}

struct callback {
	struct oauth_state state;
	struct buf text, code, error, consent; /* of the query */
	bool has_error;
};

static void callback_free(struct callback *c)
{
	oauth_state_free(&c->state);
	buf_free(&c->text);
	buf_wipe(&c->code);
	buf_free(&c->error);
	buf_free(&c->consent);
}

static enum status read_callback(struct request *req, struct callback *c)
{
	enum status status = open_state(req, &c->text, &c->state);
	if (status != STATUS_OK)
		return status;
	enum query_result error = query_once(req, "error", &c->error), code = query_once(req, "code", &c->code);
	if (error == QUERY_MISSING && code == QUERY_MISSING)
		return request_bad_field(req, "Missing code or state parameter");
	if (error > QUERY_MISSING || code > QUERY_MISSING || c->code.len > MAX_CODE)
		return request_bad_field(req, "Invalid code parameter");
	if (query_once(req, "consent", &c->consent) > QUERY_MISSING)
		return request_bad_field(req, "Invalid consent parameter");
	c->has_error = error == QUERY_OK;
	return STATUS_OK;
}

enum status oauth_callback(struct request *req, struct response *res, struct database *db)
{
	autocall(callback_free) struct callback c = { 0 };
	autobuf target = { 0 };
	bool first = false;
	if (oauth_is_ahead(req))
		return STATUS_AHEAD;
	enum status status = read_callback(req, &c);
	if (status != STATUS_OK)
		return status;
	if (!c.has_error && !knows(req, &c.state, buf_slice(&c.text), &c.consent))
		return ask_user(req, res, &c.state, buf_slice(&c.text), &c.code);
	status = use_state(req, db, &c.state, &first);
	if (status != STATUS_OK)
		return status;
	if (!first)
		return used_before(req, res, db, &c.state);
	if (c.has_error)
		make_failure(&target, &c.state.grant, error_code(&c.error), slice_make(NULL, 0));
	else
		finish(req, db, &c.state.grant, buf_slice(&c.code), &target);
	remember(db, &c.state, &target);
	oauth_redirect(res, &target);
	return STATUS_OK;
}
