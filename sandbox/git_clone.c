/* git_clone.c: the steps of a clone in their order.
 *
 * Where the cache has something to hand over for the branch, two things go on at once: the host is asked for the
 * branch's commit, which proves the access, and that is checked out. If it was made for what the host says, that is
 * all. Else, and for what isn't known yet: fetch into the cache, alone in it, pack what is to be handed over, then
 * check out from there. A cache that turns out to be broken is thrown away and fetched anew, once. */
#include "git_clone.h"

#include <stdlib.h>
#include <unistd.h>

#include "git_clone_internal.h"
#include "git_handed.h"
#include "lib/cleanup.h"
#include "tree.h"

/* Clones that work at the same time; the others wait. */
#define PARALLEL 4

/* ---- the end ---- */

static void on_closed(void *user)
{
	struct git_clone *c = user;
	if (c->cancelled)
		c->on_cancelled(c->options.user);
	else
		c->options.on_done(c->options.user, c->failed ? c->outcome : GIT_OK, buf_cstr(&c->text),
				   c->failed ? "" : c->tips.commit);
	buf_free(&c->text);
	buf_free(&c->roots);
	git_absent_free(&c->absent);
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
	if (c->asking)
		process_kill(c->asking);
	if (c->remote)
		process_kill(c->remote);
	if (c->local)
		process_kill(c->local);
	clone_join(c);
}

bool clone_stopped(struct git_clone *c)
{
	if (!c->failed && !c->cancelled)
		return false;
	clone_join(c);
	return true;
}

void clone_fail(struct git_clone *c, enum git_outcome outcome, enum git_stage stage, struct slice errors)
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

void clone_fail_with(struct git_clone *c, struct slice reason)
{
	autobuf errors = { 0 };
	buf_add_str(&errors, "fatal: ");
	buf_add_slice(&errors, reason);
	clone_fail(c, GIT_FAILED, GIT_STAGE_FETCH, buf_slice(&errors));
}

static void on_deadline(void *user)
{
	clone_fail(user, GIT_TIMEOUT, GIT_STAGE_FETCH, slice_make(NULL, 0));
}

/* A small repository can be a huge checkout. */
static void on_size(void *user, bool too_large)
{
	struct git_clone *c = user;
	if (too_large && !c->failed)
		clone_fail(c, GIT_TOO_LARGE, GIT_STAGE_CHECKOUT, slice_make(NULL, 0));
	else
		clone_join(c);
}

/* ---- going on ---- */

void clone_in_thread(struct git_clone *c, bool (*job)(void *user, struct buf *error),
		     void (*after)(void *user, bool ok))
{
	if (!git_task_thread(&c->task, job, after))
		clone_fail_with(c, SLICE_LIT("no worker thread"));
}

static void go_on(void *user)
{
	struct git_clone *c = user;
	if (!clone_stopped(c))
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

bool clone_started(struct git_clone *c, struct process *process, struct buf *error)
{
	if (!process)
		clone_fail_with(c, buf_slice(error));
	return process;
}

/* ---- the order of all that ---- */

static void fetch_alone(struct git_clone *c)
{
	enter_slot(c, clone_fetch);
}

static bool same(const struct git_tips *a, const struct git_tips *b)
{
	return strcmp(a->commit, b->commit) == 0 && strcmp(a->trunk, b->trunk) == 0 &&
	       strcmp(a->trunk_commit, b->trunk_commit) == 0;
}

void clone_place_nothing(struct git_clone *c)
{
	c->tips = (struct git_tips){ 0 };
	c->joined = clone_placed;
	if (!*c->branch) {
		free(c->branch);
		c->branch = xstrdup("main");
	}
	clone_place(c);
}

static void fetch_anew(struct git_clone *c)
{
	c->tried_known = true;
	gate_leave(&c->slot);
	enter(c, &c->repository, c->cache, GATE_ALL, GATE_ALL, fetch_alone);
}

static bool finish_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	c->too_large = !c->options.instance->limited &&
		       tree_size(c->options.instance->repo) > c->options.conf->sandbox_repo_max;
	autobuf absent = { 0 };
	if (c->absent.note.len)
		git_absent_write(&c->absent, &absent);
	return git_place_finish(&c->place, buf_slice(&absent), error);
}

