/* github_call.h: one request to GitHub and its answer, by libcurl: bounded, verified, to the configured hosts only. For
 * github.c. */
#ifndef CRAFT_GITHUB_CALL_H
#define CRAFT_GITHUB_CALL_H

#include "github.h"

/* One exchange of request and answer. */
struct github_request {
	enum github_call kind;
	const char *method;
	struct buf url;
	struct slice token;  /* empty: none */
	bool as_application; /* with id and secret by basic authentication */
	struct buf body;     /* empty: none */
	int64_t timeout;     /* ms, for all of it */
	long http;
	struct buf answer;
	/* What the answer's head says beside the status. */
	int64_t retry_after; /* seconds; -1: nothing */
	bool exhausted;	     /* X-RateLimit-Remaining: 0 */
	struct buf sso;	     /* where the user begins a session of single sign-on; empty: nowhere */
};

void github_request_free(struct github_request *r);
#define autogithub __attribute__((cleanup(github_request_free))) struct github_request

struct github_link;
struct github_link *github_link_new(const struct conf *conf); /* NULL: libcurl can't be used */
void github_link_free(struct github_link *link);

/* Sends it, follows redirections on the same host, and comes again once where GitHub says so. */
enum github_result github_call(struct github_link *link, const char *request_id, struct github_request *r)
	__attribute__((warn_unused_result));

#endif
