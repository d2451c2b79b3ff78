/* git_absent.h: what a fresh checkout hasn't, as after git clone: the files of submodules, the contents of files that
 * Git LFS keeps, and the commit at which two branches part, where it is further back than what was fetched. Whoever
 * works in it is told. Pure: reads what git said of the commit, before anybody could change it. */
#ifndef CRAFT_GIT_ABSENT_H
#define CRAFT_GIT_ABSENT_H

#include "lib/buf.h"

/* So many submodules' repositories can be fetched from the box. */
#define GIT_ABSENT_REPOSITORIES 32
/* What is read of git's words. */
#define GIT_ABSENT_OUTPUT ((size_t)256 << 10)

/* For sh -c, in the checkout; $1: the default branch's ref beside another branch, or empty. */
extern const char git_absent_script[];

struct git_absent {
	struct buf
		repositories; /* of submodules on the configured host, but the sandbox's own: owner/repo, a line each */
	struct buf note;      /* sentences for agent and user; empty: nothing is missing */
};

/* The names behind them that a note has. */
struct git_absent_names {
	const char *github_url, *repo_key, *branch, *trunk; /* trunk: the default branch, beside another one */
};

void git_absent_free(struct git_absent *absent);
/* Takes what the script said; cut: there was more. */
void git_absent_read(struct git_absent *absent, const struct git_absent_names *names, struct slice output, bool cut);

/* As it lies in the shadow: the repositories, an empty line, the note. */
void git_absent_write(const struct git_absent *absent, struct buf *out);
void git_absent_parse(struct git_absent *absent, struct slice text);

#endif
