/* git_clone.c: the steps of a clone in their order.
 *
 * Where the cache knows the branch, two things go on at once: the host is asked for the branch's commit, which proves
 * the access, and the commit in the cache is checked out. If they are the same, that is all. Else, and for what isn't
 * known yet: fetch into the cache, alone in it, then check out from there. A cache that turns out to be broken is
 * thrown away and fetched anew, once. */
#include "git_clone.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate.h"
#include "git_error.h"
#include "git_place.h"
#include "git_ref.h"
#include "git_steps.h"
#include "git_task.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "tree.h"

/* Clones that work at the same time; the others wait. */
#define PARALLEL 4

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

static void begin(struct git_clone *c);
static void fetch(struct git_clone *c);
static void join(struct git_clone *c);

/* ---- the end ---- */

static void on_closed(void *user)
{
	struct git_clone *c = user;
	if (c->cancelled)
		c->on_cancelled(c->options.user);
	else
		c->options.on_done(c->options.user, c->failed ? c->outcome : GIT_OK, buf_cstr(&c->text),
				   c->failed ? "" : c->commit);
	buf_free(&c->text);
	cleanup_close(&c->token_fd);
	free(c->repo_key);
	free(c->branch);
	free(c->url);
	free(c->cache);
	free(c->ref);
	free(c);
}

static void close_all(struct git_clone *c)
{
	gate_leave(&c->slot);
	gate_leave(&c->repository);
	git_task_close(&c->task, on_closed);
}

/* Ends what runs, and keeps its places until it has ended. */
static void stop(struct git_clone *c)
{
	atomic_store(&c->place.stop, true);
	if (c->remote)
		process_kill(c->remote);
	if (c->local)
		process_kill(c->local);
	join(c);
}

/* Asked by all that comes back from somewhere, before it goes on. */
static bool stopped(struct git_clone *c)
{
	if (!c->failed && !c->cancelled)
		return false;
	join(c);
	return true;
}

/* The first failure is the one that is told. */
static void fail(struct git_clone *c, enum git_outcome outcome, enum git_stage stage, struct slice errors)
{
	const struct conf *conf = c->options.conf;
	const struct git_error about = { .repo_key = c->repo_key,
					 .branch = c->branch,
					 .url = conf->github_url,
					 .repo_max = conf->sandbox_repo_max,
					 .disk = conf->sandbox_disk,
					 .timeout = conf->sandbox_clone_timeout,
					 .has_token = c->token_fd >= 0,
					 .errors = errors };
	if (!c->failed) {
		c->failed = true;
		c->outcome = outcome;
		git_error_text(outcome, stage, &about, &c->text);
	}
	stop(c);
}

static void fail_with(struct git_clone *c, struct slice reason)
{
	autobuf errors = { 0 };
	buf_add_str(&errors, "fatal: ");
	buf_add_slice(&errors, reason);
	fail(c, GIT_FAILED, GIT_STAGE_FETCH, buf_slice(&errors));
}

static void on_deadline(void *user)
{
	fail(user, GIT_TIMEOUT, GIT_STAGE_FETCH, slice_make(NULL, 0));
}

/* A small repository can be a huge checkout. */
static void on_size(void *user, bool too_large)
{
	struct git_clone *c = user;
	if (too_large && !c->failed)
		fail(c, GIT_TOO_LARGE, GIT_STAGE_CHECKOUT, slice_make(NULL, 0));
	else
		join(c);
}

/* ---- going on ---- */

static void in_thread(struct git_clone *c, bool (*job)(void *user, struct buf *error),
		      void (*after)(void *user, bool ok))
{
	if (!git_task_thread(&c->task, job, after))
		fail_with(c, SLICE_LIT("no worker thread"));
}

static void go_on(void *user)
{
	struct git_clone *c = user;
	if (!stopped(c))
		c->next(c);
}

static void wake_up(void *user)
{
	struct git_clone *c = user;
	git_task_later(&c->task, go_on);
}

/* next runs when the places are there. */
static void enter(struct git_clone *c, struct gate_pass *pass, const char *name, unsigned capacity, unsigned places,
		  void (*next)(struct git_clone *c))
{
	c->next = next;
	if (gate_enter(pass, name, capacity, places, wake_up, c))
		wake_up(c);
}

static void enter_slot(struct git_clone *c, void (*next)(struct git_clone *c))
{
	enter(c, &c->slot, "clones", PARALLEL, 1, next);
}

