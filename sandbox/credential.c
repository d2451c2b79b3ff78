/* credential.c: reading and renewing a sandbox's GitHub token. */
#include "credential.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store.h"
#include "threads.h"

#define LEASE_S 60     /* as in fcgi/credential_renew.c */
#define WAIT_S 30      /* for another process that renews */
#define AGAIN_MS 60000 /* after a renewal that failed for now */

void credential_init(struct credential *c, struct daemon *daemon, const struct log_ids *ids, const char *workspace,
		     const char *repo_key, void (*on_done)(void *user, bool usable), void *user)
{
	*c = (struct credential){ .daemon = daemon,
				  .ids = ids,
				  .workspace = workspace,
				  .repo_key = repo_key,
				  .on_done = on_done,
				  .user = user };
}

void credential_end(struct credential *c)
{
	store_forget(c->daemon->state, c);
	github_token_free(&c->token);
	free(c->sealed);
	c->sealed = NULL;
}

static struct store_op *op_of(struct credential *c, enum statement statement, store_done done)
{
	struct store_op *op = store_op_new(statement, done, done ? c : NULL);
	store_op_text(op, slice_of(c->workspace));
	store_op_text(op, slice_of(c->repo_key));
	return op;
}

static void finish(struct credential *c, bool usable)
{
	int64_t now = clock_wall_ms();
	c->asking = c->force = c->waiting = false;
	c->waits = 0;
	c->renewable = usable && github_configured(&c->daemon->conf) && github_token_renewable(&c->token, now);
	c->due_ms = 0;
	if (c->renewable && c->token.expires_ms) {
		c->due_ms = c->token.expires_ms - (int64_t)GITHUB_RENEW_BEFORE * 1000;
		c->due_ms = c->due_ms > now + AGAIN_MS ? c->due_ms : now + AGAIN_MS;
	}
	c->on_done(c->user, usable);
}

/* ---- renewing ---- */

static void fail(struct credential *c, bool refused)
{
	struct store_op *op = op_of(c, STMT_CREDENTIAL_RENEW_FAILED, NULL);
	store_op_text(op, slice_of(c->lease));
	store_op_bool(op, refused);
	store_send(c->daemon->state, op, true);
	finish(c, !refused && github_token_good(&c->token, clock_wall_ms()));
}

static void find(struct credential *c);

static void on_renewed(void *user, const PGresult *r)
{
	struct credential *c = user;
	if (r && PQntuples(r) == 1 && db_get_bool(r, 0, 0))
		finish(c, true);
	else
		find(c);
}

/* Also for a sandbox that ends meanwhile: what GitHub gave is good for nothing but the credential's row. */
static void keep(struct credential *c)
{
	autobuf sealed = { 0 };
	github_token_take(&c->token, &c->grant, clock_wall_ms());
	if (!github_token_seal(&c->daemon->seal_keys[0], c->form, slice_of(c->workspace), slice_of(c->repo_key),
			       &c->token, &sealed)) {
		log_about(LOG_ERROR, c->ids, "sealing a credential failed");
		fail(c, false);
		return;
	}
	struct store_op *op = op_of(c, STMT_CREDENTIAL_RENEWED, on_renewed);
	store_op_text(op, slice_of(c->sealed));
	store_op_text(op, slice_of(c->lease));
	store_op_text(op, buf_slice(&sealed));
	store_send(c->daemon->state, op, true);
	free(c->sealed);
	c->sealed = slice_dup(buf_slice(&sealed));
	log_about(LOG_INFO, c->ids, "the GitHub token was renewed");
}

static void in_thread(uv_work_t *work)
{
	struct credential *c = work->data;
	struct github *github = github_new(&c->daemon->conf, NULL);
	c->result = GITHUB_UNREACHABLE;
	if (github)
		c->result =
			github_refresh(github, c->ids->req ? c->ids->req : "", buf_slice(&c->token.refresh), &c->grant);
	github_free(github);
}

