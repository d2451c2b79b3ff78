/* credential.h: the GitHub token of a sandbox: read from the database, and renewed when it is about to expire, one
 * process of all hosts at a time (api.credential_renew_begin). */
#ifndef CRAFT_SANDBOX_CREDENTIAL_H
#define CRAFT_SANDBOX_CREDENTIAL_H

#include "daemon.h"
#include "lib/github.h"
#include "lib/github_token.h"
#include "lib/log.h"

struct credential {
	struct daemon *daemon;
	const struct log_ids *ids;
	const char *workspace, *repo_key;
	void (*on_done)(void *user, bool usable);
	void *user;

	struct github_token token; /* good in on_done; then the caller wipes it */
	char *sealed;		   /* what it lies in; NULL: none */
	enum seal_form form;
	bool asking;	    /* on_done is still to come */
	bool renewing;	    /* a worker thread asks GitHub */
	bool force;	    /* renew it though it isn't due: it was refused */
	bool renewable;	    /* as the last token was */
	int64_t due_ms;	    /* wall clock: when to ask again by itself; 0: never */
	int64_t refused_ms; /* when it was last asked for because of a refusal */
	unsigned waits;	    /* seconds for which another process has renewed it */
	bool waiting;	    /* for the next tick */
	char lease[UUID_SIZE];
	uv_work_t work;
	struct github_grant grant;
	enum github_result result;
};

/* All that they point to must outlive it. on_done comes after each credential_ask() that began anything. */
void credential_init(struct credential *c, struct daemon *daemon, const struct log_ids *ids, const char *workspace,
		     const char *repo_key, void (*on_done)(void *user, bool usable), void *user);
/* Not while c->renewing. */
void credential_end(struct credential *c);

void credential_ask(struct credential *c);
/* GitHub has refused the token: renews it, or takes one that was renewed elsewhere; not oftener than once a minute.
 * False: nothing is to be had that way, on_done doesn't come. */
bool credential_ask_other(struct credential *c);
/* Once a second; wanted: may it be asked for by itself when it is due? */
void credential_tick(struct credential *c, bool wanted);
/* GitHub has refused it, for good. */
void credential_note_refused(struct credential *c);

#endif
