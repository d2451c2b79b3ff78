/* git_clone_steps.c: what is made of what the cache has: a pack to hand over, and a checkout. */
#include <signal.h>
#include <stdlib.h>

#include "git_clone_internal.h"
#include "git_handed.h"
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
	c->local = git_step_checkout(&c->steps, !*c->tips.commit, on_checked_out, &error);
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

/* ---- what it hasn't ---- */

/* To know it is a help, and no reason to fail. */
static void on_looked(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (clone_stopped(c))
		return;
	const struct git_absent_names names = { .github_url = c->options.conf->github_url,
						.repo_key = c->repo_key,
						.branch = c->branch,
						.trunk = c->tips.trunk };
	if (result->exit_code && !result->output_cut)
		log_warn(NULL, "%s: cannot look for submodules: exit code %d", c->repo_key, result->exit_code);
	else
		git_absent_read(&c->absent, &names, result->output, result->output_cut);
	clone_finish(c);
}

void clone_look(struct git_clone *c)
{
	autobuf error = { 0 };
	c->local = git_step_absent(&c->steps, &c->tips, on_looked, &error);
	(void)clone_started(c, c->local, &error);
}

/* ---- handing over ---- */

static void place_handed(void *user, bool ok)
{
	struct git_clone *c = user;
	buf_free(&c->roots);
	if (clone_stopped(c))
		return;
	if (!ok) {
		clone_fail_with(c, buf_slice(&c->task.error));
		return;
	}
	gate_keep(&c->repository, 1);
	c->joined = clone_placed;
	clone_place(c);
}

static bool finish_handing(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_handed_finish(c->options.conf, c->cache, c->ref, &c->tips, buf_slice(&c->roots), error);
}

/* The cache may be what is wrong with it. */
static bool went_well(struct git_clone *c, const struct process_result *result)
{
	if (clone_stopped(c))
		return false;
	if (result->exit_code == 0 && !result->output_cut)
		return true;
	if (c->fresh || c->retried) {
		clone_fail(c, git_error_outcome(GIT_STAGE_FETCH, result->errors), GIT_STAGE_FETCH, result->errors);
	} else {
		c->broken = true;
		clone_fetch(c);
	}
	return false;
}

static void on_packed(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (went_well(c, result))
		clone_in_thread(c, finish_handing, place_handed);
}

static void on_roots(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	autobuf error = { 0 };
	c->local = NULL;
	if (!went_well(c, result))
		return;
	buf_clear(&c->roots);
	buf_add_slice(&c->roots, result->output);
	c->local = git_step_pack(&c->steps, &c->tips, on_packed, &error);
	(void)clone_started(c, c->local, &error);
}

static void after_begin(void *user, bool ok)
{
	struct git_clone *c = user;
	autobuf error = { 0 };
	if (clone_stopped(c))
		return;
	if (!ok) {
		clone_fail_with(c, buf_slice(&c->task.error));
		return;
	}
	c->local = git_step_roots(&c->steps, &c->tips, on_roots, &error);
	(void)clone_started(c, c->local, &error);
}

static bool begin_handing(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_handed_begin(c->options.conf, c->cache, c->ref, error);
}

void clone_hand_over(struct git_clone *c)
{
	clone_in_thread(c, begin_handing, after_begin);
}
