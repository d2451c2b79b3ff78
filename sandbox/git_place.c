/* git_place.c: a sandbox's repository and its shadow, of what the cache hands over. */
#include "git_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "git_handed.h"
#include "lib/cleanup.h"
#include "tree.h"

#define CHUNK (8u << 20)

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}
#define autodir autocall(close_dir) DIR

/* ---- files ---- */

static bool copy_bytes(int in, int out, const atomic_bool *stop)
{
	for (;;) {
		if (stop && atomic_load(stop)) {
			errno = ECANCELED;
			return false;
		}
		ssize_t n = sendfile(out, in, NULL, CHUNK);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/* A file that isn't whole is removed. */
static bool copy_into(int in, int out, uid_t uid, gid_t gid, const atomic_bool *stop)
{
	struct stat st;
	if (fstat(in, &st) < 0 || !copy_bytes(in, out, stop) || fchown(out, uid, gid) < 0)
		return false;
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	return fchmod(out, st.st_mode & 0777) == 0 && futimens(out, times) == 0;
}

bool git_place_copy(const char *from, const char *to, uid_t uid, gid_t gid, const atomic_bool *stop)
{
	autoclose int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0)
		return false;
	autoclose int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return false;
	if (copy_into(in, out, uid, gid, stop))
		return true;
	int saved = errno;
	(void)unlink(to);
	errno = saved;
	return false;
}

/* A directory below which files of one owner are made; the first failure stays in errno, and the rest does nothing. */
struct target {
	const char *root;
	uid_t uid;
	gid_t gid;
	bool failed;
};

static void add_directory(struct target *t, const char *name)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", t->root, name);
	if (t->failed || (mkdir(buf_cstr(&path), 0755) < 0 && errno == EEXIST))
		return;
	t->failed = chmod(path.data, 0755) < 0 || lchown(path.data, t->uid, t->gid) < 0;
}

/* Replaces. */
static void add_file(struct target *t, const char *name, struct slice text)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", t->root, name);
	if (t->failed)
		return;
	(void)unlink(buf_cstr(&path));
	autoclose int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	t->failed = fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len || fchown(fd, t->uid, t->gid) < 0 ||
		    fchmod(fd, 0644) < 0;
}

/* ---- packs ---- */

static bool is_pack_file(const char *name)
{
	const char *dot = strrchr(name, '.');
	return strncmp(name, "pack-", 5) == 0 && dot &&
	       (strcmp(dot, ".pack") == 0 || strcmp(dot, ".idx") == 0 || strcmp(dot, ".rev") == 0);
}

/* linked: as another name of the same file, where that works. */
static bool add_pack_file(struct target *t, const char *from, const char *name, bool linked, const atomic_bool *stop)
{
	autobuf source = { 0 }, to = { 0 };
	buf_addf(&source, "%s/%s", from, name);
	buf_addf(&to, "%s/objects/pack/%s", t->root, name);
	if (linked && link(buf_cstr(&source), buf_cstr(&to)) == 0)
		return true;
	return git_place_copy(buf_cstr(&source), buf_cstr(&to), t->uid, t->gid, stop) || errno == EEXIST;
}

static void add_packs(struct target *t, const struct git_place *p, bool linked)
{
	if (!*p->tips->commit)
		return;
	autofree char *from = git_handed_path(p->cache, p->ref);
	autodir *dir = opendir(from);
	t->failed = t->failed || !dir;
	for (struct dirent *e; !t->failed && (e = readdir(dir));)
		if (is_pack_file(e->d_name))
			t->failed = !add_pack_file(t, from, e->d_name, linked, &p->stop);
}

/* ---- what stands in them ---- */

/* In quotes, as git-config(1) reads it. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_add_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
	buf_add_char(out, '"');
}

static void add_fetched(const char *branch, struct buf *out)
{
	autobuf refs = { 0 };
	buf_addf(&refs, "+refs/heads/%s:refs/remotes/origin/%s", branch, branch);
	buf_add_str(out, "\n\tfetch = ");
	add_quoted(out, buf_cstr(&refs));
}

static void add_followed(const char *branch, struct buf *out)
{
	autobuf refs = { 0 };
	buf_addf(&refs, "refs/heads/%s", branch);
	buf_add_str(out, "[branch ");
	add_quoted(out, branch);
	buf_add_str(out, "]\n\tremote = origin\n\tmerge = ");
	add_quoted(out, buf_cstr(&refs));
	buf_add_char(out, '\n');
}

/* The default branch, when another one is checked out; NULL: there is none. */
static const char *trunk_of(const struct git_place *p)
{
	return *p->tips->trunk_commit ? p->tips->trunk : NULL;
}

static void add_origin(const struct git_place *p, struct buf *out)
{
	const char *trunk = trunk_of(p);
	buf_add_str(out, "[remote \"origin\"]\n\turl = ");
	add_quoted(out, p->url);
	add_fetched(p->branch, out);
	if (trunk)
		add_fetched(trunk, out);
	buf_add_char(out, '\n');
	add_followed(p->branch, out);
	if (trunk)
		add_followed(trunk, out);
}

static void add_shallow(struct target *t, const struct git_place *p)
{
	autobuf text = { 0 };
	if (!*p->tips->commit)
		return;
	autofree char *from = git_handed_path(p->cache, p->ref);
	if (git_cache_file(from, "shallow", &text))
		add_file(t, "shallow", buf_slice(&text));
}

