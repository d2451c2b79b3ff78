/* git_cache.c: the bare repositories that clones are made from. */
#include "git_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tree.h"

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}
#define autodir autocall(close_dir) DIR

/* ---- names ---- */

static void add_hash(struct slice text, size_t digits, struct buf *out)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	if (EVP_Digest(text.ptr, text.len, hash, &length, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; i < digits / 2; i++)
		buf_addf(out, "%02x", hash[i]);
}

/* By the URL, and not by the number that the host's API gives a repository, though a name may be given to another one
 * later. A key protects nothing here, and that one would come too late and say too little:
 *
 * - What leaves the cache are the objects that can be reached from the commits which the host has named to this very
 *   token, under this very name, just now (git_handed.h). Ids are hashes of contents: whoever may read a commit may
 *   read exactly these objects, in whatever repository they were fetched first. A commit that names objects which its
 *   repository hasn't can't be pushed: the host looks whether all is there.
 * - The number is asked of another server at another time than the commits. A name that changes hands in between would
 *   put the new repository's commits under the old one's number: what is proven would still be only what git said.
 * - Where no API tells a number (no credential, another host), it must be right without one.
 *
 * All that a number would bring is that a repository which was renamed needn't be fetched anew. */
char *git_cache_path(const struct conf *conf, const char *workspace, const char *url)
{
	struct buf path = { 0 };
	autobuf key = { 0 };
	buf_add(&key, workspace, strlen(workspace) + 1);
	buf_add_str(&key, url);
	buf_addf(&path, "%s/cache/" GIT_CACHE_PREFIX, conf->sandbox_dir);
	add_hash(buf_slice(&key), 64, &path);
	buf_add_str(&path, ".git");
	(void)buf_cstr(&path);
	return path.data;
}

char *git_cache_ref(const char *branch)
{
	struct buf ref = { 0 };
	buf_add_str(&ref, "refs/craft/");
	add_hash(slice_of(branch), 40, &ref);
	(void)buf_cstr(&ref);
	return ref.data;
}

/* ---- making ---- */

static bool fails(struct buf *error, const char *path)
{
	buf_addf(error, "cannot make %s: %s", path, strerror(errno));
	return false;
}

/* There already is fine. */
static bool make_directory(int at, const char *name, mode_t mode, struct git_user user)
{
	if (mkdirat(at, name, mode) < 0)
		return errno == EEXIST;
	return fchmodat(at, name, mode, 0) == 0 && fchownat(at, name, user.uid, user.gid, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool make_file(int at, const char *name, const char *text, struct git_user user)
{
	autoclose int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t length = strlen(text);
	return fd >= 0 && write(fd, text, length) == (ssize_t)length && fchown(fd, user.uid, user.gid) == 0;
}

/* As git init --bare; HEAD comes last, because a directory without it is no repository and is made anew. */
static bool make_repository(int at, struct git_user user)
{
	static const char *const directories[] = { "objects", "objects/pack", "objects/info", "refs", "refs/craft" };
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (!make_directory(at, directories[i], 0755, user))
			return false;
	return make_file(at, "config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n",
			 user) &&
	       make_file(at, "HEAD", "ref: refs/heads/none\n", user);
}

static bool starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* What a git that was killed left: half packs and locks. */
static void clean_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autodir *dir = fd < 0 ? NULL : fdopendir(fd);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (starts(e->d_name, "tmp_") || starts(e->d_name, ".tmp-") || ends(e->d_name, ".lock") ||
		    ends(e->d_name, ".keep"))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
}

bool git_cache_prepare(const struct conf *conf, const char *path, bool *fresh, struct buf *error)
{
	autobuf cache = { 0 };
	buf_addf(&cache, "%s/cache", conf->sandbox_dir);
	struct git_user user = git_cache_user(conf), daemon = { geteuid(), getegid() };
	/* Others pass through to the one repository that they know. */
	if (!make_directory(AT_FDCWD, buf_cstr(&cache), 0711, daemon))
		return fails(error, buf_cstr(&cache));
	autobuf head = { 0 };
	buf_addf(&head, "%s/HEAD", path);
	*fresh = access(buf_cstr(&head), F_OK) < 0;
	if (*fresh && (!tree_remove(path, error) || !make_directory(AT_FDCWD, path, 0700, user)))
		return error->len ? false : fails(error, path);
	autoclose int at = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || (*fresh && !make_repository(at, user)))
		return fails(error, path);
	clean_directory(at, ".");
	clean_directory(at, "objects/pack");
	clean_directory(at, "refs/craft");
	git_cache_touch(path);
	return true;
}

bool git_cache_discard(const char *path, struct buf *error)
{
	return tree_remove(path, error);
}

/* ---- reading ---- */

#define FILE_MAX (16u << 20)

bool git_cache_file(const char *path, const char *name, struct buf *out)
{
	autobuf full = { 0 };
	buf_addf(&full, "%s/%s", path, name);
	autoclose int fd = open(buf_cstr(&full), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && out->len <= FILE_MAX) {
		n = read(fd, buf_reserve(out, 4096), 4096);
		out->len += n > 0 ? (size_t)n : 0;
	}
	return n == 0;
}

bool git_cache_read(const char *path, const char *ref, char commit[static GIT_ID_SIZE])
{
	autobuf text = { 0 };
	if (!git_cache_file(path, ref, &text))
		return false;
	struct slice id = buf_slice(&text);
	while (id.len && id.ptr[id.len - 1] == '\n')
		id.len--;
	if (!git_id_valid(id))
		return false;
	memcpy(commit, id.ptr, id.len);
	commit[id.len] = '\0';
	return true;
}

void git_cache_touch(const char *path)
{
	(void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

unsigned git_cache_packs(const char *path)
{
	autobuf packs = { 0 };
	buf_addf(&packs, "%s/objects/pack", path);
	autodir *dir = opendir(buf_cstr(&packs));
	unsigned count = 0;
	for (struct dirent *e; dir && (e = readdir(dir));)
		count += ends(e->d_name, ".pack");
	return count;
}