static void after(uv_work_t *work, int status)
{
	struct credential *c = work->data;
	c->renewing = false;
	if (status == 0 && c->result == GITHUB_OK)
		keep(c);
	else
		fail(c, status == 0 && c->result == GITHUB_REFUSED && github_renewal_is_over(&c->grant));
	github_grant_free(&c->grant);
	c->grant = (struct github_grant){ 0 };
}

static void on_turn(void *user, const PGresult *r)
{
	struct credential *c = user;
	struct slice word = r && PQntuples(r) == 1 ? db_get(r, 0, 0) : slice_make(NULL, 0);
	if (slice_eq_str(word, "go")) {
		c->work.data = c;
		c->renewing = true;
		threads_queue(c->daemon->loop, c->workspace, &c->work, in_thread, after);
	} else if (slice_eq_str(word, "changed")) {
		c->force = false;
		find(c);
	} else if (++c->waits < WAIT_S) {
		c->waiting = true;
	} else {
		finish(c, github_token_good(&c->token, clock_wall_ms()));
	}
}

static void take_turn(struct credential *c)
{
	if (!uuid_random(c->lease)) {
		finish(c, true);
		return;
	}
	struct store_op *op = op_of(c, STMT_CREDENTIAL_RENEW_BEGIN, on_turn);
	store_op_text(op, slice_of(c->sealed));
	store_op_text(op, slice_of(c->lease));
	store_op_i32(op, LEASE_S);
	store_send(c->daemon->state, op, true);
}

/* ---- reading ---- */

static bool read_row(struct credential *c, const PGresult *r)
{
	if (!r || PQntuples(r) != 1 || db_get_bool(r, 0, 1))
		return false;
	c->form = db_get_i64(r, 0, 2) == SEAL_BOUND ? SEAL_BOUND : SEAL_UNBOUND;
	/* Another process has renewed it, or a user has granted access anew: that one wasn't refused. */
	if (c->sealed && !slice_eq_str(db_get(r, 0, 0), c->sealed))
		c->force = false;
	free(c->sealed);
	c->sealed = slice_dup(db_get(r, 0, 0));
	return github_token_open(c->daemon->seal_keys, c->daemon->seal_key_count, slice_of(c->workspace),
				 slice_of(c->repo_key), slice_of(c->sealed), &c->token);
}

static void on_found(void *user, const PGresult *r)
{
	struct credential *c = user;
	int64_t now = clock_wall_ms();
	github_token_free(&c->token);
	c->token = (struct github_token){ 0 };
	bool there = read_row(c, r);
	bool renewable = there && github_configured(&c->daemon->conf) && github_token_renewable(&c->token, now);
	if (renewable && (c->force || github_token_due(&c->token, now)))
		take_turn(c);
	else
		finish(c, there && github_token_good(&c->token, now));
}

static void find(struct credential *c)
{
	store_send(c->daemon->state, op_of(c, STMT_CREDENTIAL_FIND, on_found), true);
}

void credential_ask(struct credential *c)
{
	if (c->asking)
		return;
	c->asking = true;
	find(c);
}

bool credential_ask_other(struct credential *c)
{
	int64_t now = clock_wall_ms();
	if (!c->renewable || c->asking || now - c->refused_ms < AGAIN_MS)
		return false;
	c->refused_ms = now;
	c->asking = c->force = true;
	find(c);
	return true;
}

void credential_tick(struct credential *c, bool wanted)
{
	if (c->waiting) {
		c->waiting = false;
		find(c);
	} else if (wanted && c->due_ms && clock_wall_ms() >= c->due_ms) {
		credential_ask(c);
	}
}

void credential_note_refused(struct credential *c)
{
	struct store_op *op = op_of(c, STMT_CREDENTIAL_CHECKED, NULL);
	store_op_text(op, slice_of(c->sealed ? c->sealed : ""));
	store_op_bool(op, false);
	store_send(c->daemon->state, op, true);
}
