/* git_steps.c: the command lines of a clone's gits. */
#include "git_steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "git_absent.h"
#include "git_handed.h"
#include "git_run.h"
#include "lib/cleanup.h"

/* ls-remote's answer is a line or two, as only one ref and HEAD are asked for; refs/heads/B is also the end of others.
 */
#define TIP_MAX 65536
/* Of the commits without parents below two tips. */
#define ROOTS_MAX (4u << 20)

/* With the user's name in the URL and http.emptyAuth git asks for the password before the first request; else it would
 * do so after being refused, and would then (git 2.39) send the next requests to the old name of a repository that was
 * renamed. */
static const char *const early_password[] = { "http.emptyAuth=true", NULL };

static void add_url(const struct git_steps *s, struct buf *out)
{
	const char *host = strstr(s->url, "://");
	if (s->token_fd < 0 || !host) {
		buf_add_str(out, s->url);
		return;
	}
	buf_add(out, s->url, (size_t)(host + 3 - s->url));
	buf_addf(out, "x-access-token@%s", host + 3);
}

static struct git_run_options options(const struct git_steps *s, const char *name, git_step_end on_exit)
{
	return (struct git_run_options){ .conf = s->conf,
					 .name = name,
					 .user = git_cache_user(s->conf),
					 .token_fd = -1,
					 .on_exit = on_exit,
					 .user_data = s->user };
}

static struct process *ask(const struct git_steps *s, const char *const *args, size_t output_max, git_step_end on_exit,
			   struct buf *error)
{
	struct git_run_options o = options(s, "git ls-remote", on_exit);
	o.args = args;
	o.network = true;
	o.token_fd = s->token_fd;
	o.settings = s->token_fd >= 0 ? early_password : NULL;
	o.output_max = output_max;
	return git_run(s->loop, &o, error);
}

struct process *git_step_tip(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	autobuf ref = { 0 }, url = { 0 };
	add_url(s, &url);
	buf_addf(&ref, "refs/heads/%s", s->branch);
	const char *const args[] = {
		"ls-remote", "--symref", "--", buf_cstr(&url), "HEAD", *s->branch ? buf_cstr(&ref) : NULL, NULL
	};
	return ask(s, args, TIP_MAX, on_exit, error);
}

struct process *git_step_heads(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	autobuf url = { 0 };
	add_url(s, &url);
	return ask(s, (const char *const[]){ "ls-remote", "--heads", "--", buf_cstr(&url), NULL }, 1, on_exit, error);
}

/* The next line of *rest, without its newline. */
static bool next_line(struct slice *rest, struct slice *line)
{
	if (!rest->len)
		return false;
	const char *eol = memchr(rest->ptr, '\n', rest->len);
	size_t n = eol ? (size_t)(eol - rest->ptr) : rest->len;
	*line = slice_make(rest->ptr, n);
	*rest = slice_make(rest->ptr + n + (eol != NULL), rest->len - n - (eol != NULL));
	return true;
}

static bool split(struct slice line, struct slice *before, struct slice *after)
{
	const char *tab = memchr(line.ptr, '\t', line.len);
	if (!tab)
		return false;
	*before = slice_make(line.ptr, (size_t)(tab - line.ptr));
	*after = slice_make(tab + 1, line.len - before->len - 1);
	return true;
}

static void take_symref(struct slice value, struct git_tips *tips)
{
	static const struct slice start = { "ref: refs/heads/", 16 };
	size_t n = value.len - start.len;
	if (value.len <= start.len || memcmp(value.ptr, start.ptr, start.len) != 0 || n >= sizeof(tips->trunk))
		return;
	memcpy(tips->trunk, value.ptr + start.len, n);
	tips->trunk[n] = '\0';
}

static void take_id(struct slice value, char id[static GIT_ID_SIZE])
{
	if (!git_id_valid(value))
		return;
	memcpy(id, value.ptr, value.len);
	id[value.len] = '\0';
}

bool git_step_read_tips(struct slice output, const char *wanted, struct git_tips *tips)
{
	autobuf ref = { 0 };
	struct slice line, value, name;
	*tips = (struct git_tips){ 0 };
	buf_addf(&ref, "refs/heads/%s", wanted);
	while (next_line(&output, &line)) {
		if (!split(line, &value, &name))
			continue;
		bool head = slice_eq_str(name, "HEAD");
		if (head && value.len > 4 && memcmp(value.ptr, "ref:", 4) == 0)
			take_symref(value, tips);
		else if (head)
			take_id(value, tips->trunk_commit);
		else if (*wanted && slice_eq(name, buf_slice(&ref)))
			take_id(value, tips->commit);
	}
	bool default_is_known = *tips->trunk && *tips->trunk_commit;
	if (!default_is_known)
		*tips->trunk = *tips->trunk_commit = '\0';
	if (default_is_known && !*wanted)
		memcpy(tips->commit, tips->trunk_commit, sizeof(tips->commit));
	if (!*wanted || strcmp(wanted, tips->trunk) == 0)
		*tips->trunk_commit = '\0';
	return *tips->commit;
}

