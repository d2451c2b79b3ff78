/* git_diff.c: the steps of a diff: a look around, git add into an index of our own, taking back what only
 * .gitattributes makes differ, git diff against the commit.
 *
 * Nested repositories are added as plain files, as all that is left of them elsewhere is the diff; of submodules of the
 * commit there is which commit is checked out in them; linked worktrees, which hold the same files once more, stay out.
 *
 * git add -A decides what belongs to the diff, so files that .gitignore names stay out, but for those that the agent
 * has added by force, and .gitattributes of the tree decides about line ends. If it gives up (an encoding in
 * .gitattributes that a file isn't in, a directory that is half a repository), it is run once more, carefully: bytes as
 * they are, nothing looked into. If the patch isn't UTF-8, because a file is in another encoding, it is made once more
 * with that file as binary. */
#include "git_diff.h"

#include <stdlib.h>

#include "git_diff_internal.h"
#include "git_error.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* All that changed may take so many times SANDBOX_DIFF_MAX while it is looked at. */
#define SCRATCH_FACTOR 32
#define ERROR_LINES 10

static const char careful_attributes[] = "* -text !eol !ident !filter !working-tree-encoding\n";

static void begin(struct git_diff *d);

/* ---- the end ---- */

static void on_closed(void *user)
{
	struct git_diff *d = user;
	if (d->cancelled)
		d->on_cancelled(d->options.user);
	else
		d->options.on_done(d->options.user, d->ok, d->ok ? buf_slice(&d->patch) : slice_make(NULL, 0),
				   buf_slice(&d->notes));
	git_diff_dir_free(&d->dir);
	git_diff_look_free(&d->look);
	git_diff_settle_free(&d->settle);
	buf_free(&d->attributes);
	buf_free(&d->patch);
	buf_free(&d->notes);
	free(d);
}

static bool remove_job(void *user, struct buf *error)
{
	struct git_diff *d = user;
	return git_diff_dir_remove(&d->dir, error);
}

static void after_remove(void *user, bool ok)
{
	struct git_diff *d = user;
	if (!ok)
		log_warn(NULL, "diff of %s: %s", d->options.instance->session, buf_cstr(&d->task.error));
	git_task_measure_end(&d->task);
	if (!git_task_busy(&d->task))
		git_task_close(&d->task, on_closed);
}

void diff_end(struct git_diff *d)
{
	if (d->process || git_task_busy(&d->task) || d->task.closing)
		return;
	git_task_measure_end(&d->task);
	if (!git_task_thread(&d->task, remove_job, after_remove))
		git_task_close(&d->task, on_closed);
}

static void stop(struct git_diff *d)
{
	if (d->process)
		process_kill(d->process);
	diff_end(d);
}

bool diff_stopped(struct git_diff *d)
{
	if (!d->decided && !d->cancelled)
		return false;
	diff_end(d);
	return true;
}

static void fail(struct git_diff *d, const char *text)
{
	if (!d->decided) {
		d->decided = true;
		buf_clear(&d->notes);
		buf_add_str(&d->notes, text);
	}
	stop(d);
}

void diff_fail(struct git_diff *d, struct slice reason)
{
	autobuf text = { 0 };
	buf_add_str(&text, "The diff could not be made: ");
	buf_add_slice(&text, reason);
	fail(d, buf_cstr(&text));
}

/* A git that failed or was ended; what it says may hold names of the tree, so it is bounded and made printable. */
void diff_fail_of(struct git_diff *d, const struct process_result *result)
{
	struct slice said = git_error_line(result->errors, (const char *const[]){ "fatal: ", "error: ", NULL });
	if (!said.len)
		said = git_error_line(result->errors, (const char *const[]){ "", NULL });
	autobuf text = { 0 };
	for (size_t i = 0; i < said.len && i < 200; i++)
		buf_add_char(&text, said.ptr[i] >= ' ' && said.ptr[i] < 0x7f ? said.ptr[i] : '?');
	if (d->timed_out)
		buf_addf(&text, "%sit took longer than %d s", text.len ? "; " : "", DIFF_TIMEOUT_S);
	else if (result->exit_code == 128 + 9)
		buf_add_str(&text, "it was killed, as the sandbox's memory is used up");
	diff_fail(d, buf_slice(&text));
}

