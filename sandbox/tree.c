/* tree.c: removing and walking directory trees that somebody hostile has made. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Takes fd over, also when it fails. */
static DIR *read_fd(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		(void)close(fd);
	return dir;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* A directory without permissions is made its owner's again, by its descriptor, so that no link can come in between. */
static void make_accessible(int at, const char *name)
{
	autoclose int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd >= 0)
		(void)chmod(path, 0700);
}

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, DIRECTORY);
	if (fd < 0 && errno == EACCES) {
		make_accessible(at, name);
		fd = openat(at, name, DIRECTORY);
	}
	return read_fd(fd);
}

/* Removes an entry that is a file, a link or an empty directory. */
static bool remove_entry(int at, const char *name)
{
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	return unlinkat(at, name, AT_REMOVEDIR) == 0;
}

/* Moving a directory changes its "..", for which its owner needs the permission to write. */
static bool move_up(int at, const char *name, int top, uint64_t *serial)
{
	if (geteuid() != 0)
		make_accessible(at, name);
	for (;;) {
		char moved[40];
		(void)snprintf(moved, sizeof(moved), ".moved-%ju", (uintmax_t)(*serial)++);
		if (renameat2(at, name, top, moved, RENAME_NOREPLACE) == 0)
			return true;
		if (errno != EEXIST)
			return false;
	}
}

/* Empties the directory name of top and removes it: what can't be removed at once is a directory with something in it,
 * and moves up into top, to have its turn there. So no depth is ever climbed. */