struct process *git_step_fetch(const struct git_steps *s, const char *trunk, unsigned depth, git_step_end on_exit,
			       struct buf *error)
{
	autobuf refspec = { 0 }, trunk_spec = { 0 }, url = { 0 };
	char commits[16];
	add_url(s, &url);
	(void)snprintf(commits, sizeof(commits), "%u", depth);
	buf_addf(&refspec, "+refs/heads/%s:%s", s->branch, s->ref);
	autofree char *trunk_ref = git_cache_ref(trunk ? trunk : "");
	buf_addf(&trunk_spec, "+refs/heads/%s:%s", trunk ? trunk : "", trunk_ref);
	struct git_run_options o = options(s, "git fetch", on_exit);
	o.args = (const char *const[]){ "fetch",
					"--quiet",
					"--depth",
					commits,
					"--no-tags",
					"--force",
					"--no-write-fetch-head",
					"--no-recurse-submodules",
					"--",
					buf_cstr(&url),
					buf_cstr(&refspec),
					trunk ? buf_cstr(&trunk_spec) : NULL,
					NULL };
	o.environment = (const char *const[]){ "GIT_DIR", s->cache, NULL };
	o.writable = (const char *const[]){ s->cache, NULL };
	o.network = true;
	o.token_fd = s->token_fd;
	o.settings = s->token_fd >= 0 ? early_password : NULL;
	o.max_file_size = s->conf->sandbox_repo_max;
	return git_run(s->loop, &o, error);
}

/* ---- in the cache ---- */

/* A git that reads the cache, and writes to it if that is what it is for. */
static struct process *in_cache(const struct git_steps *s, struct git_run_options *o, bool writes, struct buf *error)
{
	const char *const dirs[] = { s->cache, NULL };
	o->environment = (const char *const[]){ "GIT_DIR", s->cache, NULL };
	if (writes)
		o->writable = dirs;
	else
		o->readable = dirs;
	return git_run(s->loop, o, error);
}

struct process *git_step_repack(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	struct git_run_options o = options(s, "git repack", on_exit);
	o.args = (const char *const[]){ "repack", "-a", "-d", "-q", NULL };
	o.settings = (const char *const[]){ "repack.writeBitmaps=false", "repack.updateServerInfo=false", NULL };
	return in_cache(s, &o, true, error);
}

struct process *git_step_merge_base(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
				    struct buf *error)
{
	struct git_run_options o = options(s, "git merge-base", on_exit);
	o.args = (const char *const[]){ "merge-base", tips->commit, tips->trunk_commit, NULL };
	return in_cache(s, &o, false, error);
}

struct process *git_step_roots(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
			       struct buf *error)
{
	struct git_run_options o = options(s, "git rev-list", on_exit);
	o.args = (const char *const[]){ "rev-list", "--max-parents=0", tips->commit,
					*tips->trunk_commit ? tips->trunk_commit : NULL, NULL };
	o.output_max = ROOTS_MAX;
	return in_cache(s, &o, false, error);
}

/* No search for better deltas: what the host has sent is taken as it is. */
struct process *git_step_pack(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
			      struct buf *error)
{
	autofree char *dir = git_handed_new_path(s->cache, s->ref);
	autobuf base = { 0 }, input = { 0 };
	buf_addf(&base, "%s/pack", dir);
	buf_addf(&input, "%s\n%s%s", tips->commit, tips->trunk_commit, *tips->trunk_commit ? "\n" : "");
	struct git_run_options o = options(s, "git pack-objects", on_exit);
	o.args = (const char *const[]){ "pack-objects",	 "--revs", "--delta-base-offset", "--window=0", "-q",
					buf_cstr(&base), NULL };
	o.input = buf_slice(&input);
	o.max_file_size = s->conf->sandbox_repo_max;
	return in_cache(s, &o, true, error);
}

/* ---- the checkout ---- */

struct process *git_step_checkout(const struct git_steps *s, bool empty, git_step_end on_exit, struct buf *error)
{
	autobuf git_dir = { 0 };
	buf_addf(&git_dir, "%s/.git", s->instance->repo);
	struct git_run_options o = options(s, "git checkout", on_exit);
	o.user = (struct git_user){ s->instance->uid, s->instance->gid };
	o.args = empty ? (const char *const[]){ "read-tree", "--empty", NULL }
		       : (const char *const[]){ "read-tree", "--reset", "-u", "HEAD", NULL };
	o.settings = (const char *const[]){ "checkout.workers=2", "checkout.thresholdForParallelism=200", NULL };
	o.environment =
		(const char *const[]){ "GIT_DIR", buf_cstr(&git_dir), "GIT_WORK_TREE", s->instance->repo, NULL };
	o.writable = (const char *const[]){ s->instance->repo, NULL };
	o.directory = s->instance->repo;
	o.max_file_size = s->conf->sandbox_repo_max;
	return git_run(s->loop, &o, error);
}

struct process *git_step_absent(const struct git_steps *s, const struct git_tips *tips, git_step_end on_exit,
				struct buf *error)
{
	autobuf git_dir = { 0 };
	buf_addf(&git_dir, "%s/.git", s->instance->repo);
	struct git_run_options o = options(s, "git ls-files", on_exit);
	o.user = (struct git_user){ s->instance->uid, s->instance->gid };
	o.program = "sh";
	o.args = (const char *const[]){ "-c", git_absent_script, "sh", tips->trunk_commit, NULL };
	o.environment =
		(const char *const[]){ "GIT_DIR", buf_cstr(&git_dir), "GIT_WORK_TREE", s->instance->repo, NULL };
	o.readable = (const char *const[]){ s->instance->repo, NULL };
	o.directory = s->instance->repo;
	o.output_max = GIT_ABSENT_OUTPUT;
	return git_run(s->loop, &o, error);
}
