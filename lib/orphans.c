/* orphans.c: finds the orphans of the blob directory. */
#include "orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "blob_rows.h"
#include "cleanup.h"
#include "clock.h"

#define SHARDS 256

/* One of the directories while it is gone through. */
struct shard {
	struct orphans *o;
	int fd;
	char name[3];
	struct blob_batch batch; /* old enough, and not yet asked about */
};

static bool fail(struct buf *error, const char *doing, const char *name)
{
	buf_addf(error, "can't %s %s: %s", doing, name, strerror(errno));
	return false;
}

/* The database doesn't know it. A publisher holds a shared lock from before the file has its name until the end of its
 * transaction: who has the exclusive one and asks then, sees what became of that. */
static bool judge(struct shard *s, const char *id, struct buf *error)
{
	struct orphans *o = s->o;
	struct stat st = { 0 };
	bool known;
	autoclose int fd = openat(s->fd, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return true;
	/* Nobody publishes a symbolic link. */
	if (fd < 0 && errno != ELOOP)
		return fail(error, "open the blob", id);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		o->busy += errno == EWOULDBLOCK;
		return errno == EWOULDBLOCK || fail(error, "lock the blob", id);
	}
	if (fstatat(s->fd, id, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT || fail(error, "look at the blob", id);
	return blob_rows_ask_one(o->conn, id, &known, error) &&
	       (known || o->found(o->arg, s->fd, id, (int64_t)st.st_size, error));
}

static bool judge_batch(struct shard *s, struct buf *error)
{
	if (!blob_rows_ask(s->o->conn, &s->batch, error))
		return false;
	for (size_t i = 0; i < s->batch.count; i++) {
		if (!s->batch.known[i] && !judge(s, s->batch.ids[i], error))
			return false;
	}
	s->batch.count = 0;
	return true;
}

static bool is_blob_name(const struct shard *s, const char *name)
{
	return uuid_valid(slice_of(name)) && strncmp(name, s->name, 2) == 0;
}

static bool take_entry(struct shard *s, const char *name, struct buf *error)
{
	struct stat st;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT || fail(error, "look at the blob", name);
	if (!is_blob_name(s, name) || !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) {
		s->o->foreign++;
		return true;
	}
	if (s->o->min_age != ORPHANS_ANY_AGE && clock_wall_s() - (int64_t)st.st_mtime < s->o->min_age)
		return true;
	memcpy(s->batch.ids[s->batch.count++], name, UUID_SIZE);
	return s->batch.count < BLOB_BATCH || judge_batch(s, error);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static bool go_through(struct shard *s, struct buf *error)
{
	int copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	autocall(close_dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		fail(error, "read the blobs' directory", s->name);
		cleanup_close(&copy);
		return false;
	}
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? fail(error, "read the blobs' directory", s->name) : judge_batch(s, error);
		if (!take_entry(s, entry->d_name, error))
			return false;
	}
}

bool orphans_find(struct orphans *o, struct buf *error)
{
	struct shard s = { .o = o };
	for (unsigned i = 0; i < SHARDS; i++) {
		(void)snprintf(s.name, sizeof(s.name), "%02x", i & 0xff);
		autoclose int fd = openat(o->blobs->root, s.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		s.fd = fd;
		if (fd >= 0 && !go_through(&s, error))
			return false;
		if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			return fail(error, "open the blobs' directory", s.name);
		o->foreign += fd < 0 && errno != ENOENT;
	}
	return true;
}
