/* credential.c: GitHub credentials of projects. */
#include "credential.h"

#include "clock.h"
#include "github_token.h"
#include "json.h"
#include "log.h"
#include "seal.h"

void credential_found_free(struct credential_found *f)
{
	buf_free(&f->sealed);
	buf_wipe(&f->token);
}

/* The plaintext that PROTOCOL section 5 names. */
static void write_plain(struct buf *plain, const struct credential *c, int64_t at)
{
	buf_add_str(plain, "{\"accessToken\":");
	json_encode(plain, c->token);
	buf_add_str(plain, ",\"username\":");
	json_encode(plain, c->username);
	buf_addf(plain, ",\"userId\":%lld,\"scope\":", (long long)c->user_id);
	json_encode(plain, c->scope);
	buf_addf(plain, ",\"authenticatedAt\":%lld}", (long long)at);
}

enum status credential_store(struct request *req, struct database *db, const struct credential *c)
{
	bool stale;
	PGresult *result;
	int64_t at = clock_wall_ms();
	autowiped plain = { 0 };
	autobuf sealed = { 0 };
	struct db_params params = { 0 };
	/* Room for all of it at once: no copy is left behind when the buffer grows. */
	(void)buf_reserve(&plain, 6 * (c->token.len + c->username.len + c->scope.len) + 256);
	write_plain(&plain, c, at);
	if (!seal(&req->service->seal_keys[0], buf_slice(&plain), &sealed)) {
		log_error(req->id, "sealing a credential failed");
		return STATUS_INTERNAL;
	}
	db_add_text(&params, c->workspace);
	db_add_text(&params, c->repo_key);
	db_add_text(&params, c->repo_url);
	db_add_text(&params, c->branch.len ? c->branch : slice_make(NULL, 0));
	db_add_text(&params, buf_slice(&sealed));
	db_add_text(&params, c->username);
	db_add_i64(&params, c->user_id);
	db_add_text(&params, c->scope);
	db_add_i64(&params, at);
	enum status status = database_change(db, SQL_CREDENTIAL_PUT, &params, slice_make(NULL, 0), &result, &stale);
	PQclear(result);
	return status;
}

bool credential_open(const struct service *s, struct slice sealed, struct buf *token)
{
	return github_token_open(s->seal_keys, s->seal_key_count, sealed, token);
}

enum status credential_find(struct request *req, struct database *db, struct slice workspace, struct slice repo_key,
			    struct credential_found *found)
{
	const PGresult *row;
	struct db_params params = { 0 };
	*found = (struct credential_found){ 0 };
	db_add_text(&params, workspace);
	db_add_text(&params, repo_key);
	enum status status = database_read(db, SQL_CREDENTIAL_GET, &params, &row);
	if (status != STATUS_OK || !row)
		return status;
	buf_add_slice(&found->sealed, db_get(row, 0, 0));
	bool invalid = db_get_bool(row, 0, 1);
	found->checked_ms = db_get(row, 0, 2).ptr ? db_get_i64(row, 0, 2) : 0;
	found->usable = !invalid && credential_open(req->service, buf_slice(&found->sealed), &found->token);
	if (!invalid && !found->usable)
		log_warn(req->id,
			 "a stored credential doesn't open with ENCRYPTION_KEY: it needs authentication again");
	return database_row(db, &row);
}

enum status credential_note(struct database *db, struct slice workspace, struct slice repo_key,
			    const struct credential_found *found, bool valid)
{
	bool stale;
	PGresult *result;
	struct db_params params = { 0 };
	db_add_text(&params, workspace);
	db_add_text(&params, repo_key);
	db_add_text(&params, buf_slice(&found->sealed));
	db_add_bool(&params, valid);
	enum status status = database_change(db, SQL_CREDENTIAL_CHECKED, &params, slice_make(NULL, 0), &result, &stale);
	PQclear(result);
	return status;
}
