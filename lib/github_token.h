/* github_token.h: what a GitHub credential holds, and how it rests (PROTOCOL section 5). */
#ifndef CRAFT_GITHUB_TOKEN_H
#define CRAFT_GITHUB_TOKEN_H

#include "seal.h"

struct github_grant;

/* A token is renewed when it is good for less than this, so that what begins with it can end with it (seconds). */
#define GITHUB_RENEW_BEFORE 600

struct github_token {
	struct buf access, refresh; /* refresh: empty when there is none */
	struct buf username, scope; /* whose it is, what GitHub granted */
	int64_t user_id;	    /* 0: not known */
	int64_t authenticated_ms;   /* milliseconds since 1970, as the next two */
	int64_t expires_ms;	    /* of access; 0: it doesn't expire */
	int64_t refresh_expires_ms; /* of refresh; 0: not known */
};

/* The secrets are wiped. */
void github_token_free(struct github_token *t);
#define autotoken __attribute__((cleanup(github_token_free))) struct github_token

/* Opens a sealed credential of that workspace and repository, of either form, with the first of the keys that fits.
 * False: no key opens it here, or there is no token in it. */
bool github_token_open(const struct seal_key *keys, size_t count, struct slice workspace, struct slice repo_key,
		       struct slice sealed, struct github_token *t);
/* Appends it sealed for that place. False: OpenSSL failed. */
bool github_token_seal(const struct seal_key *key, enum seal_form form, struct slice workspace, struct slice repo_key,
		       const struct github_token *t, struct buf *sealed);

/* Takes over what GitHub has granted at `now` (ms since 1970); who and since when stay. */
void github_token_take(struct github_token *t, const struct github_grant *grant, int64_t now);
/* Can it be used at `now`; is it time to renew it, and can it be? */
bool github_token_good(const struct github_token *t, int64_t now);
bool github_token_due(const struct github_token *t, int64_t now);
bool github_token_renewable(const struct github_token *t, int64_t now);

#endif
