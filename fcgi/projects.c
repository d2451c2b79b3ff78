/* projects.c: a project and its credential. Its key owner/repo comes as one segment (owner%2Frepo) or as two. */
#include "clock.h"
#include "credential.h"
#include "github.h"
#include "handlers.h"
#include "log.h"

/* Leaves the key as one argument. */
static void join_key(struct request *req, struct buf *key)
{
	if (req->arg_count < 3)
		return;
	buf_add_slice(key, req->args[1]);
	buf_add_char(key, '/');
	buf_add_slice(key, req->args[2]);
	req->args[1] = buf_slice(key);
	req->arg_count = 2;
}

enum status projects_get(struct request *req, struct response *res, struct database *db)
{
	autobuf key = { 0 };
	join_key(req, &key);
	return documents_get(req, res, db);
}

static void renew_once(struct request *req, struct github *github, struct github_token *token)
{
	struct github_grant grant = { 0 };
	if (token->refresh.len && github_refresh(github, req->id, buf_slice(&token->refresh), &grant) == GITHUB_OK)
		github_token_take(token, &grant, clock_wall_ms());
	github_grant_free(&grant);
}

/* When that is configured the token is made worthless too. The client's answer doesn't depend on it: what is stored is
 * gone in any case. */
static void revoke(struct request *req, struct slice workspace, struct slice repo_key, struct slice sealed)
{
	autotoken token = { 0 };
	const struct service *s = req->service;
	struct github *github = service_github(req->service);
	if (!github || !github_configured(s->conf) ||
	    !github_token_open(s->seal_keys, s->seal_key_count, workspace, repo_key, sealed, &token))
		return;
	/* One that has expired can't be revoked any more, but what renews it still could be used. */
	if (!github_token_good(&token, clock_wall_ms()))
		renew_once(req, github, &token);
	if (github_revoke(github, req->id, buf_slice(&token.access)) != GITHUB_OK)
		log_warn(req->id, "a token was forgotten, but GitHub was not told");
}

enum status projects_delete_credential(struct request *req, struct response *res, struct database *db)
{
	autobuf key = { 0 }, sealed = { 0 };
	const PGresult *row;
	struct db_params params = { 0 };
	join_key(req, &key);
	db_add_text(&params, req->args[0]);
	db_add_text(&params, req->args[1]);
	/* It may be sent twice: the second time nothing is there to delete. */
	enum status status = database_read(db, req->route->statement, &params, &row);
	if (status == STATUS_OK && row)
		buf_add_slice(&sealed, db_get(row, 0, 0));
	if (status == STATUS_OK)
		status = database_row(db, &row);
	if (status != STATUS_OK)
		return status;
	if (sealed.len && req->service->conf->github_revoke)
		revoke(req, req->args[0], req->args[1], buf_slice(&sealed));
	response_json(res, 200, SLICE_LIT("{\"success\":true}"));
	return STATUS_OK;
}
