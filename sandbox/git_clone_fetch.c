/* git_clone_fetch.c: what comes from the host: what it says of the branch, and the commits. */
#include <stdlib.h>

#include "git_clone_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* How many commits of two branches are fetched, until one is found from which both come. */
static const unsigned depths[] = { 50, 1000 };
#define ROUNDS (sizeof(depths) / sizeof(*depths))

/* ---- asking ---- */

static void on_heads(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->asking = NULL;
	if (clone_stopped(c))
		return;
	if (result->output.len) {
		clone_fail(c, GIT_NO_BRANCH, GIT_STAGE_FETCH, slice_make(NULL, 0));
	} else if (result->exit_code) {
		clone_fail(c, git_error_outcome(GIT_STAGE_FETCH, result->errors), GIT_STAGE_FETCH, result->errors);
	} else {
		c->empty = true;
		clone_join(c);
	}
}

static void on_tip(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	autobuf error = { 0 };
	c->asking = NULL;
	if (clone_stopped(c))
		return;
	if (result->exit_code) {
		clone_fail(c, git_error_outcome(GIT_STAGE_FETCH, result->errors), GIT_STAGE_FETCH, result->errors);
	} else if (git_step_read_tips(result->output, c->branch, &c->asked)) {
		clone_join(c);
	} else {
		c->asking = git_step_heads(&c->steps, on_heads, &error);
		(void)clone_started(c, c->asking, &error);
	}
}

void clone_ask(struct git_clone *c)
{
	autobuf error = { 0 };
	c->asking = git_step_tip(&c->steps, on_tip, &error);
	(void)clone_started(c, c->asking, &error);
}

/* ---- two branches ---- */

static void deepen(struct git_clone *c);

/* Exit code 1: there is no such commit, or it is further away. */
static void on_merge_base(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (clone_stopped(c))
		return;
	if (result->exit_code && c->round < ROUNDS)
		deepen(c);
	else
		clone_hand_over(c);
}

static void look_for_base(struct git_clone *c)
{
	autobuf error = { 0 };
	if (strcmp(c->tips.commit, c->tips.trunk_commit) == 0) {
		clone_hand_over(c);
		return;
	}
	c->local = git_step_merge_base(&c->steps, &c->tips, on_merge_base, &error);
	(void)clone_started(c, c->local, &error);
}

/* ---- fetching ---- */

/* Fetching proves it as well as asking does, and later. */
static bool read_fetched(struct git_clone *c)
{
	autofree char *trunk = git_cache_ref(c->asked.trunk);
	c->tips = c->asked;
	if (!git_cache_read(c->cache, c->ref, c->tips.commit)) {
		clone_fail_with(c, SLICE_LIT("the branch was fetched, but is not there"));
		return false;
	}
	if (c->round && !git_cache_read(c->cache, trunk, c->tips.trunk_commit)) {
		clone_fail_with(c, SLICE_LIT("the default branch was fetched, but is not there"));
		return false;
	}
	return true;
}

static void with_tips(struct git_clone *c)
{
	if (!*c->tips.trunk_commit)
		clone_hand_over(c);
	else if (c->round || strcmp(c->tips.commit, c->tips.trunk_commit) == 0)
		look_for_base(c);
	else
		deepen(c);
}

static void on_repacked(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (result->exit_code)
		log_warn(NULL, "%s: cannot repack %s: exit code %d", c->repo_key, c->cache, result->exit_code);
	if (!clone_stopped(c))
		with_tips(c);
}

static void fetched(struct git_clone *c)
{
	autobuf error = { 0 };
	if (c->empty || c->missing) {
		c->tips = (struct git_tips){ 0 };
		if (c->empty)
			clone_place_nothing(c);
		else
			clone_fail(c, GIT_NO_BRANCH, GIT_STAGE_FETCH, slice_make(NULL, 0));
		return;
	}
	git_cache_trim(c->task.loop, c->options.conf);
	if (!read_fetched(c))
		return;
	if (git_cache_packs(c->cache) <= GIT_CACHE_PACKS) {
		with_tips(c);
		return;
	}
	c->local = git_step_repack(&c->steps, on_repacked, &error);
	(void)clone_started(c, c->local, &error);
}

static void on_fetched(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->remote = NULL;
	if (clone_stopped(c))
		return;
	enum git_outcome outcome = result->exit_code ? git_error_outcome(GIT_STAGE_FETCH, result->errors) : GIT_OK;
	if (outcome == GIT_OK) {
		clone_join(c);
	} else if (outcome == GIT_NO_BRANCH && (c->asking || c->empty)) {
		c->missing = true;
		clone_join(c);
	} else if (outcome == GIT_FAILED && !c->fresh && !c->retried) {
		c->broken = true;
		c->joined = clone_fetch;
		clone_join(c);
	} else {
		clone_fail(c, outcome, GIT_STAGE_FETCH, result->errors);
	}
}

static void fetch(struct git_clone *c, const char *trunk, unsigned depth)
{
	autobuf error = { 0 };
	c->joined = fetched;
	c->remote = git_step_fetch(&c->steps, trunk, depth, on_fetched, &error);
	(void)clone_started(c, c->remote, &error);
}

static void deepen(struct git_clone *c)
{
	fetch(c, c->asked.trunk, depths[c->round++]);
}

/* What the host says is needed only now: what is to be checked out beside the branch. */
static void after_prepare(void *user, bool ok)
{
	struct git_clone *c = user;
	if (clone_stopped(c))
		return;
	if (!ok) {
		clone_fail_with(c, buf_slice(&c->task.error));
		return;
	}
	c->round = 0;
	bool asked = *c->asked.commit;
	if (*c->asked.trunk_commit && strcmp(c->asked.commit, c->asked.trunk_commit) != 0)
		deepen(c);
	else
		fetch(c, NULL, 1);
	if (!asked && !c->failed)
		clone_ask(c);
}

static bool prepare_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	if (c->broken) {
		log_warn(NULL, "%s: the cached repository %s is broken and is fetched anew", c->repo_key, c->cache);
		c->broken = false;
		c->retried = true;
		if (!git_cache_discard(c->cache, error) || !git_place_clear(c->options.instance, error))
			return false;
	}
	return git_cache_prepare(c->options.conf, c->cache, &c->fresh, error);
}

void clone_fetch(struct git_clone *c)
{
	clone_in_thread(c, prepare_job, after_prepare);
}