/* A process that couldn't be started fails the clone. */
static bool started(struct git_clone *c, struct process *process, struct buf *error)
{
	if (!process)
		fail_with(c, buf_slice(error));
	return process;
}

/* ---- checking out ---- */

/* The cache may be what is wrong with it: once, it is thrown away. */
static void local_failed(struct git_clone *c, enum git_outcome outcome, struct slice errors)
{
	if (outcome != GIT_FAILED || c->retried) {
		fail(c, outcome, GIT_STAGE_CHECKOUT, errors);
		return;
	}
	c->broken = true;
	join(c);
}

static void on_checked_out(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	git_task_measure_end(&c->task);
	if (c->failed || c->cancelled || result->exit_code == 0)
		join(c);
	else if (result->exit_code == 128 + SIGXFSZ)
		local_failed(c, GIT_TOO_LARGE, slice_make(NULL, 0));
	else
		local_failed(c, git_error_outcome(GIT_STAGE_CHECKOUT, result->errors), result->errors);
}

static void after_place(void *user, bool ok)
{
	struct git_clone *c = user;
	gate_leave(&c->repository);
	if (stopped(c))
		return;
	if (!ok) {
		local_failed(c, c->place.full ? GIT_TOO_LARGE : GIT_FAILED,
			     c->place.full ? SLICE_LIT("No space left on device") : buf_slice(&c->task.error));
		return;
	}
	autobuf error = { 0 };
	c->local = git_step_checkout(&c->steps, on_checked_out, &error);
	if (started(c, c->local, &error))
		git_task_measure(&c->task, c->options.instance->repo, c->options.conf->sandbox_repo_max);
}

static bool place_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_place(&c->place, error);
}

static void place(struct git_clone *c)
{
	c->placed = true;
	c->place.branch = c->branch;
	in_thread(c, place_job, after_place);
}

/* ---- fetching ---- */

static void place_from_cache(struct git_clone *c)
{
	if (!git_cache_read(c->cache, c->ref, c->commit)) {
		fail_with(c, SLICE_LIT("the branch was fetched, but is not there"));
		return;
	}
	memcpy(c->tip, c->commit, sizeof(c->tip));
	gate_keep(&c->repository, 1);
	place(c);
}

static void on_repacked(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->local = NULL;
	if (result->exit_code)
		log_warn(NULL, "%s: cannot repack %s: exit code %d", c->repo_key, c->cache, result->exit_code);
	if (!stopped(c))
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
	(void)started(c, c->local, &error);
}

static void on_fetched(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	c->remote = NULL;
	if (stopped(c))
		return;
	if (result->exit_code == 0) {
		fetched(c);
		return;
	}
	enum git_outcome outcome = git_error_outcome(GIT_STAGE_FETCH, result->errors);
	if (outcome == GIT_FAILED && !c->fresh && !c->retried) {
		c->broken = true;
		fetch(c);
	} else {
		fail(c, outcome, GIT_STAGE_FETCH, result->errors);
	}
}

static void after_prepare(void *user, bool ok)
{
	struct git_clone *c = user;
	autobuf error = { 0 };
	if (stopped(c))
		return;
	if (!ok) {
		fail_with(c, buf_slice(&c->task.error));
		return;
	}
	c->remote = git_step_fetch(&c->steps, on_fetched, &error);
	(void)started(c, c->remote, &error);
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

static void fetch(struct git_clone *c)
{
	in_thread(c, prepare_job, after_prepare);
}

static void fetch_alone(struct git_clone *c)
{
	enter_slot(c, fetch);
}

/* ---- asking ---- */

static void on_tip(void *user, const struct process_result *result)
{
	struct git_clone *c = user;
	autobuf branch = { 0 };
	c->remote = NULL;
	if (stopped(c))
		return;
	if (result->exit_code) {
		fail(c, git_error_outcome(GIT_STAGE_FETCH, result->errors), GIT_STAGE_FETCH, result->errors);
	} else if (!git_step_read_tip(result->output, c->branch, c->tip, &branch)) {
		fail(c, GIT_NO_BRANCH, GIT_STAGE_FETCH, slice_make(NULL, 0));
	} else if (*c->branch) {
		join(c);
	} else {
		free(c->branch);
		c->branch = xstrdup(buf_cstr(&branch));
		gate_leave(&c->slot);
		begin(c);
	}
}

static void ask(struct git_clone *c)
{
	autobuf error = { 0 };
	c->remote = git_step_tip(&c->steps, on_tip, &error);
	(void)started(c, c->remote, &error);
}

static void use_known(struct git_clone *c)
{
	place(c);
	if (!*c->tip && !c->failed)
		ask(c);
}

/* ---- the order of all that ---- */

/* The cache knows the branch; asked again when alone in it, because another clone may just have fetched it. */
static void look(struct git_clone *c)
{
	bool alone = c->repository.places > 1;
	if (!c->tried_known && git_cache_read(c->cache, c->ref, c->commit)) {
		gate_keep(&c->repository, 1);
		enter_slot(c, use_known);
	} else if (alone) {
		enter_slot(c, fetch);
	} else {
		gate_leave(&c->repository);
		enter(c, &c->repository, c->cache, GATE_ALL, GATE_ALL, look);
	}
}

static void begin(struct git_clone *c)
{
	if (!*c->branch) {
		enter_slot(c, ask);
		return;
	}
	free(c->ref);
	c->ref = git_cache_ref(c->branch);
	c->steps.branch = c->branch;
	c->steps.ref = c->ref;
	enter(c, &c->repository, c->cache, GATE_ALL, 1, look);
}

static bool finish_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	c->too_large = tree_size(c->options.instance->repo) > c->options.conf->sandbox_repo_max;
	return git_place_finish(&c->place, error);
}

