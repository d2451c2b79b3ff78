/* git_diff_patch.c: git diff, and what becomes of its output. */
#include "git_diff_internal.h"
#include "git_error.h"
#include "git_patch.h"
#include "lib/cleanup.h"

static bool attributes_job(void *user, struct buf *error)
{
	struct git_diff *d = user;
	return git_diff_dir_attributes(&d->dir, d->options.instance, buf_slice(&d->attributes), error);
}

static void after_attributes(void *user, bool ok)
{
	struct git_diff *d = user;
	if (diff_stopped(d))
		return;
	if (ok)
		diff_make_patch(d);
	else
		diff_fail(d, buf_slice(&d->task.error));
}

/* A patch that isn't text is made once more, with attributes; true: that goes on now. */
static bool once_more(struct git_diff *d)
{
	if (d->timed_out) {
		d->patch.len = git_patch_text(buf_slice(&d->patch));
		return false;
	}
	if (!git_patch_attributes(buf_slice(&d->patch), &d->attributes))
		return false;
	if (d->binary)
		buf_add_str(&d->attributes, "* -diff\n"); /* names too long for git's attributes */
	d->binary = true;
	diff_in_thread(d, attributes_job, after_attributes);
	return true;
}

static void mark_cut(struct git_diff *d, bool cut)
{
	size_t max = (size_t)d->options.conf->sandbox_diff_max;
	autobuf why = { 0 };
	if (cut) {
		buf_add_str(&why, "the changes make a longer one than SANDBOX_DIFF_MAX allows (");
		git_error_size((int64_t)max, &why);
		buf_add_char(&why, ')');
	} else if (d->timed_out) {
		buf_addf(&why, "it took longer than %d s", DIFF_TIMEOUT_S);
	} else if (d->look.large.len) {
		buf_add_slice(&why, buf_slice(&d->look.large));
		if (d->look.large_count > 1)
			buf_addf(&why, " and %zu more files are", d->look.large_count - 1);
		else
			buf_add_str(&why, " is");
		buf_add_str(&why, " left out, being larger than ");
		git_error_size((int64_t)max * DIFF_FILE_FACTOR, &why);
	}
	if (why.len)
		git_patch_cut(&d->patch, cut || d->timed_out, buf_cstr(&why));
}

static void on_patch(void *user, const struct process_result *result)
{
	struct git_diff *d = user;
	d->process = NULL;
	if (diff_stopped(d))
		return;
	if (result->exit_code && !result->output_cut && !d->timed_out) {
		diff_fail_of(d, result);
		return;
	}
	buf_clear(&d->patch);
	buf_add_slice(&d->patch, result->output);
	/* It may have been ended in the middle of a character. */
	while (d->patch.len && d->patch.data[d->patch.len - 1] != '\n')
		d->patch.len--;
	if (!d->settle.done && git_patch_loses(buf_slice(&d->patch), ".gitattributes")) {
		diff_settle(d);
		return;
	}
	if (once_more(d))
		return;
	git_patch_notes(buf_slice(&d->patch), &d->notes);
	git_diff_look_notes(&d->look, buf_slice(&d->patch), &d->notes);
	mark_cut(d, result->output_cut);
	d->ok = d->decided = true;
	diff_end(d);
}

void diff_make_patch(struct git_diff *d)
{
	const char *const args[] = { "diff",
				     "--cached",
				     "--binary",
				     "--full-index",
				     "-M",
				     "--no-color",
				     "--no-ext-diff",
				     "--no-textconv",
				     "--ignore-submodules=none",
				     "--src-prefix=a/",
				     "--dst-prefix=b/",
				     d->dir.base,
				     "--",
				     NULL };
	diff_run(d, &(const struct diff_git){ .name = "git diff",
					      .args = args,
					      .output_max = (size_t)d->options.conf->sandbox_diff_max,
					      .on_exit = on_patch });
}
