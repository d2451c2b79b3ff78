/* git_diff_look_steps.c: the look around before git add: find, what the .git of files say, the submodules of the
 * commit, what is checked out in them, and what the agent has added though .gitignore names it. */
#include "git_diff_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define FOUND_MAX (8u << 20)

/* What is asked fails where the agent's index is none that git reads here: then all of .gitignore counts. */
static void on_forced(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (result->exit_code)
		log_debug(NULL, "diff of %s: git ls-files -ci ended with %d", d->options.instance->session,
			  result->exit_code);
	if (result->output_cut)
		buf_add_str(&d->notes, "Not all files that were added though .gitignore names them are in the diff.\n");
	git_diff_look_forced(&d->look, result->output);
	diff_index(d);
}

/* The last step. */
static void look_forced(struct git_diff *d)
{
	static const char *const args[] = { "-c",
					    "GIT_INDEX_FILE=.git/index exec git ls-files -ci --exclude-standard -z",
					    NULL };
	if (d->look.ignores)
		diff_run(d, &(const struct diff_git){ .name = "git ls-files",
						      .program = "sh",
						      .args = args,
						      .output_max = FOUND_MAX,
						      .on_exit = on_forced });
	else
		diff_index(d);
}

static void on_heads(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	git_diff_look_heads(&d->look, result->output);
	look_forced(d);
}

static void read_heads(struct git_diff *d)
{
	static const char *const args[] = { "-0", "sh", "-c", git_diff_look_head, "sh", NULL };
	autobuf paths = { 0 };
	git_diff_look_filled(&d->look, &paths);
	diff_run(d, &(const struct diff_git){ .name = "git rev-parse",
					      .program = "xargs",
					      .args = args,
					      .input = buf_slice(&paths),
					      .output_max = FOUND_MAX,
					      .on_exit = on_heads });
}

/* Exit code 1: there are none. */
static void on_links(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (result->exit_code > 1 || result->output_cut) {
		diff_fail_of(d, result);
		return;
	}
	git_diff_look_links(&d->look, result->output, d->careful);
	if (d->look.filled.count)
		read_heads(d);
	else
		look_forced(d);
}

/* All files of the commit may be a long list, of which only the submodules count. */
static void list_links(struct git_diff *d)
{
	static const char *const args[] = { "-c", "git ls-files -s -z | grep -az '^160000 '", NULL };
	diff_run(d, &(const struct diff_git){ .name = "git ls-files",
					      .program = "sh",
					      .args = args,
					      .output_max = FOUND_MAX,
					      .on_exit = on_links });
}

/* grep fails where it finds nothing. */
static void on_targets(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	git_diff_look_targets(&d->look, result->output);
	list_links(d);
}

static void read_targets(struct git_diff *d)
{
	static const char *const args[] = { "-0", "grep", "-aHZsm1", "-e", "^gitdir: ", "--", NULL };
	autobuf files = { 0 };
	git_diff_look_files(&d->look, &files);
	diff_run(d, &(const struct diff_git){ .name = "grep",
					      .program = "xargs",
					      .args = args,
					      .input = buf_slice(&files),
					      .output_max = FOUND_MAX,
					      .on_exit = on_targets });
}

/* True: it is a reason not to make a diff. */
static bool refuses(struct git_diff *d, bool cut)
{
	autobuf text = { 0 };
	if (d->look.fifo.len)
		buf_addf(&text, "%s is a FIFO, for which git would wait for ever", buf_cstr(&d->look.fifo));
	else if (cut || d->look.nested.count > GIT_DIFF_NESTED_MAX)
		buf_addf(&text, "there are more than %d nested repositories or large files in the checkout",
			 GIT_DIFF_NESTED_MAX);
	if (text.len)
		diff_fail(d, buf_slice(&text));
	return text.len;
}

/* find fails where something vanishes meanwhile: what it found counts. */
static void on_found(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	git_diff_look_found(&d->look, result->output);
	if (d->timed_out)
		diff_fail_of(d, result);
	else if (refuses(d, result->output_cut))
		return;
	else if (d->look.files.count)
		read_targets(d);
	else if (d->look.nested.count || d->careful)
		list_links(d);
	else
		look_forced(d);
}

void diff_look(struct git_diff *d)
{
	autobuf size = { 0 };
	const char *args[GIT_DIFF_FIND_ARGS];
	buf_addf(&size, "+%jdc", (intmax_t)d->options.conf->sandbox_diff_max * DIFF_FILE_FACTOR);
	git_diff_look_find(buf_cstr(&size), args);
	diff_run(d, &(const struct diff_git){ .name = "find",
					      .program = "find",
					      .args = args,
					      .output_max = FOUND_MAX,
					      .on_exit = on_found });
}