static void after_finish(void *user, bool ok)
{
	struct git_clone *c = user;
	if (stopped(c))
		return;
	if (c->too_large)
		fail(c, GIT_TOO_LARGE, GIT_STAGE_CHECKOUT, slice_make(NULL, 0));
	else if (!ok)
		fail_with(c, buf_slice(&c->task.error));
	else
		close_all(c);
}

static bool clear_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_place_clear(c->options.instance, error);
}

static void after_clear(void *user, bool ok)
{
	(void)ok;
	join(user);
}

/* Nothing is left of what wasn't proven to be allowed. */
static void end_failed(struct git_clone *c)
{
	bool placed = c->placed;
	c->placed = false;
	if (!placed || !git_task_thread(&c->task, clear_job, after_clear))
		close_all(c);
}

/* Called when something has ended: goes on when everything has. */
static void join(struct git_clone *c)
{
	if (c->remote || c->local || git_task_busy(&c->task) || c->task.closing)
		return;
	if (c->failed || c->cancelled) {
		end_failed(c);
	} else if (c->broken || strcmp(c->tip, c->commit) != 0) {
		c->tried_known = true;
		gate_leave(&c->slot);
		enter(c, &c->repository, c->cache, GATE_ALL, GATE_ALL, fetch_alone);
	} else {
		in_thread(c, finish_job, after_finish);
	}
}

/* ---- from outside ---- */

static void set_names(struct git_clone *c, const struct git_clone_options *options)
{
	autobuf url = { 0 };
	buf_addf(&url, "%s/%s.git", options->conf->github_url, options->repo_key);
	c->repo_key = xstrdup(options->repo_key);
	c->branch = xstrdup(options->branch);
	c->url = xstrdup(buf_cstr(&url));
	c->cache = git_cache_path(options->conf, c->url);
}

struct git_clone *git_clone_start(uv_loop_t *loop, const struct git_clone_options *options)
{
	struct git_clone *c = xcalloc(1, sizeof(*c));
	c->options = *options;
	c->options.token = slice_make(NULL, 0);
	c->token_fd = git_token(options->token);
	set_names(c, options);
	c->steps = (struct git_steps){ .loop = loop,
				       .conf = options->conf,
				       .instance = options->instance,
				       .url = c->url,
				       .branch = c->branch,
				       .cache = c->cache,
				       .token_fd = c->token_fd,
				       .user = c };
	c->place = (struct git_place){ .conf = options->conf,
				       .instance = options->instance,
				       .cache = c->cache,
				       .url = c->url,
				       .commit = c->commit };
	c->task = (struct git_task){ .user = c, .on_deadline = on_deadline, .on_size = on_size };
	git_task_init(&c->task, loop, (uint64_t)options->conf->sandbox_clone_timeout * 1000);
	begin(c);
	return c;
}

void git_clone_cancel(struct git_clone *c, void (*done)(void *user))
{
	c->cancelled = true;
	c->on_cancelled = done;
	stop(c);
}

bool git_branch_valid(const char *branch)
{
	return branch_valid(slice_of(branch));
}