static bool flatten(int top, const char *name, uint64_t *serial)
{
	autocall(close_dir) DIR *dir = open_dir(top, name);
	if (!dir)
		return false;
	/* Readable, but not searchable or writable: only root can do without. */
	if (geteuid() != 0 && fchmod(dirfd(dir), 0700) < 0)
		return false;
	for (struct dirent *e; (e = readdir(dir));) {
		if (is_dot(e->d_name) || remove_entry(dirfd(dir), e->d_name))
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return false;
		if (!move_up(dirfd(dir), e->d_name, top, serial))
			return false;
	}
	/* Not empty: the file system's readdir was confused by the removals; the next round looks again. */
	return unlinkat(top, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY;
}

/* One pass over top. *left: something is there still, or may be. */
static bool empty_once(int top, uint64_t *serial, bool *left)
{
	autocall(close_dir) DIR *dir = read_fd(openat(top, ".", DIRECTORY));
	if (!dir)
		return false;
	for (struct dirent *e; (e = readdir(dir));) {
		if (is_dot(e->d_name))
			continue;
		*left = true;
		if (remove_entry(top, e->d_name))
			continue;
		if ((errno != ENOTEMPTY && errno != EEXIST) || !flatten(top, e->d_name, serial))
			return false;
	}
	return true;
}

static bool empty(int top)
{
	uint64_t serial = 0;
	bool left = true;
	while (left) {
		left = false;
		if (!empty_once(top, &serial, &left))
			return false;
	}
	return true;
}

bool tree_remove(const char *path, struct buf *error)
{
	if (remove_entry(AT_FDCWD, path))
		return true;
	autocall(close_dir) DIR *dir = errno == ENOTEMPTY || errno == EEXIST ? open_dir(AT_FDCWD, path) : NULL;
	if (dir && (geteuid() == 0 || fchmod(dirfd(dir), 0700) == 0) && empty(dirfd(dir)) && rmdir(path) == 0)
		return true;
	buf_addf(error, "cannot remove %s: %s", path, strerror(errno));
	return false;
}

/* ---- walking ---- */

/* Names of directories that wait for their turn may take this much memory, in all levels together. */
#define NAMES_MAX (256u << 20)

/* One level on the way down: the directories of it that are still to be entered, each with a NUL behind it. */
struct level {
	ino_t inode;
	struct buf names;
	size_t at;
};

struct walk {
	int fd; /* the directory of the last level */
	dev_t device;
	struct level *levels;
	size_t depth, room;
	size_t names_len;
	void (*visit)(int at, const char *name, const struct stat *st, void *arg);
	void *arg;
};

static void walk_free(struct walk *w)
{
	for (size_t i = 0; i < w->depth; i++)
		buf_free(&w->levels[i].names);
	free(w->levels);
	cleanup_close(&w->fd);
}

static void take_entry(struct walk *w, struct level *level, int at, const char *name)
{
	struct stat st;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	w->visit(at, name, &st, w->arg);
	if (!S_ISDIR(st.st_mode) || st.st_dev != w->device)
		return;
	buf_add(&level->names, name, strlen(name) + 1);
	w->names_len += strlen(name) + 1;
}

/* Makes fd, a directory just opened, the last level, and visits what is in it. Takes fd over. */
static bool enter(struct walk *w, int fd, ino_t inode)
{
	if (w->depth == w->room) {
		w->room = w->room ? w->room * 2 : 64;
		w->levels = xrealloc(w->levels, w->room * sizeof(*w->levels));
	}
	struct level *level = &w->levels[w->depth++];
	*level = (struct level){ .inode = inode };
	cleanup_close(&w->fd);
	w->fd = fd;
	autocall(close_dir) DIR *dir = read_fd(openat(fd, ".", DIRECTORY));
	for (struct dirent *e; dir && w->names_len <= NAMES_MAX && (e = readdir(dir));)
		if (!is_dot(e->d_name))
			take_entry(w, level, fd, e->d_name);
	return w->names_len <= NAMES_MAX;
}

/* Back to the level above; false when ".." is another directory than the one we came from. */
static bool leave(struct walk *w)
{
	struct level *level = &w->levels[--w->depth];
	w->names_len -= level->names.len;
	buf_free(&level->names);
	if (w->depth == 0)
		return true;
	int fd = openat(w->fd, "..", DIRECTORY);
	struct stat st;
	bool right =
		fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == w->levels[w->depth - 1].inode && st.st_dev == w->device;
	cleanup_close(&w->fd);
	w->fd = fd;
	return right;
}

/* The next directory of the last level, or back up when there is none. */
static bool step(struct walk *w)
{
	struct level *level = &w->levels[w->depth - 1];
	if (level->at == level->names.len)
		return leave(w);
	const char *name = level->names.data + level->at;
	level->at += strlen(name) + 1;
	int fd = openat(w->fd, name, DIRECTORY);
	struct stat st;
	if (fd < 0)
		return true; /* gone, a link by now, or not ours to read */
	if (fstat(fd, &st) < 0 || st.st_dev != w->device) {
		(void)close(fd);
		return true;
	}
	return enter(w, fd, st.st_ino);
}

bool tree_walk(const char *path, void (*visit)(int at, const char *name, const struct stat *st, void *arg), void *arg)
{
	autocall(walk_free) struct walk w = { .fd = -1, .visit = visit, .arg = arg };
	int fd = open(path, DIRECTORY);
	struct stat st;
	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0) {
		(void)close(fd);
		return false;
	}
	w.device = st.st_dev;
	if (!enter(&w, fd, st.st_ino))
		return false;
	while (w.depth > 0)
		if (!step(&w))
			return false;
	return true;
}

static void add_size(int at, const char *name, const struct stat *st, void *arg)
{
	(void)at;
	(void)name;
	*(int64_t *)arg += (int64_t)st->st_blocks * 512;
}

int64_t tree_size(const char *path)
{
	int64_t size = 0;
	return tree_walk(path, add_size, &size) ? size : -1;
}

struct owner {
	uid_t uid;
	gid_t gid;
	bool failed;
};

static void give(int at, const char *name, const struct stat *st, void *arg)
{
	struct owner *owner = arg;
	if ((st->st_uid != owner->uid || st->st_gid != owner->gid) &&
	    fchownat(at, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
		owner->failed = true;
}

bool tree_chown(const char *path, uid_t uid, gid_t gid)
{
	struct owner owner = { .uid = uid, .gid = gid };
	return tree_walk(path, give, &owner) && !owner.failed;
}
