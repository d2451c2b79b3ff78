/* oauth_start.c: sending a user to GitHub, after a page that says for what (PROTOCOL section 5). */
#include "access.h"
#include "cleanup.h"
#include "clock.h"
#include "fields.h"
#include "github.h"
#include "handlers.h"
#include "log.h"
#include "oauth.h"
#include "oauth_consent.h"
#include "oauth_page.h"
#include "oauth_token.h"
#include "origin.h"
#include "query.h"
#include "redirect_uri.h"

struct start {
	struct buf workspace, repo_key, redirect_uri, ticket, consent;
};

static void start_free(struct start *s)
{
	buf_free(&s->workspace);
	buf_free(&s->repo_key);
	buf_free(&s->redirect_uri);
	buf_free(&s->ticket);
	buf_free(&s->consent);
}

static enum status read_start(struct request *req, struct start *s)
{
	struct {
		const char *name;
		struct buf *value;
	} wanted[] = { { "workspaceSlug", &s->workspace },
		       { "repoKey", &s->repo_key },
		       { "redirectUri", &s->redirect_uri },
		       { "ticket", &s->ticket },
		       { "consent", &s->consent } };
	bool missing = false;
	for (size_t i = 0; i < 5; i++) {
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
					      "http://127.0.0.1…, http://[::1]… or one that this server allows");
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

/* Who has API_KEY opens every workspace anyway; all others may have sent the link to somebody else. */
static enum oauth_state_kind kind_of(const struct request *req)
{
	return req->has_key && !req->key ? OAUTH_STATE_OWN : OAUTH_STATE_ASKED;
}

static enum status make_state(struct request *req, const struct start *s, struct buf *state)
{
	struct oauth_grant grant = grant_of(s);
	if (oauth_state_make(&req->service->seal_keys[0], kind_of(req), &grant, clock_wall_s() + OAUTH_STATE_TIME,
			     state))
		return STATUS_OK;
	log_error(req->id, "making an OAuth state failed");
	return STATUS_INTERNAL;
}

/* consented: in this browser, which is told from others by a cookie when it comes back. */
static enum status send_to_github(struct request *req, struct response *res, const struct start *s, bool consented)
{
	autobuf target = { 0 }, callback = { 0 }, state = { 0 };
	enum status status = origin_add(req, &callback);
	if (status == STATUS_OK)
		status = make_state(req, s, &state);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&callback, OAUTH_CALLBACK);
	buf_addf(&target, "%s/login/oauth/authorize", req->service->conf->github_url);
	redirect_uri_add(&target, "client_id", slice_of(req->service->conf->github_client_id));
	redirect_uri_add(&target, "redirect_uri", buf_slice(&callback));
	redirect_uri_add(&target, "scope", SLICE_LIT("repo"));
	redirect_uri_add(&target, "state", buf_slice(&state));
	oauth_redirect(res, &target);
	return consented ? oauth_consent_prove(req, res, buf_slice(&state)) : STATUS_OK;
}

/* The link of the page's button: the same request, with the consent in place of a ticket or key. */
static enum status ask_user(struct request *req, struct response *res, const struct start *s)
{
	autobuf target = { 0 }, browser = { 0 };
	struct oauth_grant grant = grant_of(s);
	enum status status = origin_add(req, &target);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&target, OAUTH_START);
	redirect_uri_add(&target, "workspaceSlug", grant.workspace);
	redirect_uri_add(&target, "repoKey", grant.repo_key);
	redirect_uri_add(&target, "redirectUri", grant.redirect_uri);
	status = oauth_consent_add(req, &grant, &target, &browser);
	if (status != STATUS_OK)
		return status;
	return oauth_page_consent(req, res, &grant, buf_slice(&target), buf_slice(&browser), false);
}

enum status oauth_start(struct request *req, struct response *res, struct database *db)
{
	(void)db;
	autocall(start_free) struct start start = { 0 };
	if (oauth_is_ahead(req))
		return STATUS_AHEAD;
	enum status status = read_start(req, &start);
	if (status == STATUS_OK)
		status = check_start(req, &start);
	if (status != STATUS_OK)
		return status;
	struct oauth_grant grant = grant_of(&start);
	bool consented = oauth_consent_given(req, &grant, &start.consent);
	if (!req->has_key && !consented && !has_ticket(req, &start))
		return STATUS_TICKET_NEEDED;
	if (!github_configured(req->service->conf))
		return STATUS_GITHUB_NOT_CONFIGURED;
	if (oauth_is_browser(req) && !consented)
		return ask_user(req, res, &start);
	return send_to_github(req, res, &start, consented);
}
