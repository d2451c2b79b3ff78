/* sandbox_diff.c: one diff of a sandbox after the other. */
#include "sandbox_diff.h"

#include "git_error.h"
#include "git_patch.h"
#include "sandbox.h"

static void pump(struct sandbox *sb);

static void on_done(void *user, bool ok, struct slice patch, struct slice notes)
{
	struct sandbox *sb = user;
	struct job *job = TAILQ_FIRST(&sb->diffs);
	sb->diff = NULL;
	TAILQ_REMOVE(&sb->diffs, job, diff_link);
	job->wants_diff = false;
	if (job->kind == JOB_EXECUTE)
		job_execute_diff_done(job, ok, patch, notes);
	else
		job_diff_done(job, ok, patch, notes);
	pump(sb);
}

static void pump(struct sandbox *sb)
{
	struct git_diff_options options = { .conf = &sb->daemon->conf,
					    .instance = &sb->instance,
					    .cgroup = sb->has_cgroup ? &sb->cgroup : NULL,
					    .on_done = on_done,
					    .user = sb };
	if (!sb->diff && !TAILQ_EMPTY(&sb->diffs))
		sb->diff = git_diff_start(sb->daemon->loop, &options);
}

void sandbox_diff_want(struct job *job)
{
	job->wants_diff = true;
	TAILQ_INSERT_TAIL(&job->sandbox->diffs, job, diff_link);
	pump(job->sandbox);
}

static void on_cancelled(void *user)
{
	struct sandbox *sb = user;
	sb->diff = NULL;
	sb->diff_going = false;
	pump(sb);
}

void sandbox_diff_forget(struct job *job)
{
	struct sandbox *sb = job->sandbox;
	bool first = TAILQ_FIRST(&sb->diffs) == job;
	TAILQ_REMOVE(&sb->diffs, job, diff_link);
	job->wants_diff = false;
	if (!first || !sb->diff || sb->diff_going)
		return;
	sb->diff_going = true;
	git_diff_cancel(sb->diff, on_cancelled);
}

struct slice sandbox_diff_bounded(const struct sandbox *sb, struct slice patch, struct buf *cut)
{
	int64_t max = sb->daemon->conf.sandbox_diff_max;
	size_t fits = draft_fits(patch, (size_t)max);
	autobuf why = { 0 };
	if (fits == patch.len)
		return patch;
	buf_add_str(&why, "as JSON the changes make a longer one than SANDBOX_DIFF_MAX allows (");
	git_error_size(max, &why);
	buf_add_char(&why, ')');
	buf_add(cut, patch.ptr, fits);
	git_patch_cut(cut, true, buf_cstr(&why));
	return buf_slice(cut);
}
