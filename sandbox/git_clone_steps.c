/* git_clone_steps.c: the steps of a clone: asking the host, fetching, checking out. */
#include <signal.h>
#include <stdlib.h>

#include "git_clone_internal.h"
#include "lib/log.h"

/* ---- checking out ---- */

/* The cache may be what is wrong with it: once, it is thrown away. */
static void local_failed(struct git_clone *c, enum git_outcome outcome, struct slice errors)
{
	if (outcome != GIT_FAILED || c->retried) {
		clone_fail(c, outcome, GIT_STAGE_CHECKOUT, errors);
		return;
	}
	c->broken = true;
	clone_join(c);
}

static void on_checked_out(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	git_task_measure_end(&c->task);
	if (c->failed || c->cancelled || result->exit_code == 0)
		clone_join(c);
	else if (result->exit_code == 128 + SIGXFSZ)
		local_failed(c, GIT_TOO_LARGE, slice_make(NULL, 0));
	else
		local_failed(c, git_error_outcome(GIT_STAGE_CHECKOUT, result->errors), result->errors);
}

static void after_place(void *user, bool ok)
{
	struct git_clone *c = user;
	gate_leave(&c->repository);
	if (clone_stopped(c))
		return;
	if (!ok) {
		local_failed(c, c->place.full ? GIT_TOO_LARGE : GIT_FAILED,
			     c->place.full ? SLICE_LIT("No space left on device") : buf_slice(&c->task.error));
		return;
	}
	autobuf error = { 0 };
	c->local = git_step_checkout(&c->steps, on_checked_out, &error);
	if (clone_started(c, c->local, &error) && !c->options.instance->limited)
		git_task_measure(&c->task, c->options.instance->repo, c->options.conf->sandbox_repo_max);
}

static bool place_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_place(&c->place, error);
}

void clone_place(struct git_clone *c)
{
	c->placed = true;
	c->place.branch = c->branch;
	clone_in_thread(c, place_job, after_place);
}

/* ---- fetching ---- */

static void place_from_cache(struct git_clone *c)
{
	if (!git_cache_read(c->cache, c->ref, c->commit)) {
		clone_fail_with(c, SLICE_LIT("the branch was fetched, but is not there"));
		return;
	}
	memcpy(c->tip, c->commit, sizeof(c->tip));
	gate_keep(&c->repository, 1);
	clone_place(c);
}

static void on_repacked(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (result->exit_code)
		log_warn(NULL, "%s: cannot repack %s: exit code %d", c->repo_key, c->cache, result->exit_code);
	if (!clone_stopped(c))
		place_from_cache(c);
}

static void fetched(struct git_clone *c)
{
	git_cache_trim(c->task.loop, c->options.conf);
	if (git_cache_packs(c->cache) <= GIT_CACHE_PACKS) {
		place_from_cache(c);
		return;
	}
	autobuf error = { 0 };
	c->local = git_step_repack(&c->steps, on_repacked, &error);
	(void)clone_started(c, c->local, &error);
}

static void on_fetched(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->remote = NULL;
	if (clone_stopped(c))
		return;
	if (result->exit_code == 0) {
		fetched(c);
		return;
	}
	enum git_outcome outcome = git_error_outcome(GIT_STAGE_FETCH, result->errors);
	if (outcome == GIT_FAILED && !c->fresh && !c->retried) {
		c->broken = true;
		clone_fetch(c);
	} else {
		clone_fail(c, outcome, GIT_STAGE_FETCH, result->errors);
	}
}

static void after_prepare(void *user, bool ok)
{
	struct git_clone *c = user;
	autobuf error = { 0 };
	if (clone_stopped(c))
		return;
	if (!ok) {
		clone_fail_with(c, buf_slice(&c->task.error));
		return;
	}
	c->remote = git_step_fetch(&c->steps, on_fetched, &error);
	(void)clone_started(c, c->remote, &error);
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

/* ---- asking ---- */

static void on_tip(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	autobuf branch = { 0 };
	c->remote = NULL;
	if (clone_stopped(c))
		return;
	if (result->exit_code) {
		clone_fail(c, git_error_outcome(GIT_STAGE_FETCH, result->errors), GIT_STAGE_FETCH, result->errors);
	} else if (!git_step_read_tip(result->output, c->branch, c->tip, &branch)) {
		clone_fail(c, GIT_NO_BRANCH, GIT_STAGE_FETCH, slice_make(NULL, 0));
	} else if (*c->branch) {
		clone_join(c);
	} else {
		free(c->branch);
		c->branch = xstrdup(buf_cstr(&branch));
		gate_leave(&c->slot);
		clone_begin(c);
	}
}

void clone_ask(struct git_clone *c)
{
	autobuf error = { 0 };
	c->remote = git_step_tip(&c->steps, on_tip, &error);
	(void)clone_started(c, c->remote, &error);
}
