/* git_clone_internal.h: a clone under way, for git_clone.c (its order and its end), git_clone_fetch.c (what comes from
 * the host) and git_clone_steps.c (what is made of it). */
#ifndef CRAFT_GIT_CLONE_INTERNAL_H
#define CRAFT_GIT_CLONE_INTERNAL_H

#include "gate.h"
#include "git_absent.h"
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

	struct process *asking, *remote, *local; /* asks the host; fetches; works on files */
	void (*joined)(struct git_clone *c);	 /* when nothing of them runs any more */
	struct git_tips asked;			 /* what the host says; no commit: not asked yet */
	struct git_tips tips;			 /* what is in the instance, or about to be */
	unsigned round;				 /* how often the histories of two branches were fetched */
	struct buf roots;			 /* what git_step_roots() said */
	struct git_absent absent;		 /* what the checkout hasn't */
	bool empty;				 /* the host says that there is no commit at all */
	bool missing;				 /* the branch couldn't be fetched, as the host hasn't it */
	bool fresh;				 /* the cache was made by this clone */
	bool placed;				 /* something of the repository is in the instance */
	bool tried_known;			 /* what the cache had was checked out, and is not the right one */
	bool broken, retried;			 /* the cache is to be thrown away; was */
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

/* Asks the host for the branch's commit and the default branch: asked, or empty. */
void clone_ask(struct git_clone *c);
/* Fetches into the cache, alone in it, and goes on with clone_hand_over(). */
void clone_fetch(struct git_clone *c);
/* Packs what can be reached from tips, which the cache has, and checks it out. */
void clone_hand_over(struct git_clone *c);
/* Checks out what the cache hands over for tips (without a commit: nothing), leaving its gate when the cache isn't
 * needed any more. */
void clone_place(struct git_clone *c);
/* The same for a repository without commits. */
void clone_place_nothing(struct git_clone *c);
/* The checkout has ended, and is the right one: what is left to do; or all of it once more, if the cache was broken. */
void clone_placed(struct git_clone *c);
/* Asks what the checkout hasn't, and goes on with clone_finish(). */
void clone_look(struct git_clone *c);
/* The end of a clone that went well. */
void clone_finish(struct git_clone *c);

#endif
