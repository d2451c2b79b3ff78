/* sandbox_check.c: is everything there for a sandbox of a repository? (PROTOCOL section 6) */
#include "cleanup.h"
#include "clock.h"
#include "credential.h"
#include "fields.h"
#include "github.h"
#include "handlers.h"
#include "json.h"
#include "log.h"
#include "oauth_token.h"
#include "origin.h"
#include "repo_key.h"

#define REDIRECT_URI "craft-agent://oauth/callback"
#define CHECK_EVERY 300000 /* ms for which GitHub's last word on a credential counts */
#define CHECK_TIMEOUT 5000 /* ms: a user waits */
#define MAX_URL 2048

struct wish {
	struct buf workspace, repo_key, repo_url;
};

static void wish_free(struct wish *w)
{
	buf_free(&w->workspace);
	buf_free(&w->repo_key);
	buf_free(&w->repo_url);
}

static enum status read_wish(struct request *req, struct wish *w)
{
	const struct field fields[] = { { "workspaceSlug", &w->workspace },
					{ "repoKey", &w->repo_key },
					{ "repoUrl", &w->repo_url } };
	return fields_read(req, fields, 3);
}

static enum status check_wish(struct request *req, const struct wish *w)
{
	enum status status = fields_check_workspace(req, buf_slice(&w->workspace));
	if (status == STATUS_OK)
		status = fields_check_repo_key(req, buf_slice(&w->repo_key));
	if (status != STATUS_OK)
		return status;
	if (w->repo_url.len > MAX_URL ||
	    !repo_url_names(buf_slice(&w->repo_url), req->service->conf->github_url, buf_slice(&w->repo_key)))
		return request_bad_field(req, "Invalid repoUrl: must be the https or ssh URL of that repository on %s",
					 req->service->conf->github_url);
	return STATUS_OK;
}

static enum status remember(struct request *req, struct database *db, const struct wish *w)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	db_add_text(&params, buf_slice(&w->workspace));
	db_add_text(&params, buf_slice(&w->repo_key));
	db_add_text(&params, buf_slice(&w->repo_url));
	enum status status = database_change(db, req->route->statement, &params, slice_make(NULL, 0), &result, &stale);
	PQclear(result);
	return status;
}

/* Asks GitHub from time to time. Only a clear refusal counts: while GitHub is away, what was good is taken for good. */
static enum status confirm(struct request *req, struct database *db, const struct wish *w,
			   struct credential_found *found)
{
	struct slice workspace = buf_slice(&w->workspace), repo_key = buf_slice(&w->repo_key);
	struct github *github = service_github(req->service);
	if (!found->usable || !github || clock_wall_s() * 1000 - found->checked_ms < CHECK_EVERY)
		return STATUS_OK;
	switch (github_repo(github, req->id, buf_slice(&found->token), repo_key, CHECK_TIMEOUT, NULL)) {
	case GITHUB_OK:
		return credential_note(db, workspace, repo_key, found, true);
	case GITHUB_REFUSED:
		found->usable = false;
		return credential_note(db, workspace, repo_key, found, false);
	default:
		return STATUS_OK;
	}
}

static void add_parameter(struct buf *url, const char *name, struct slice value)
{
	buf_add_str(url, name);
	uri_encode(url, value);
}

static enum status answer_needs_auth(struct request *req, struct response *res, const struct wish *w)
{
	autobuf url = { 0 }, ticket = { 0 }, body = { 0 };
	struct oauth_grant grant = { buf_slice(&w->workspace), buf_slice(&w->repo_key), SLICE_LIT(REDIRECT_URI) };
	enum status status = origin_add(req, &url);
	if (status != STATUS_OK)
		return status;
	if (!oauth_ticket_make(&req->service->seal_keys[0], &grant, clock_wall_s() + OAUTH_TICKET_TIME, &ticket)) {
		log_error(req->id, "making an OAuth ticket failed");
		return STATUS_INTERNAL;
	}
	buf_add_str(&url, "/oauth/github");
	add_parameter(&url, "?workspaceSlug=", grant.workspace);
	add_parameter(&url, "&repoKey=", grant.repo_key);
	add_parameter(&url, "&redirectUri=", grant.redirect_uri);
	add_parameter(&url, "&ticket=", buf_slice(&ticket));
	buf_add_str(&body, "{\"ready\":false,\"needsAuth\":true,\"authUrl\":");
	json_encode(&body, buf_slice(&url));
	buf_add_char(&body, '}');
	response_json(res, 200, buf_slice(&body));
	return STATUS_OK;
}

enum status sandbox_check_post(struct request *req, struct response *res, struct database *db)
{
	autocall(wish_free) struct wish wish = { 0 };
	autocredential found = { 0 };
	enum status status = read_wish(req, &wish);
	if (status == STATUS_OK)
		status = check_wish(req, &wish);
	if (status == STATUS_OK)
		status = remember(req, db, &wish);
	if (status == STATUS_OK)
		status = credential_find(req, db, buf_slice(&wish.workspace), buf_slice(&wish.repo_key), &found);
	if (status == STATUS_OK)
		status = confirm(req, db, &wish, &found);
	if (status != STATUS_OK)
		return status;
	if (!found.usable)
		return answer_needs_auth(req, res, &wish);
	response_json(res, 200, SLICE_LIT("{\"ready\":true}"));
	return STATUS_OK;
}
