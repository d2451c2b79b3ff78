/* git_steps.h: the four gits of which a clone is made. */
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

/* Asks the host for the branch's commit, which proves that the token may read the repository. */
struct process *git_step_tip(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Of its output: the commit, and with an empty branch also the name of the branch. False: there is none. Pure. */
bool git_step_read_tip(struct slice output, const char *wanted, char commit[static GIT_ID_SIZE], struct buf *branch);
/* Brings the branch's commit into the cache. */
struct process *git_step_fetch(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Makes one pack of the cache's packs. */
struct process *git_step_repack(const struct git_steps *s, git_step_end on_exit, struct buf *error);
/* Fills index and working tree of what git_place() made. */
struct process *git_step_checkout(const struct git_steps *s, git_step_end on_exit, struct buf *error);

#endif