static void on_deadline(void *user)
{
	struct git_diff *d = user;
	d->timed_out = true;
	if (d->process)
		process_kill(d->process);
}

static void on_size(void *user, bool too_large)
{
	struct git_diff *d = user;
	autobuf text = { 0 };
	if (d->decided || d->cancelled) {
		diff_end(d);
	} else if (too_large) {
		buf_add_str(&text, "The changes are too large for a diff: more than ");
		git_error_size(d->options.conf->sandbox_diff_max * SCRATCH_FACTOR, &text);
		buf_add_char(&text, '.');
		fail(d, buf_cstr(&text));
	}
}

/* ---- running ---- */

void diff_in_thread(struct git_diff *d, bool (*job)(void *user, struct buf *error), void (*after)(void *user, bool ok))
{
	if (!git_task_thread(&d->task, job, after))
		diff_fail(d, SLICE_LIT("no worker thread"));
}

void diff_run(struct git_diff *d, const struct diff_git *g)
{
	const struct instance *i = d->options.instance;
	autobuf error = { 0 };
	if (d->timed_out) {
		buf_addf(&error, "it took longer than %d s", DIFF_TIMEOUT_S);
		diff_fail(d, buf_slice(&error));
		return;
	}
	const char *tree = g->base ? d->dir.tree : i->repo;
	const char *const readable[] = { i->shadow, i->repo, NULL }, *const writable[] = { d->dir.dir, NULL };
	const char *const environment[] = { "GIT_DIR",
					    g->base ? d->dir.shadow : d->dir.git,
					    "GIT_WORK_TREE",
					    tree,
					    "GIT_INDEX_FILE",
					    g->base ? d->dir.old_index : d->dir.index,
					    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
					    d->dir.objects,
					    NULL };
	/* Joining costs some 10 ms (the kernel waits for all CPUs); what looks around needs next to no memory. */
	const struct git_run_options options = { .conf = d->options.conf,
						 .name = g->name,
						 .user = { i->uid, i->gid },
						 .cgroup = g->program ? NULL : d->options.cgroup,
						 .read_all = true,
						 .alone = !g->program,
						 .writable = writable,
						 .readable = readable,
						 .directory = tree,
						 .settings = g->settings,
						 .environment = environment,
						 .args = g->args,
						 .program = g->program,
						 .token_fd = -1,
						 .input = g->input,
						 .output_max = g->output_max,
						 .on_exit = g->on_exit,
						 .user_data = d };
	d->process = git_run(d->task.loop, &options, &error);
	if (!d->process)
		diff_fail(d, buf_slice(&error));
}

/* ---- git add ---- */

/* Files that git could not take, in its words. */
static void note_errors(struct git_diff *d, struct slice errors)
{
	size_t lines = 0;
	autobuf all = { 0 };
	while (errors.len && lines < ERROR_LINES) {
		const char *eol = memchr(errors.ptr, '\n', errors.len);
		size_t n = eol ? (size_t)(eol - errors.ptr) + 1 : errors.len;
		struct slice said = git_error_line(slice_make(errors.ptr, n), (const char *const[]){ "error: ", NULL });
		errors = slice_make(errors.ptr + n, errors.len - n);
		if (!said.len)
			continue;
		buf_add_str(&all, lines++ ? "; " : "");
		for (size_t i = 0; i < said.len && i < 300; i++)
			buf_add_char(&all, said.ptr[i] >= ' ' && said.ptr[i] < 0x7f ? said.ptr[i] : '?');
	}
	if (all.len)
		buf_addf(&d->notes, "Not all files are in the diff: %s.\n", buf_cstr(&all));
}

static void on_added(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (d->timed_out || (result->exit_code > 1 && d->careful)) {
		diff_fail_of(d, result);
		return;
	}
	if (result->exit_code > 1) {
		log_debug(NULL, "diff of %s: git add ended with %d, once more", d->options.instance->session,
			  result->exit_code);
		d->careful = true;
		begin(d);
		return;
	}
	if (result->exit_code)
		note_errors(d, result->errors);
	if (d->look.attributes)
		diff_settle(d);
	else
		diff_make_patch(d);
}

