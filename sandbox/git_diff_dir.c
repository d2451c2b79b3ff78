/* git_diff_dir.c: where a diff's git works. */
#include "git_diff_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tree.h"

static char *join(const char *dir, const char *name)
{
	struct buf path = { 0 };
	buf_addf(&path, "%s/%s", dir, name);
	(void)buf_cstr(&path);
	return path.data;
}

void git_diff_dir_init(struct git_diff_dir *d, const struct instance *instance)
{
	*d = (struct git_diff_dir){ 0 };
	d->dir = join(instance->scratch, "diff");
	d->git = join(d->dir, "git");
	d->index = join(d->dir, "index");
	d->objects = join(instance->shadow, "objects");
	d->tree = join(d->dir, "tree");
	d->shadow = xstrdup(instance->shadow);
	d->old_index = join(instance->shadow, "index");
}

void git_diff_dir_free(struct git_diff_dir *d)
{
	free(d->dir);
	free(d->git);
	free(d->index);
	free(d->objects);
	free(d->tree);
	free(d->shadow);
	free(d->old_index);
}

static bool fails(const char *path, struct buf *error)
{
	buf_addf(error, "cannot make %s: %s", path, strerror(errno));
	return false;
}

static bool make_directory(const char *path, const struct instance *i, struct buf *error)
{
	if (mkdir(path, 0700) < 0 || lchown(path, i->uid, i->gid) < 0)
		return fails(path, error);
	return true;
}

static bool make_file(const char *dir, const char *name, struct slice text, const struct instance *i, struct buf *error)
{
	autofree char *path = join(dir, name);
	(void)unlink(path);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len || fchown(fd, i->uid, i->gid) < 0)
		return fails(path, error);
	return true;
}

static bool copy(const char *from, const char *to, const struct instance *i, struct buf *error)
{
	if (git_place_copy(from, to, i->uid, i->gid, NULL))
		return true;
	buf_addf(error, "cannot copy %s: %s", from, strerror(errno));
	return false;
}

static bool make_git_directory(struct git_diff_dir *d, const struct instance *i, struct buf *error)
{
	static const char *const directories[] = { "", "objects", "refs", "info" };
	for (size_t n = 0; n < sizeof(directories) / sizeof(*directories); n++) {
		autofree char *path = join(d->git, directories[n]);
		if (!make_directory(path, i, error))
			return false;
	}
	autobuf head = { 0 };
	buf_addf(&head, "%s\n", d->base);
	return make_file(d->git, "config", SLICE_LIT("[core]\n\trepositoryformatversion = 0\n\tbare = false\n"), i,
			 error) &&
	       make_file(d->git, "HEAD", buf_slice(&head), i, error);
}

bool git_diff_dir_make(struct git_diff_dir *d, const struct instance *i, struct buf *error)
{
	if (!tree_remove(d->dir, error))
		return false;
	if (!git_place_base(i, d->base)) {
		buf_add_str(error, "nothing was checked out");
		return false;
	}
	autofree char *shallow = join(i->shadow, "shallow"), *own_shallow = join(d->git, "shallow");
	return make_directory(d->dir, i, error) && make_git_directory(d, i, error) &&
	       make_directory(d->tree, i, error) && copy(d->old_index, d->index, i, error) &&
	       (access(shallow, F_OK) < 0 || copy(shallow, own_shallow, i, error));
}

bool git_diff_dir_attributes(const struct git_diff_dir *d, const struct instance *i, struct slice lines,
			     struct buf *error)
{
	autofree char *info = join(d->git, "info");
	return make_file(info, "attributes", lines, i, error);
}

/* Is there once the index was kept. */
#define KEPT "index-kept"

bool git_diff_dir_index_kept(const struct instance *i)
{
	autofree char *kept = join(i->shadow, KEPT);
	return access(kept, F_OK) == 0;
}

static bool keep(const struct git_diff_dir *d, const struct instance *i, const char *index, const struct stat *st)
{
	autofree char *fresh = join(i->shadow, "index-new"), *kept = join(i->shadow, KEPT);
	(void)unlink(fresh);
	if (!git_place_copy(d->index, fresh, st->st_uid, st->st_gid, NULL) || chmod(fresh, 0644) < 0 ||
	    rename(fresh, index) < 0)
		return false;
	autoclose int mark = open(kept, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return mark >= 0;
}

/* git counts in seconds. */
bool git_diff_dir_keep_index(const struct git_diff_dir *d, const struct instance *i, struct buf *error)
{
	autofree char *index = join(i->shadow, "index");
	struct stat st;
	time_t now = time(NULL);
	if (stat(index, &st) < 0 || (now > st.st_mtime + 1 && !keep(d, i, index, &st)))
		return fails(index, error);
	const struct timespec later[2] = { { .tv_sec = now + 2 }, { .tv_sec = now + 2 } };
	return utimensat(AT_FDCWD, d->index, later, AT_SYMLINK_NOFOLLOW) == 0 || fails(d->index, error);
}

bool git_diff_dir_remove(const struct git_diff_dir *d, struct buf *error)
{
	return tree_remove(d->dir, error);
}
