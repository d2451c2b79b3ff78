/* git_clone.h: a checkout of one branch, by way of the workspace's cache of bare repositories (git_cache.h): the host
 * is asked with the workspace's own token each time, so that everyone proves access; what the cache hasn't is fetched
 * into it; then what can be reached from the commits that the host named is copied (git_handed.h) and checked out.
 * Beside another branch than the default one, that one is there too, with the commits since the two parted (if these
 * aren't too many). A repository without commits becomes an empty checkout. Nothing of the repository's is run
 * (git_run.h), and the token is in a memfd. Unless it ends with GIT_OK, repo and shadow of the instance are emptied:
 * until then nothing may use them. */
#ifndef CRAFT_GIT_CLONE_H
#define CRAFT_GIT_CLONE_H

#include <uv.h>

#include "instance.h"
#include "lib/conf.h"

enum git_outcome {
	GIT_OK,
	GIT_NO_ACCESS,	  /* the credential isn't good for it, or there is no such repository */
	GIT_UNAUTHORIZED, /* the host refused the credential itself (401) */
	GIT_NO_BRANCH,
	GIT_TOO_LARGE,
	GIT_NETWORK,
	GIT_TIMEOUT,
	GIT_FAILED
};

struct git_clone_options {
	const struct conf *conf;
	const struct instance *instance; /* made and empty; stays until on_done */
	const char *workspace;		 /* whose cache is used */
	const char *repo_key;		 /* owner/repo; the URL is GITHUB_URL/owner/repo.git */
	const char *branch;		 /* one that branch_valid() takes; empty: the remote's HEAD */
	struct slice token;		 /* not kept after the call */
	/* Once. text: a sentence for the user, without secrets, empty when GIT_OK. commit: 40 hex digits when
	 * GIT_OK, empty for a repository that has none. */
	void (*on_done)(void *user, enum git_outcome outcome, const char *text, const char *commit);
	void *user;
};

struct git_clone;
struct git_clone *git_clone_start(uv_loop_t *loop, const struct git_clone_options *options);
/* Ends it; on_done doesn't come... but done(user) does once nothing of it runs any more. */
void git_clone_cancel(struct git_clone *clone, void (*done)(void *user));

#endif
