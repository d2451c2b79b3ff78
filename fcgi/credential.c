/* credential.c: GitHub credentials of projects: stored, found, and what GitHub last said of them. */
#include "credential.h"

#include "clock.h"
#include "log.h"

void credential_found_free(struct credential_found *f)
{
	buf_free(&f->sealed);
	github_token_free(&f->token);
}

/* ---- storing ---- */

static enum status read_form(struct database *db, enum seal_form *form)
{
	const PGresult *row;
	struct db_params params = { 0 };
	enum status status = database_read(db, SQL_SEAL_FORM, &params, &row);
	if (status != STATUS_OK)
		return status;
	*form = row && db_get_i64(row, 0, 0) == SEAL_BOUND ? SEAL_BOUND : SEAL_UNBOUND;
	return row ? database_row(db, &row) : STATUS_OK;
}

enum status credential_seal(struct request *req, struct database *db, const struct credential_place *place,
			    const struct github_token *token, struct buf *sealed)
{
	enum seal_form form;
	enum status status = read_form(db, &form);
	if (status != STATUS_OK)
		return status;
	if (github_token_seal(&req->service->seal_keys[0], form, place->workspace, place->repo_key, token, sealed))
		return STATUS_OK;
	log_error(req->id, "sealing a credential failed");
	return STATUS_INTERNAL;
}

static struct slice text_of(const struct buf *b)
{
	return b->len ? buf_slice(b) : slice_make("", 0);
}

enum status credential_store(struct request *req, struct database *db, const struct credential_place *place,
			     struct slice repo_url, struct slice branch, const struct github_token *token)
{
	bool stale;
	PGresult *result;
	autobuf sealed = { 0 };
	struct db_params params = { 0 };
	enum status status = credential_seal(req, db, place, token, &sealed);
	if (status != STATUS_OK)
		return status;
	db_add_text(&params, place->workspace);
	db_add_text(&params, place->repo_key);
	db_add_text(&params, repo_url);
	db_add_text(&params, branch.len ? branch : slice_make(NULL, 0));
	db_add_text(&params, buf_slice(&sealed));
	db_add_text(&params, text_of(&token->username));
	db_add_i64(&params, token->user_id);
	db_add_text(&params, text_of(&token->scope));
	db_add_i64(&params, token->authenticated_ms);
	status = database_change(db, SQL_CREDENTIAL_PUT, &params, slice_make(NULL, 0), &result, &stale);
	PQclear(result);
	return status;
}

/* ---- finding ---- */

static void open_found(struct request *req, const struct credential_place *place, struct credential_found *found)
{
	const struct service *s = req->service;
	int64_t now = clock_wall_ms();
	if (!github_token_open(s->seal_keys, s->seal_key_count, place->workspace, place->repo_key,
			       buf_slice(&found->sealed), &found->token)) {
		log_warn(req->id,
			 "a stored credential doesn't open with ENCRYPTION_KEY: it needs authentication again");
		return;
	}
	found->usable = github_token_good(&found->token, now) || github_token_renewable(&found->token, now);
}

enum status credential_find(struct request *req, struct database *db, const struct credential_place *place,
			    struct credential_found *found)
{
	const PGresult *row;
	struct db_params params = { 0 };
	credential_found_free(found);
	*found = (struct credential_found){ 0 };
	db_add_text(&params, place->workspace);
	db_add_text(&params, place->repo_key);
	enum status status = database_read(db, SQL_CREDENTIAL_FIND, &params, &row);
	if (status != STATUS_OK || !row)
		return status;
	buf_add_slice(&found->sealed, db_get(row, 0, 0));
	bool invalid = db_get_bool(row, 0, 1);
	found->checked_ms = db_get(row, 0, 2).ptr ? db_get_i64(row, 0, 2) : 0;
	bool denied = db_get(row, 0, 3).ptr != NULL;
	if (!invalid)
		open_found(req, place, found);
	found->denied = found->usable && denied;
	found->usable = found->usable && !denied;
	return database_row(db, &row);
}

/* ---- GitHub's word ---- */

enum status credential_note(struct database *db, const struct credential_place *place,
			    const struct credential_found *found, enum github_result word)
{
	bool stale, denied = word == GITHUB_NO_ACCESS || word == GITHUB_SSO;
	PGresult *result;
	struct db_params params = { 0 };
	if (!denied && word != GITHUB_OK && word != GITHUB_REFUSED)
		return STATUS_OK;
	db_add_text(&params, place->workspace);
	db_add_text(&params, place->repo_key);
	db_add_text(&params, buf_slice(&found->sealed));
	if (denied)
		db_add_text(&params, word == GITHUB_SSO ? SLICE_LIT("sso") : SLICE_LIT("no_access"));
	else
		db_add_bool(&params, word == GITHUB_OK);
	enum status status = database_change(db, denied ? SQL_CREDENTIAL_DENIED : SQL_CREDENTIAL_CHECKED, &params,
					     slice_make(NULL, 0), &result, &stale);
	PQclear(result);
	return status;
}
