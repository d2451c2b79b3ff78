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
#define CHECK_EVERY 300000	/* ms for which GitHub's last word on a credential counts */
#define CHECK_DENIED_EVERY 2000 /* ms for which it counts that a repository can't be seen */
#define CHECK_TIMEOUT 5000	/* ms: a user waits */
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

static struct credential_place place_of(const struct wish *w)
{
	return (struct credential_place){ buf_slice(&w->workspace), buf_slice(&w->repo_key) };
}

/* A token that was refused may have been renewed by another process just now, or can be by us. */
static enum status ask_again(struct request *req, struct database *db, const struct credential_place *place,
			     struct credential_found *found, enum github_result *word)
{
	enum status status = credential_renew(req, db, place, found);
	if (status != STATUS_OK || !found->usable)
		return status;
	*word = github_repo(service_github(req->service), req->id, buf_slice(&found->token.access), place->repo_key,
			    CHECK_TIMEOUT, NULL);
	return STATUS_OK;
}

/* GitHub's word on the repository. Only what it says clearly counts: while it is away, or answers nobody because of too
 * many requests, what was good is taken for good. */
static enum status ask_github(struct request *req, struct database *db, const struct credential_place *place,
			      struct credential_found *found, struct buf *sso)
{
	struct github *github = service_github(req->service);
	if (!github)
		return STATUS_OK;
	enum status status = STATUS_OK;
	enum github_result word =
		github_repo(github, req->id, buf_slice(&found->token.access), place->repo_key, CHECK_TIMEOUT, NULL);
	if (word == GITHUB_REFUSED && found->token.refresh.len)
		status = ask_again(req, db, place, found, &word);
	if (status != STATUS_OK)
		return status;
	if (word == GITHUB_SSO)
		buf_add_slice(sso, github_sso(github));
	if (word == GITHUB_OK)
		found->usable = true;
	else if (word == GITHUB_REFUSED || word == GITHUB_NO_ACCESS || word == GITHUB_SSO)
		found->usable = false;
	found->denied = word == GITHUB_NO_ACCESS || word == GITHUB_SSO;
	return credential_note(db, place, found, word);
}

/* Asks GitHub from time to time; sooner where a user may just have mended what GitHub said no to. */
static enum status confirm(struct request *req, struct database *db, const struct wish *w,
			   struct credential_found *found, struct buf *sso)
{
	const struct credential_place place = place_of(w);
	int64_t now = clock_wall_ms(), age = now - found->checked_ms;
	if (!found->usable && !found->denied)
		return STATUS_OK;
	if (github_token_due(&found->token, now)) {
		enum status status = credential_renew(req, db, &place, found);
		if (status != STATUS_OK || (!found->usable && !found->denied))
			return status;
	}
	/* One that has expired, and couldn't be renewed now, is nothing to ask with. */
	if (age < (found->denied ? CHECK_DENIED_EVERY : CHECK_EVERY) || !github_token_good(&found->token, now))
		return STATUS_OK;
	return ask_github(req, db, &place, found, sso);
}

static void add_parameter(struct buf *url, const char *name, struct slice value)
{
	buf_add_str(url, name);
	uri_encode(url, value);
}

/* Why there is no access though there is a token, for those who know these members. */
static void add_reason(struct buf *body, const struct credential_found *found, const struct buf *sso)
{
	if (found->denied)
		buf_addf(body, ",\"reason\":\"%s\"", sso->len ? "sso_required" : "no_repo_access");
	if (!sso->len)
		return;
	buf_add_str(body, ",\"ssoUrl\":");
	json_encode(body, buf_slice(sso));
}

static enum status answer_needs_auth(struct request *req, struct response *res, const struct wish *w,
				     const struct credential_found *found, const struct buf *sso)
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
	add_reason(&body, found, sso);
	buf_add_char(&body, '}');
	response_json(res, 200, buf_slice(&body));
	return STATUS_OK;
}

static enum status find(struct request *req, struct database *db, const struct wish *w, struct credential_found *found)
{
	const struct credential_place place = place_of(w);
	return credential_find(req, db, &place, found);
}

enum status sandbox_check_post(struct request *req, struct response *res, struct database *db)
{
	autocall(wish_free) struct wish wish = { 0 };
	autocredential found = { 0 };
	autobuf sso = { 0 };
	enum status status = read_wish(req, &wish);
	if (status == STATUS_OK)
		status = check_wish(req, &wish);
	if (status == STATUS_OK)
		status = remember(req, db, &wish);
	if (status == STATUS_OK)
		status = find(req, db, &wish, &found);
	if (status == STATUS_OK)
		status = confirm(req, db, &wish, &found, &sso);
	if (status != STATUS_OK)
		return status;
	if (!found.usable)
		return answer_needs_auth(req, res, &wish, &found, &sso);
	response_json(res, 200, SLICE_LIT("{\"ready\":true}"));
	return STATUS_OK;
}