/* In the order of their names, as the first line of the file promises. */
static void add_refs(const struct git_place *p, const char *prefix, struct buf *out)
{
	const char *trunk = trunk_of(p);
	bool first = trunk && strcmp(trunk, p->branch) < 0;
	if (first)
		buf_addf(out, "%s %s%s\n", p->tips->trunk_commit, prefix, trunk);
	buf_addf(out, "%s %s%s\n", p->tips->commit, prefix, p->branch);
	if (trunk && !first)
		buf_addf(out, "%s %s%s\n", p->tips->trunk_commit, prefix, trunk);
}

static void add_commits(struct target *t, const struct git_place *p)
{
	autobuf refs = { 0 }, head = { 0 };
	if (!*p->tips->commit)
		return;
	buf_add_str(&refs, "# pack-refs with: peeled fully-peeled sorted \n");
	add_refs(p, "refs/heads/", &refs);
	add_refs(p, "refs/remotes/origin/", &refs);
	add_file(t, "packed-refs", buf_slice(&refs));
	add_shallow(t, p);
	if (!*p->tips->trunk)
		return;
	buf_addf(&head, "ref: refs/remotes/origin/%s\n", p->tips->trunk);
	add_directory(t, "refs/remotes");
	add_directory(t, "refs/remotes/origin");
	add_file(t, "refs/remotes/origin/HEAD", buf_slice(&head));
}

/* As git clone --depth 1 --single-branch makes it, but for the hooks, of which there are none. Beside another branch
 * the default one is there too, as after git clone and git switch, with their histories down to where they part. */
static void add_metadata(struct target *t, const struct git_place *p)
{
	autobuf head = { 0 }, config = { 0 };
	buf_addf(&head, "ref: refs/heads/%s\n", p->branch);
	buf_add_str(&config, "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
			     "\tlogallrefupdates = true\n");
	add_origin(p, &config);
	add_file(t, "config", buf_slice(&config));
	add_commits(t, p);
	add_file(t, "HEAD", buf_slice(&head));
}

static bool place_repository(struct git_place *p)
{
	static const char *const directories[] = { "",	   "objects",	 "objects/pack", "objects/info",
						   "refs", "refs/heads", "refs/tags",	 "info" };
	autobuf root = { 0 };
	buf_addf(&root, "%s/.git", p->instance->repo);
	struct target t = { .root = buf_cstr(&root), .uid = p->instance->uid, .gid = p->instance->gid };
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		add_directory(&t, directories[i]);
	add_packs(&t, p, false);
	add_metadata(&t, p);
	return !t.failed;
}

/* A bare repository with a HEAD that is the commit. Other users may read it: diffs are made by the sandbox's. */
static bool place_shadow(struct git_place *p)
{
	static const char *const directories[] = { "", "objects", "objects/pack", "refs" };
	autobuf head = { 0 };
	buf_addf(&head, "%s\n", *p->tips->commit ? p->tips->commit : GIT_EMPTY_TREE);
	struct git_user user = git_cache_user(p->conf);
	struct target t = { .root = p->instance->shadow, .uid = user.uid, .gid = user.gid };
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		add_directory(&t, directories[i]);
	t.failed = t.failed || chmod(t.root, 0755) < 0;
	add_packs(&t, p, true);
	add_file(&t, "config", SLICE_LIT("[core]\n\trepositoryformatversion = 0\n\tbare = true\n"));
	add_shallow(&t, p);
	add_file(&t, "HEAD", buf_slice(&head));
	return !t.failed;
}

static bool says_why(struct git_place *p, struct buf *error)
{
	p->full = errno == ENOSPC || errno == EDQUOT;
	buf_addf(error, "cannot write the repository: %s", strerror(errno));
	return false;
}

bool git_place(struct git_place *p, struct buf *error)
{
	if (*p->tips->commit)
		git_cache_touch(p->cache);
	if (!git_place_clear(p->instance, error))
		return false;
	return (place_repository(p) && place_shadow(p)) || says_why(p, error);
}

/* The shadow is never seen by the box, so what lies there is still ours after a restart. */
#define ABSENT "absent"

static bool add_absent(const struct git_place *p, struct slice text)
{
	struct git_user user = git_cache_user(p->conf);
	struct target t = { .root = p->instance->shadow, .uid = user.uid, .gid = user.gid };
	if (text.len)
		add_file(&t, ABSENT, text);
	return !t.failed;
}

void git_place_absent(const struct instance *instance, struct buf *out)
{
	(void)git_cache_file(instance->shadow, ABSENT, out);
}

bool git_place_finish(const struct git_place *p, struct slice absent, struct buf *error)
{
	autobuf from = { 0 }, to = { 0 };
	struct git_user user = git_cache_user(p->conf);
	buf_addf(&from, "%s/.git/index", p->instance->repo);
	buf_addf(&to, "%s/index", p->instance->shadow);
	(void)unlink(buf_cstr(&to));
	if (git_place_copy(buf_cstr(&from), to.data, user.uid, user.gid, NULL) && chmod(to.data, 0644) == 0 &&
	    add_absent(p, absent))
		return true;
	buf_addf(error, "cannot finish the shadow: %s", strerror(errno));
	return false;
}

bool git_place_base(const struct instance *instance, char commit[static GIT_ID_SIZE])
{
	return git_cache_read(instance->shadow, "HEAD", commit);
}

/* ---- emptying ---- */

static bool clear(const char *path, struct buf *error)
{
	autodir *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		autobuf entry = { 0 };
		buf_addf(&entry, "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !tree_remove(buf_cstr(&entry), error))
			return false;
	}
	if (!dir)
		buf_addf(error, "cannot empty %s: %s", path, strerror(errno));
	return dir;
}

bool git_place_clear(const struct instance *instance, struct buf *error)
{
	return clear(instance->repo, error) && clear(instance->shadow, error);
}
