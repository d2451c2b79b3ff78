/* credential_renew.c: renewing tokens that expire. GitHub rotates the token that renews: each works once. So who renews
 * holds a lease in the credential's row (api.credential_renew_begin), bounded in time, and no lock while GitHub is
 * asked; the others, on whichever host, wait for what it stores. When a process ends between GitHub's answer and that,
 * the new token is lost with it: the lease runs out, the next one hears bad_refresh_token, and access has to be granted
 * anew. */
#include <time.h>

#include "clock.h"
#include "credential.h"
#include "log.h"
#include "uuid.h"

#define LEASE_S 60    /* longer than GitHub is waited for, and than the database is */
#define WAIT_MS 20000 /* for another process that renews */
#define LOOK_EVERY_MS 200

static enum status change(struct database *db, enum statement statement, struct db_params *params, PGresult **result)
{
	bool stale;
	return database_change(db, statement, params, slice_make(NULL, 0), result, &stale);
}

static void add_place(struct db_params *params, const struct credential_place *place)
{
	db_add_text(params, place->workspace);
	db_add_text(params, place->repo_key);
}

/* ---- the lease ---- */

enum turn { TURN_OURS, TURN_WAIT, TURN_CHANGED };

static enum status take_turn(struct database *db, const struct credential_place *place,
			     const struct credential_found *found, const char *lease, enum turn *turn)
{
	PGresult *result;
	struct db_params params = { 0 };
	add_place(&params, place);
	db_add_text(&params, buf_slice(&found->sealed));
	db_add_text(&params, slice_of(lease));
	db_add_i64(&params, LEASE_S);
	enum status status = change(db, SQL_CREDENTIAL_RENEW_BEGIN, &params, &result);
	if (status != STATUS_OK)
		return status;
	struct slice word = db_get(result, 0, 0);
	*turn = slice_eq_str(word, "go") ? TURN_OURS : slice_eq_str(word, "wait") ? TURN_WAIT : TURN_CHANGED;
	PQclear(result);
	return STATUS_OK;
}

static enum status give_back(struct database *db, const struct credential_place *place, const char *lease, bool refused)
{
	PGresult *result;
	struct db_params params = { 0 };
	add_place(&params, place);
	db_add_text(&params, slice_of(lease));
	db_add_bool(&params, refused);
	enum status status = change(db, SQL_CREDENTIAL_RENEW_FAILED, &params, &result);
	PQclear(result);
	return status;
}

/* ---- asking GitHub ---- */

static enum status keep(struct database *db, const struct credential_place *place, const struct credential_found *found,
			const char *lease, struct slice sealed)
{
	PGresult *result;
	struct db_params params = { 0 };
	add_place(&params, place);
	db_add_text(&params, buf_slice(&found->sealed));
	db_add_text(&params, slice_of(lease));
	db_add_text(&params, sealed);
	enum status status = change(db, SQL_CREDENTIAL_RENEWED, &params, &result);
	/* What GitHub gave is good for nothing but this row. */
	if (status == STATUS_DATABASE_AWAY || status == STATUS_DATABASE_UNKNOWN || status == STATUS_DATABASE_BUSY) {
		PQclear(result);
		status = change(db, SQL_CREDENTIAL_RENEWED, &params, &result);
	}
	PQclear(result);
	return status;
}

static enum status ask(struct request *req, struct database *db, const struct credential_place *place,
		       struct credential_found *found, const char *lease)
{
	struct github_grant grant = { 0 };
	autobuf sealed = { 0 };
	struct github *github = service_github(req->service);
	enum github_result result = GITHUB_UNREACHABLE;
	if (github)
		result = github_refresh(github, req->id, buf_slice(&found->token.refresh), &grant);
	bool refused = result == GITHUB_REFUSED && github_renewal_is_over(&grant);
	enum status status;
	if (result == GITHUB_OK) {
		github_token_take(&found->token, &grant, clock_wall_ms());
		status = credential_seal(req, db, place, &found->token, &sealed);
		if (status == STATUS_OK)
			status = keep(db, place, found, lease, buf_slice(&sealed));
	} else {
		status = give_back(db, place, lease, refused);
	}
	github_grant_free(&grant);
	if (refused)
		found->usable = found->denied = false;
	if (result != GITHUB_OK || status != STATUS_OK)
		return status;
	log_info(req->id, "a GitHub token was renewed");
	return credential_find(req, db, place, found);
}

/* ---- one of many ---- */

static void pause_a_little(void)
{
	const struct timespec wait = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
	(void)nanosleep(&wait, NULL);
}

enum status credential_renew(struct request *req, struct database *db, const struct credential_place *place,
			     struct credential_found *found)
{
	char lease[UUID_SIZE];
	int64_t until = clock_ms() + WAIT_MS;
	if (!github_configured(req->service->conf) || !github_token_renewable(&found->token, clock_wall_ms()) ||
	    !uuid_random(lease))
		return STATUS_OK;
	for (;;) {
		enum turn turn;
		enum status status = take_turn(db, place, found, lease, &turn);
		if (status != STATUS_OK)
			return status;
		if (turn == TURN_OURS)
			return ask(req, db, place, found, lease);
		if (turn == TURN_CHANGED)
			return credential_find(req, db, place, found);
		if (clock_ms() >= until)
			return STATUS_OK;
		pause_a_little();
	}
}
