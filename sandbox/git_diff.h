/* git_diff.h: everything changed in a checkout against the commit that was checked out, as a patch for git apply
 * --index, made with the shadow repository, so that nothing that the agent wrote into .git or .gitattributes is run or
 * believed. It is what git add -A would add: files that .gitignore names stay out, line ends are as .gitattributes
 * says. Files that nobody touched are not in it, whatever .gitattributes makes of them; nested repositories are plain
 * files, linked worktrees stay out. It is always UTF-8 without NUL; files in another encoding are in it as binary ones.
 * If something is missing (longer than SANDBOX_DIFF_MAX, files larger than four times that, not done after 60 s), it
 * ends in a line that git apply refuses and "# diff cut at N bytes: why". One at a time for an instance. */
#ifndef CRAFT_GIT_DIFF_H
#define CRAFT_GIT_DIFF_H

#include <uv.h>

#include "instance.h"
#include "lib/conf.h"

struct git_diff_options {
	const struct conf *conf;
	const struct instance *instance;
	const struct cgroup *cgroup; /* may be NULL */
	/* Once. ok: notes has lines about what the patch doesn't hold or git apply wouldn't take as it is (the files of
	 * submodules, linked worktrees, names that git doesn't take). Not ok: notes is a sentence for the user. */
	void (*on_done)(void *user, bool ok, struct slice patch, struct slice notes);
	void *user;
};

struct git_diff;
struct git_diff *git_diff_start(uv_loop_t *loop, const struct git_diff_options *options);
/* Ends it; done(user) comes once nothing of it runs any more, on_done doesn't. */
void git_diff_cancel(struct git_diff *diff, void (*done)(void *user));

#endif
