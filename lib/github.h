/* github.h: what is asked of GitHub (its REST API, and the web application flow of OAuth), over one kept connection per
 * process. Answers are bounded, TLS is verified, and no request or token goes to another host than the configured ones.
 */
#ifndef CRAFT_GITHUB_H
#define CRAFT_GITHUB_H

#include "buf.h"
#include "conf.h"
#include "metrics.h"

#define GITHUB_TIMEOUT 15000  /* ms for a whole request; 5,000 of them for the connection */
#define GITHUB_MAX_TOKEN 8192 /* bytes; of GitHub Apps they have some hundreds, and GitHub says to expect more */

struct github;

/* Can users be sent to GitHub: are id and secret of the OAuth application configured? */
bool github_configured(const struct conf *conf);

enum github_result {
	GITHUB_OK,
	GITHUB_REFUSED,	    /* 401: the token is worth nothing (any more); of an exchange or a refresh: see error */
	GITHUB_NO_ACCESS,   /* 403, 404, 410 or 451 that is none of the next two: it may not see that */
	GITHUB_SSO,	    /* the organization wants a session of its single sign-on: see github_sso() */
	GITHUB_LIMITED,	    /* 429, or 403 for the same reason: too many requests */
	GITHUB_AWAY,	    /* 5xx */
	GITHUB_ODD,	    /* another answer than 2xx, such as a redirection to elsewhere */
	GITHUB_UNREACHABLE, /* no answer, a broken one, or none that can be understood; logged */
};

#define GITHUB_RESULTS (GITHUB_UNREACHABLE + 1)
extern const char *const github_result_names[GITHUB_RESULTS]; /* NULL: it is counted as another one */

enum github_call { GITHUB_ACCESS_TOKEN, GITHUB_REFRESH, GITHUB_USER, GITHUB_REPOSITORY, GITHUB_REVOKE, GITHUB_CALLS };
extern const char *const github_call_names[GITHUB_CALLS];

/* What is counted of the calls. */
struct github_counts {
	struct counter results[GITHUB_CALLS][GITHUB_RESULTS];
	struct histogram seconds[GITHUB_CALLS]; /* metrics_short, redirections included */
};

/* Both must outlive it; counts may be NULL: nothing is counted. NULL: libcurl can't be used. */
struct github *github_new(const struct conf *conf, struct github_counts *counts);
void github_free(struct github *g);

/* Where the user begins the session that the last call wanted (GITHUB_SSO); on GITHUB_URL's host; empty: not said. Good
 * until the next call. */
struct slice github_sso(const struct github *g);

struct github_grant {
	struct buf token, refresh_token; /* wiped by github_grant_free(); refresh_token: empty when there is none */
	struct buf scope;
	int64_t expires_in, refresh_expires_in; /* seconds; 0: it doesn't expire, or GitHub doesn't say when */
	struct buf error; /* GitHub's own code when it refused, such as bad_verification_code; else empty */
};
void github_grant_free(struct github_grant *grant);

/* Exchanges the code of a callback. request_id: for log lines, here and below. */
enum github_result github_exchange(struct github *g, const char *request_id, struct slice code,
				   struct slice redirect_uri, struct github_grant *grant)
	__attribute__((warn_unused_result));

/* A new token for a refresh token, which is used up by this as GitHub rotates both. GITHUB_REFUSED with error: neither
 * is worth anything any more. */
enum github_result github_refresh(struct github *g, const char *request_id, struct slice refresh_token,
				  struct github_grant *grant) __attribute__((warn_unused_result));

/* Does what github_refresh() was refused with say that this refresh token is over, and not that our configuration is
 * wrong? */
bool github_renewal_is_over(const struct github_grant *grant);

/* Whose token is it? login: UTF-8. */
enum github_result github_user(struct github *g, const char *request_id, struct slice token, struct buf *login,
			       int64_t *user_id) __attribute__((warn_unused_result));

/* May the token read the repository (a valid key)? branch gets the default branch; may be NULL. timeout: ms. */
enum github_result github_repo(struct github *g, const char *request_id, struct slice token, struct slice repo_key,
			       int64_t timeout, struct buf *branch) __attribute__((warn_unused_result));

/* Makes the token worthless. */
enum github_result github_revoke(struct github *g, const char *request_id, struct slice token)
	__attribute__((warn_unused_result));

#endif
