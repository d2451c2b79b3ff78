/* git_diff_settle_steps.c: between git add and git diff: the commit's own files are checked out once more, those that
 * git add took for changed, and compared as bytes. Only where there are attributes, and files that seem changed; what
 * fails here leaves what git add has made. */
#include "git_diff_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define RAW_MAX (64u << 20)

/* Written in seconds and removed after them. */
static const char *const settings[] = { "core.compression=0", NULL };

static void give_up(struct git_diff *d, const char *what)
{
	log_debug(NULL, "diff of %s: %s failed", d->options.instance->session, what);
	diff_make_patch(d);
}

static bool went_well(struct git_diff *d, const struct process_result *result, const char *what)
{
	d->process = NULL;
	if (diff_stopped(d))
		return false;
	if (!d->timed_out && result->exit_code == 0 && !result->output_cut)
		return true;
	give_up(d, what);
	return false;
}

/* ---- the index ---- */

static void on_updated(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	if (went_well(d, result, "git update-index"))
		diff_make_patch(d);
}

static void update(struct git_diff *d)
{
	static const char *const args[] = { "update-index", "-z", "--index-info", NULL };
	autobuf entries = { 0 };
	git_diff_settle_entries(&d->settle, &entries, &d->notes);
	if (entries.len)
		diff_run(d, &(const struct diff_git){ .name = "git update-index",
						      .args = args,
						      .input = buf_slice(&entries),
						      .on_exit = on_updated });
	else
		diff_make_patch(d);
}

/* ---- ids ---- */

static void hash(struct git_diff *d, bool base, const char *const *args,
		 void (*on_exit)(void *user, const struct process_result *result))
{
	autobuf paths = { 0 };
	git_diff_settle_paths(&d->settle, &paths);
	diff_run(d, &(const struct diff_git){ .name = "git hash-object",
					      .args = args,
					      .settings = settings,
					      .input = buf_slice(&paths),
					      .output_max = RAW_MAX,
					      .base = base,
					      .on_exit = on_exit });
}

static void on_clean(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	if (!went_well(d, result, "git hash-object"))
		return;
	if (git_diff_settle_hashed(&d->settle, GIT_DIFF_CLEAN, result->output))
		update(d);
	else
		give_up(d, "git hash-object");
}

static void on_now(void *user, const struct process_result *result)
{
	static const char *const args[] = { "hash-object", "--stdin-paths", NULL };
	struct git_diff *d = user;
	if (!went_well(d, result, "git hash-object"))
		return;
	if (!git_diff_settle_hashed(&d->settle, GIT_DIFF_NOW, result->output))
		give_up(d, "git hash-object");
	else if (git_diff_settle_touched(&d->settle))
		hash(d, true, args, on_clean);
	else
		update(d);
}

static void on_fresh(void *user, const struct process_result *result)
{
	static const char *const args[] = { "hash-object", "-w", "--no-filters", "--stdin-paths", NULL };
	struct git_diff *d = user;
	if (!went_well(d, result, "git hash-object"))
		return;
	if (git_diff_settle_hashed(&d->settle, GIT_DIFF_FRESH, result->output))
		hash(d, false, args, on_now);
	else
		give_up(d, "git hash-object");
}

/* ---- what a fresh checkout has ---- */

/* Exit code 1: not all directories have attributes. */
static void on_checked_out(void *user, const struct process_result *result)
{
	static const char *const args[] = { "hash-object", "--no-filters", "--stdin-paths", NULL };
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (d->timed_out || result->exit_code > 1)
		give_up(d, "git checkout-index");
	else
		hash(d, true, args, on_fresh);
}

static void check_out(struct git_diff *d)
{
	static const char *const args[] = { "checkout-index", "-q", "-f", "-z", "--stdin", NULL };
	autobuf paths = { 0 };
	git_diff_settle_checkout(&d->settle, &paths);
	diff_run(d, &(const struct diff_git){ .name = "git checkout-index",
					      .args = args,
					      .input = buf_slice(&paths),
					      .base = true,
					      .on_exit = on_checked_out });
}

static void on_raw(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	if (!went_well(d, result, "git diff-index"))
		return;
	git_diff_settle_raw(&d->settle, result->output);
	if (d->settle.count)
		check_out(d);
	else
		diff_make_patch(d);
}

void diff_settle(struct git_diff *d)
{
	const char *const args[] = {
		"diff-index", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=all",
		d->dir.base,  "--",	  NULL
	};
	d->settle.done = true;
	diff_run(d, &(const struct diff_git){
			    .name = "git diff-index", .args = args, .output_max = RAW_MAX, .on_exit = on_raw });
}
