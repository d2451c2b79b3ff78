/* git_clone_internal.h: a clone under way, for git_clone.c (its order and its end) and git_clone_steps.c (its steps).
 */
#ifndef CRAFT_GIT_CLONE_INTERNAL_H
#define CRAFT_GIT_CLONE_INTERNAL_H

#include "gate.h"
#include "git_clone.h"
#include "git_error.h"
#include "git_place.h"
#include "git_steps.h"
#include "git_task.h"

struct git_clone {
	struct git_clone_options options; /* without the token */
	struct git_task task;
	struct git_steps steps;
	struct git_place place;
	char *repo_key, *branch, *url, *cache, *ref;
	int token_fd;

	struct gate_pass repository, slot;
	void (*next)(struct git_clone *c); /* when the place that it waits for is free */

	struct process *remote, *local; /* talks to the host; works on files */
	char tip[GIT_ID_SIZE];		/* what the host says; empty: not asked yet */
	char commit[GIT_ID_SIZE];	/* what is in the working tree, or about to be */
	bool fresh;			/* the cache was made by this clone */
	bool placed;			/* something of the repository is in the instance */
	bool tried_known;		/* the commit in the cache was checked out, and is not the right one */
	bool broken, retried;		/* the cache is to be thrown away; was */
	bool too_large;

	bool failed, cancelled;
	enum git_outcome outcome;
	struct buf text;
	void (*on_cancelled)(void *user);
};

/* The first failure is the one that is told; ends what runs. errors: git's stderr. */
void clone_fail(struct git_clone *c, enum git_outcome outcome, enum git_stage stage, struct slice errors);
/* The same for a fault of ours. */
void clone_fail_with(struct git_clone *c, struct slice reason);
/* Asked by all that comes back from somewhere, before it goes on: it has failed or was cancelled. */
bool clone_stopped(struct git_clone *c);
/* Called when something has ended: goes on when everything has. */
void clone_join(struct git_clone *c);
/* git_task_thread(), where not to be able to is a failure. */
void clone_in_thread(struct git_clone *c, bool (*job)(void *user, struct buf *error),
		     void (*after)(void *user, bool ok));
/* A process that couldn't be started fails the clone. */
bool clone_started(struct git_clone *c, struct process *process, struct buf *error);
/* From the start, or again once the name of the default branch is known. */
void clone_begin(struct git_clone *c);

/* Asks the host for the branch's commit: tip. */
void clone_ask(struct git_clone *c);
/* Fetches into the cache, alone in it, and checks out from there. */
void clone_fetch(struct git_clone *c);
/* Checks out commit from the cache, leaving its gate when the cache isn't needed any more. */
void clone_place(struct git_clone *c);

#endif
