/* git_error.h: what git's words on stderr mean, and how a user is told. Pure. */
#ifndef CRAFT_GIT_ERROR_H
#define CRAFT_GIT_ERROR_H

#include "git_clone.h"

/* What failed: the same words mean another thing on the host's disk and on the sandbox's. */
enum git_stage { GIT_STAGE_FETCH, GIT_STAGE_CHECKOUT };

struct git_error {
	const char *repo_key, *branch;
	const char *url;	/* GITHUB_URL */
	int64_t repo_max, disk; /* bytes: SANDBOX_REPO_MAX, SANDBOX_DISK */
	int64_t timeout;	/* seconds */
	bool has_token;
	struct slice errors; /* stderr */
};

/* errors: of a git that failed. Never GIT_OK or GIT_TIMEOUT. */
enum git_outcome git_error_outcome(enum git_stage stage, struct slice errors);
/* One sentence, sometimes with the host's own words behind it; printable, bounded, nothing for GIT_OK. */
void git_error_text(enum git_outcome outcome, enum git_stage stage, const struct git_error *about, struct buf *text);
/* "2.0 GiB"; exact where the number is a whole one. */
void git_error_size(int64_t bytes, struct buf *text);
/* The first line of errors that begins with one of the prefixes (NULL at the end), without it; empty when there is
 * none. */
struct slice git_error_line(struct slice errors, const char *const *prefixes);

#endif
