/* git_diff.h: everything changed in a checkout against the commit that was checked out, as a patch for `git apply
 * --index`, made with the shadow repository, so that nothing that the agent wrote into .git or .gitattributes is run or
 * believed. */
#ifndef CRAFT_GIT_DIFF_H
#define CRAFT_GIT_DIFF_H

#include <uv.h>

#include "instance.h"
#include "lib/conf.h"

struct git_diff_options {
	const struct conf *conf;
	const struct instance *instance;
	const struct cgroup *cgroup; /* may be NULL */
	/* Once. ok: patch is the diff (maybe cut at SANDBOX_DIFF_MAX, with a last line that says so), notes has lines
	 * about what it can't hold (nested repositories…). Not ok: notes is a sentence for the user. */
	void (*on_done)(void *user, bool ok, struct slice patch, struct slice notes);
	void *user;
};

struct git_diff;
struct git_diff *git_diff_start(uv_loop_t *loop, const struct git_diff_options *options);
/* Ends it; done(user) comes once nothing of it runs any more, on_done doesn't. */
void git_diff_cancel(struct git_diff *diff, void (*done)(void *user));

#endif
