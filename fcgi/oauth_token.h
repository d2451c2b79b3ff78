/* oauth_token.h: the ticket that opens /oauth/github, and the state that comes back from GitHub (PROTOCOL section 5).
 * Neither is stored: both are HMAC-SHA256 under keys derived from ENCRYPTION_KEY, as base64url without padding. */
#ifndef CRAFT_FCGI_OAUTH_TOKEN_H
#define CRAFT_FCGI_OAUTH_TOKEN_H

#include "seal.h"

#define OAUTH_TICKET_TIME 3600 /* seconds that a ticket is good for */
#define OAUTH_STATE_TIME 600
#define OAUTH_NONCE_SIZE 16
/* Longest fields of a grant, in bytes. */
#define OAUTH_WORKSPACE_MAX 1024
#define OAUTH_REPO_KEY_MAX 256
#define OAUTH_REDIRECT_MAX 2048
#define OAUTH_TICKET_LENGTH 54	    /* of a ticket's text */
#define OAUTH_STATE_MAX_LENGTH 4520 /* of a state's text */

/* Who asks for access to what, and where the answer goes. Any bytes. */
struct oauth_grant {
	struct slice workspace, repo_key, redirect_uri;
};

/* Appends a ticket for just that grant, good until `expires` (seconds since 1970, the last good second). False: a
 * field is too long, or OpenSSL failed; nothing is appended. */
bool oauth_ticket_make(const struct seal_key *k, const struct oauth_grant *g, int64_t expires, struct buf *out);
/* Was it made for this grant with one of the keys, and is it still good at `now`? In constant time. */
bool oauth_ticket_check(const struct seal_key *keys, size_t key_count, const struct oauth_grant *g, struct slice ticket,
			int64_t now);

/* Who began: somebody with API_KEY, who opens every workspace anyway; or anybody with a ticket or a workspace's key,
 * who may have sent the link to somebody else: a browser that comes back with such a state has to show that its user
 * knows for whom he grants access (oauth_consent.h). */
enum oauth_state_kind { OAUTH_STATE_OWN, OAUTH_STATE_ASKED };

/* Appends a state that carries the grant, with a random nonce. False as above. */
bool oauth_state_make(const struct seal_key *k, enum oauth_state_kind kind, const struct oauth_grant *g,
		      int64_t expires, struct buf *out);

/* A user's consent to a grant, given on a page of ours: good in the one browser that has the cookie `browser`, and as a
 * ticket otherwise. */
bool oauth_consent_make(const struct seal_key *k, const struct oauth_grant *g, struct slice browser, int64_t expires,
			struct buf *out);
bool oauth_consent_check(const struct seal_key *keys, size_t key_count, const struct oauth_grant *g,
			 struct slice browser, struct slice consent, int64_t now);

/* The cookie of the browser that was sent to GitHub with this state after its user's consent. */
bool oauth_proof_make(const struct seal_key *k, struct slice state, struct buf *out);
bool oauth_proof_check(const struct seal_key *keys, size_t key_count, struct slice state, struct slice proof);

struct oauth_state {
	enum oauth_state_kind kind;
	struct oauth_grant grant; /* lies in text */
	unsigned char nonce[OAUTH_NONCE_SIZE];
	int64_t expires;
	struct buf text;
};

enum oauth_state_result {
	OAUTH_STATE_OK,
	OAUTH_STATE_BAD,    /* malformed, or not made with one of the keys; *out is empty */
	OAUTH_STATE_EXPIRED /* ours, but too old; *out is filled in */
};

/* Opens what oauth_state_make() made. That it is used once only is the caller's business, by the nonce. Free *out in
 * any case. */
enum oauth_state_result oauth_state_open(const struct seal_key *keys, size_t key_count, struct slice state, int64_t now,
					 struct oauth_state *out);
void oauth_state_free(struct oauth_state *s);

#endif
