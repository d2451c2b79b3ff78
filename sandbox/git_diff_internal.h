/* git_diff_internal.h: a diff under way, for git_diff.c (its order and its end), git_diff_look_steps.c (what must be
 * known before), git_diff_settle_steps.c (what is taken back) and git_diff_patch.c (git diff and what becomes of its
 * output). */
#ifndef CRAFT_GIT_DIFF_INTERNAL_H
#define CRAFT_GIT_DIFF_INTERNAL_H

#include "git_diff.h"
#include "git_diff_dir.h"
#include "git_diff_look.h"
#include "git_diff_settle.h"
#include "git_task.h"

#define DIFF_TIMEOUT_S 60
/* A file larger than so many times SANDBOX_DIFF_MAX is left out; git would hold several copies of it in memory. */
#define DIFF_FILE_FACTOR 4

struct git_diff {
	struct git_diff_options options;
	struct git_task task;
	struct git_diff_dir dir;
	struct git_diff_look look;
	struct process *process;
	struct buf attributes; /* for info/attributes */
	struct buf patch, notes;
	struct git_diff_settle settle;
	bool careful; /* the second git add */
	bool binary;  /* the second git diff */
	bool timed_out;
	bool ok, decided, cancelled; /* decided: by ok, or a failure whose words are in notes */
	void (*on_cancelled)(void *user);
};

/* Asked by all that comes back from somewhere, before it goes on: it is decided or cancelled. */
bool diff_stopped(struct git_diff *d);
/* Ends it with "The diff could not be made: " and the reason. */
void diff_fail(struct git_diff *d, struct slice reason);
/* The same for a git that failed or was ended, in its words. */
void diff_fail_of(struct git_diff *d, const struct process_result *result);
/* When all that runs has ended, cleans up and answers. */
void diff_end(struct git_diff *d);
/* git_task_thread(), where not to be able to is a failure. */
void diff_in_thread(struct git_diff *d, bool (*job)(void *user, struct buf *error), void (*after)(void *user, bool ok));
/* What diff_run() starts. */
struct diff_git {
	const char *name;    /* for logs */
	const char *program; /* instead of git; may be NULL */
	const char *const *args, *const *settings;
	struct slice input;
	size_t output_max;
	bool base; /* where the commit's own files lie: with its index and in a working tree of theirs */
	void (*on_exit)(void *user, const struct process_result *result);
};

/* Starts git, or program, in the working tree as the sandbox's user, who may read all of it and write to the diff's
 * directory only. */
void diff_run(struct git_diff *d, const struct diff_git *git);

/* Looks around, and goes on with diff_index(). */
void diff_look(struct git_diff *d);
/* git add, and what comes before and after it. */
void diff_index(struct git_diff *d);
/* After git add: what only .gitattributes makes differ is taken back; then the patch. */
void diff_settle(struct git_diff *d);
/* The last step: the patch, from the index that git add has made. */
void diff_make_patch(struct git_diff *d);

#endif