/* What is added lives for seconds only, so it isn't compressed; large files don't go through memory. */
static void add_all(struct git_diff *d)
{
	static const char *const args[] = {
		"add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul", NULL
	};
	static const char *const settings[] = { "core.bigFileThreshold=16m", "core.compression=0",
						"core.safecrlf=false", NULL };
	autobuf input = { 0 };
	buf_add(&input, ".", 2);
	buf_add_slice(&input, buf_slice(&d->look.excluded));
	diff_run(d, &(const struct diff_git){ .name = "git add",
					      .args = args,
					      .settings = settings,
					      .input = buf_slice(&input),
					      .on_exit = on_added });
}

/* ---- nested repositories ---- */

/* The entries go into the index last, as the index before may become the shadow's. */
static void on_entered(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (result->exit_code)
		log_debug(NULL, "diff of %s: git update-index ended with %d", d->options.instance->session,
			  result->exit_code);
	add_all(d);
}

static void enter_nested(struct git_diff *d)
{
	static const char *const args[] = { "update-index", "-z", "--index-info", NULL };
	autobuf entries = { 0 };
	git_diff_look_entries(&d->look, &entries);
	if (entries.len)
		diff_run(d, &(const struct diff_git){ .name = "git update-index",
						      .args = args,
						      .input = buf_slice(&entries),
						      .on_exit = on_entered });
	else
		add_all(d);
}

/* ---- the index ---- */

static bool keep_job(void *user, struct buf *error)
{
	struct git_diff *d = user;
	return git_diff_dir_keep_index(&d->dir, d->options.instance, error);
}

static void after_keep(void *user, bool ok)
{
	struct git_diff *d = user;
	if (!ok)
		log_warn(NULL, "diff of %s: %s", d->options.instance->session, buf_cstr(&d->task.error));
	if (!diff_stopped(d))
		enter_nested(d);
}

/* Exit code 1: some files were changed, as is to be expected. */
static void on_refreshed(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (result->exit_code <= 1)
		diff_in_thread(d, keep_job, after_keep);
	else
		enter_nested(d);
}

/* git doesn't trust the times of files that are as young as the index, which right after a checkout is all of them: git
 * add would store them all again. So once they are compared, and are known by their times from then on. */
static void refresh(struct git_diff *d)
{
	static const char *const args[] = { "update-index", "-q", "--refresh", NULL };
	diff_run(d, &(const struct diff_git){ .name = "git update-index", .args = args, .on_exit = on_refreshed });
}

void diff_index(struct git_diff *d)
{
	if (!d->careful && !git_diff_dir_index_kept(d->options.instance))
		refresh(d);
	else
		enter_nested(d);
}

static bool prepare_job(void *user, struct buf *error)
{
	struct git_diff *d = user;
	const struct instance *i = d->options.instance;
	return git_diff_dir_make(&d->dir, i, error) &&
	       (!d->careful || git_diff_dir_attributes(&d->dir, i, buf_slice(&d->attributes), error));
}

static void after_prepare(void *user, bool ok)
{
	struct git_diff *d = user;
	if (diff_stopped(d))
		return;
	if (ok)
		diff_look(d);
	else
		diff_fail(d, buf_slice(&d->task.error));
}

static void begin(struct git_diff *d)
{
	git_diff_look_free(&d->look);
	d->look = (struct git_diff_look){ 0 };
	git_diff_settle_free(&d->settle);
	if (d->careful)
		buf_add_str(&d->attributes, careful_attributes);
	diff_in_thread(d, prepare_job, after_prepare);
}

/* ---- from outside ---- */

struct git_diff *git_diff_start(uv_loop_t *loop, const struct git_diff_options *options)
{
	struct git_diff *d = xcalloc(1, sizeof(*d));
	d->options = *options;
	git_diff_dir_init(&d->dir, options->instance);
	d->task = (struct git_task){
		.whose = options->instance->workspace, .user = d, .on_deadline = on_deadline, .on_size = on_size
	};
	git_task_init(&d->task, loop, (uint64_t)DIFF_TIMEOUT_S * 1000);
	git_task_measure(&d->task, d->dir.dir, options->conf->sandbox_diff_max * SCRATCH_FACTOR);
	begin(d);
	return d;
}

void git_diff_cancel(struct git_diff *d, void (*done)(void *user))
{
	d->cancelled = true;
	d->on_cancelled = done;
	stop(d);
}
