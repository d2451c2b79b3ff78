/* git_steps.h: the gits of which a clone is made. */
#ifndef CRAFT_GIT_STEPS_H
#define CRAFT_GIT_STEPS_H

#include "git_cache.h"
#include "instance.h"

/* What they need to know; all of it stays the caller's, until on_exit. */
struct git_steps {
	uv_loop_t *loop;
	const struct conf *conf;
	const struct instance *instance;
	const char *url, *branch; /* branch: empty for the remote's HEAD, where it isn't known yet */
	const char *cache, *ref;  /* its path, and the branch's ref in it */
	int token_fd;
	void *user;
};

typedef void (*git_step_end)(void *user, const struct process_result *result);

/* Asks the host for the commits of the branch and of HEAD, which proves that the token may read the repository. */
struct process *git_step_tip(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Of its output: what it says of the branch that was wanted; empty: of the default one, whose name is trunk then.
 * False: there is none. Pure. */
bool git_step_read_tips(struct slice output, const char *wanted, struct git_tips *tips);
/* Asks for all branches: any output means that the repository isn't empty (and may be cut). */
struct process *git_step_heads(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Brings the branch into the cache, and so many commits of its history; trunk, unless it is NULL, too. */
struct process *git_step_fetch(const struct git_steps *s, const char *trunk, unsigned depth, git_step_end on_exit,
			       struct buf *error);
/* Makes one pack of the cache's packs, and forgets what no branch has. */
struct process *git_step_repack(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Looks for a commit from which both tips come: exit code 1 when the cache has none. */
struct process *git_step_merge_base(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
				    struct buf *error);
/* Lists the commits without parents below the tips, a line each. */
struct process *git_step_roots(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
			       struct buf *error);
/* Packs what can be reached from the tips into the directory that git_handed_begin() has made. */
struct process *git_step_pack(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
			      struct buf *error);
/* Fills index and working tree of what git_place() made; empty: of a repository without commits. */
struct process *git_step_checkout(const struct git_steps *s, bool empty, git_step_end on_exit, struct buf *error);
/* After it, while nobody else uses it: asks what the checkout hasn't (git_absent.h). */
struct process *git_step_absent(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
				struct buf *error);

#endif