static void after_finish(void *user, bool ok)
{
	struct git_clone *c = user;
	if (clone_stopped(c))
		return;
	if (c->too_large)
		clone_fail(c, GIT_TOO_LARGE, GIT_STAGE_CHECKOUT, slice_make(NULL, 0));
	else if (!ok)
		clone_fail_with(c, buf_slice(&c->task.error));
	else
		close_all(c);
}

void clone_finish(struct git_clone *c)
{
	clone_in_thread(c, finish_job, after_finish);
}

void clone_placed(struct git_clone *c)
{
	if (c->broken)
		fetch_anew(c);
	else if (*c->tips.commit)
		clone_look(c);
	else
		clone_finish(c);
}

static void known_joined(struct git_clone *c)
{
	if (c->empty)
		clone_place_nothing(c);
	else if (!same(&c->asked, &c->tips))
		fetch_anew(c);
	else
		clone_placed(c);
}

static void use_known(struct git_clone *c)
{
	c->joined = known_joined;
	clone_place(c);
	if (!*c->asked.commit && !c->failed)
		clone_ask(c);
}

/* The cache knows the branch; asked again when alone in it, because another clone may just have fetched it. */
static void look(struct git_clone *c)
{
	bool alone = c->repository.places > 1;
	if (!c->tried_known && git_handed_read(c->cache, c->ref, &c->tips)) {
		gate_keep(&c->repository, 1);
		enter_slot(c, use_known);
	} else if (alone) {
		enter_slot(c, clone_fetch);
	} else {
		gate_leave(&c->repository);
		enter(c, &c->repository, c->cache, GATE_ALL, GATE_ALL, look);
	}
}

/* The default branch was asked for, and has a name now. */
static void named(struct git_clone *c)
{
	if (c->empty) {
		clone_place_nothing(c);
		return;
	}
	free(c->branch);
	c->branch = xstrdup(c->asked.trunk);
	gate_leave(&c->slot);
	clone_begin(c);
}

static void ask_for_name(struct git_clone *c)
{
	c->joined = named;
	clone_ask(c);
}

void clone_begin(struct git_clone *c)
{
	if (!*c->branch) {
		enter_slot(c, ask_for_name);
		return;
	}
	free(c->ref);
	c->ref = git_cache_ref(c->branch);
	c->steps.branch = c->branch;
	c->steps.ref = c->ref;
	c->place.ref = c->ref;
	enter(c, &c->repository, c->cache, GATE_ALL, 1, look);
}

static bool clear_job(void *user, struct buf *error)
{
	struct git_clone *c = user;
	return git_place_clear(c->options.instance, error);
}

static void after_clear(void *user, bool ok)
{
	(void)ok;
	clone_join(user);
}

/* Nothing is left of what wasn't proven to be allowed. */
static void end_failed(struct git_clone *c)
{
	bool placed = c->placed;
	c->placed = false;
	if (!placed || !git_task_thread(&c->task, clear_job, after_clear))
		close_all(c);
}

void clone_join(struct git_clone *c)
{
	if (c->asking || c->remote || c->local || git_task_busy(&c->task) || c->task.closing)
		return;
	if (c->failed || c->cancelled)
		end_failed(c);
	else
		c->joined(c);
}

/* ---- from outside ---- */

static void set_names(struct git_clone *c, const struct git_clone_options *options)
{
	autobuf url = { 0 };
	buf_addf(&url, "%s/%s.git", options->conf->github_url, options->repo_key);
	c->repo_key = xstrdup(options->repo_key);
	c->branch = xstrdup(options->branch);
	c->url = xstrdup(buf_cstr(&url));
	c->cache = git_cache_path(options->conf, options->workspace, c->url);
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
	c->place = (struct git_place){
		.conf = options->conf, .instance = options->instance, .cache = c->cache, .url = c->url, .tips = &c->tips
	};
	c->task = (struct git_task){
		.whose = options->workspace, .user = c, .on_deadline = on_deadline, .on_size = on_size
	};
	git_task_init(&c->task, loop, (uint64_t)options->conf->sandbox_clone_timeout * 1000);
	clone_begin(c);
	return c;
}

void git_clone_cancel(struct git_clone *c, void (*done)(void *user))
{
	c->cancelled = true;
	c->on_cancelled = done;
	stop(c);
}
