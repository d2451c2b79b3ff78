/* git_handed.c: packs of what can be reached from proven commits. */
#include "git_handed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/write_all.h"
#include "tree.h"

/* Has the commits for which it was made; without it the directory counts for nothing. */
#define STATE "state"
#define REFS_LEN (sizeof("refs/craft/") - 1)

static char *path_of(const char *cache, const char *ref, const char *suffix)
{
	struct buf path = { 0 };
	buf_addf(&path, "%s/handed/%s%s", cache, ref + REFS_LEN, suffix);
	(void)buf_cstr(&path);
	return path.data;
}

char *git_handed_path(const char *cache, const char *ref)
{
	return path_of(cache, ref, "");
}

char *git_handed_new_path(const char *cache, const char *ref)
{
	return path_of(cache, ref, ".new");
}

/* ---- the state ---- */

static bool take_line(struct slice *rest, char *out, size_t size)
{
	const char *eol = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
	size_t n = eol ? (size_t)(eol - rest->ptr) : 0;
	if (!eol || n >= size)
		return false;
	memcpy(out, rest->ptr, n);
	out[n] = '\0';
	*rest = slice_make(eol + 1, rest->len - n - 1);
	return true;
}

bool git_handed_read(const char *cache, const char *ref, struct git_tips *tips)
{
	autofree char *path = git_handed_path(cache, ref);
	autobuf text = { 0 };
	*tips = (struct git_tips){ 0 };
	if (!git_cache_file(path, STATE, &text))
		return false;
	struct slice rest = buf_slice(&text);
	return take_line(&rest, tips->commit, sizeof(tips->commit)) && git_id_valid(slice_of(tips->commit)) &&
	       take_line(&rest, tips->trunk, sizeof(tips->trunk)) &&
	       take_line(&rest, tips->trunk_commit, sizeof(tips->trunk_commit)) &&
	       (!*tips->trunk_commit || git_id_valid(slice_of(tips->trunk_commit)));
}

/* ---- making ---- */

static bool fails(struct buf *error, const char *path)
{
	buf_addf(error, "cannot make %s: %s", path, strerror(errno));
	return false;
}

static bool make_directory(const char *path, struct git_user user)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST;
	return chmod(path, 0755) == 0 && lchown(path, user.uid, user.gid) == 0;
}

bool git_handed_begin(const struct conf *conf, const char *cache, const char *ref, struct buf *error)
{
	struct git_user user = git_cache_user(conf);
	autobuf all = { 0 };
	autofree char *path = git_handed_new_path(cache, ref);
	buf_addf(&all, "%s/handed", cache);
	if (!tree_remove(path, error))
		return false;
	return (make_directory(buf_cstr(&all), user) && make_directory(path, user)) || fails(error, path);
}

static bool make_file(const char *dir, const char *name, struct slice text, struct git_user user)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", dir, name);
	autoclose int fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd >= 0 && write_all(fd, text) && fchown(fd, user.uid, user.gid) == 0 && fchmod(fd, 0644) == 0;
}

/* ---- shallow commits ---- */

struct lines {
	struct slice *items;
	size_t count;
};

static void free_lines(struct lines *l)
{
	free(l->items);
}

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n ? memcmp(x->ptr, y->ptr, n) : 0;
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static struct lines split(struct slice text)
{
	struct lines l = { xcalloc(text.len / 40 + 1, sizeof(*l.items)), 0 };
	while (text.len) {
		const char *eol = memchr(text.ptr, '\n', text.len);
		size_t n = eol ? (size_t)(eol - text.ptr) : text.len;
		struct slice line = slice_make(text.ptr, n);
		if (git_id_valid(line))
			l.items[l.count++] = line;
		text = slice_make(text.ptr + n + (eol != NULL), text.len - n - (eol != NULL));
	}
	return l;
}

/* Those of roots that the cache's list of shallow commits has, too: the others have no parents at all. */
static void add_shallow(const char *cache, struct slice roots, struct buf *out)
{
	autobuf text = { 0 };
	if (!git_cache_file(cache, "shallow", &text))
		return;
	autocall(free_lines) struct lines known = split(buf_slice(&text)), found = split(roots);
	qsort(known.items, known.count, sizeof(*known.items), by_bytes);
	for (size_t i = 0; i < found.count; i++) {
		if (!bsearch(&found.items[i], known.items, known.count, sizeof(*known.items), by_bytes))
			continue;
		buf_add_slice(out, found.items[i]);
		buf_add_char(out, '\n');
	}
}

bool git_handed_finish(const struct conf *conf, const char *cache, const char *ref, const struct git_tips *tips,
		       struct slice roots, struct buf *error)
{
	struct git_user user = git_cache_user(conf);
	autofree char *path = git_handed_path(cache, ref), *made = git_handed_new_path(cache, ref);
	autobuf shallow = { 0 }, state = { 0 };
	add_shallow(cache, roots, &shallow);
	buf_addf(&state, "%s\n%s\n%s\n", tips->commit, tips->trunk, tips->trunk_commit);
	if (shallow.len && !make_file(made, "shallow", buf_slice(&shallow), user))
		return fails(error, made);
	if (!make_file(made, STATE, buf_slice(&state), user))
		return fails(error, made);
	if (!tree_remove(path, error))
		return false;
	return rename(made, path) == 0 || fails(error, path);
}
