/* git_steps.c: the command lines of a clone's gits. */
#include "git_steps.h"

#include "git_run.h"

/* ls-remote's answer is a line or two, as only one ref and HEAD are asked for; refs/heads/B is also the end of others.
 */
#define TIP_MAX 65536

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

struct process *git_step_tip(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	autobuf ref = { 0 }, url = { 0 };
	add_url(s, &url);
	buf_addf(&ref, "refs/heads/%s", s->branch);
	struct git_run_options o = options(s, "git ls-remote", on_exit);
	o.args = (const char *const[]){
		"ls-remote", "--symref", "--", buf_cstr(&url), *s->branch ? buf_cstr(&ref) : "HEAD", NULL
	};
	o.network = true;
	o.token_fd = s->token_fd;
	o.settings = s->token_fd >= 0 ? early_password : NULL;
	o.output_max = TIP_MAX;
	return git_run(s->loop, &o, error);
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

static void take_symref(struct slice value, struct buf *branch)
{
	static const struct slice start = { "ref: refs/heads/", 16 };
	if (value.len <= start.len || memcmp(value.ptr, start.ptr, start.len) != 0)
		return;
	buf_clear(branch);
	buf_add(branch, value.ptr + start.len, value.len - start.len);
}

bool git_step_read_tip(struct slice output, const char *wanted, char commit[static GIT_ID_SIZE], struct buf *branch)
{
	autobuf ref = { 0 };
	struct slice line, value, name;
	buf_addf(&ref, "%s%s", *wanted ? "refs/heads/" : "HEAD", wanted);
	bool found = false;
	while (next_line(&output, &line)) {
		if (!split(line, &value, &name) || !slice_eq(name, buf_slice(&ref)))
			continue;
		if (value.len > 4 && memcmp(value.ptr, "ref:", 4) == 0) {
			take_symref(value, branch);
		} else if (value.len < GIT_ID_SIZE) {
			memcpy(commit, value.ptr, value.len);
			commit[value.len] = '\0';
			found = true;
		}
	}
	return found && (*wanted || branch->len);
}

struct process *git_step_fetch(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	autobuf refspec = { 0 }, url = { 0 };
	add_url(s, &url);
	buf_addf(&refspec, "+refs/heads/%s:%s", s->branch, s->ref);
	struct git_run_options o = options(s, "git fetch", on_exit);
	o.args = (const char *const[]){ "fetch",
					"--quiet",
					"--depth",
					"1",
					"--no-tags",
					"--force",
					"--no-write-fetch-head",
					"--no-recurse-submodules",
					"--",
					buf_cstr(&url),
					buf_cstr(&refspec),
					NULL };
	o.environment = (const char *const[]){ "GIT_DIR", s->cache, NULL };
	o.writable = (const char *const[]){ s->cache, NULL };
	o.network = true;
	o.token_fd = s->token_fd;
	o.settings = s->token_fd >= 0 ? early_password : NULL;
	o.max_file_size = s->conf->sandbox_repo_max;
	return git_run(s->loop, &o, error);
}

struct process *git_step_repack(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	struct git_run_options o = options(s, "git repack", on_exit);
	o.args = (const char *const[]){ "repack", "-a", "-d", "-q", NULL };
	o.settings = (const char *const[]){ "repack.writeBitmaps=false", "repack.updateServerInfo=false", NULL };
	o.environment = (const char *const[]){ "GIT_DIR", s->cache, NULL };
	o.writable = (const char *const[]){ s->cache, NULL };
	return git_run(s->loop, &o, error);
}

struct process *git_step_checkout(const struct git_steps *s, git_step_end on_exit, struct buf *error)
{
	autobuf git_dir = { 0 };
	buf_addf(&git_dir, "%s/.git", s->instance->repo);
	struct git_run_options o = options(s, "git checkout", on_exit);
	o.user = (struct git_user){ s->instance->uid, s->instance->gid };
	o.args = (const char *const[]){ "read-tree", "--reset", "-u", "HEAD", NULL };
	o.settings = (const char *const[]){ "checkout.workers=2", "checkout.thresholdForParallelism=200", NULL };
	o.environment =
		(const char *const[]){ "GIT_DIR", buf_cstr(&git_dir), "GIT_WORK_TREE", s->instance->repo, NULL };
	o.writable = (const char *const[]){ s->instance->repo, NULL };
	o.directory = s->instance->repo;
	o.max_file_size = s->conf->sandbox_repo_max;
	return git_run(s->loop, &o, error);
}
