/* blobs.c: the directory of blobs. */
#include "blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"

#define DIRECTORY_MODE 0750
#define FLUSH_SLICE (256 << 10)
#define FLUSH_PAUSE 50	 /* µs between two slices of a file */
#define FLUSH_WAITED 200 /* µs for a turn; longer: there are other uploads */
#define FLUSH_GAP 5000	 /* µs at most that the disk is left to others then, after each slice */
#define FILE_MODE 0640	 /* nginx may be another user, of our group */
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* ---- the directory ---- */

static int open_incoming(int root)
{
	int fd = openat(root, BLOBS_INCOMING, OPEN_DIRECTORY);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	/* nginx may make it at the same moment. */
	if (mkdirat(root, BLOBS_INCOMING, DIRECTORY_MODE) && errno != EEXIST)
		return -1;
	return openat(root, BLOBS_INCOMING, OPEN_DIRECTORY);
}

bool blobs_open(struct blobs *b, const char *dir, struct buf *error)
{
	*b = (struct blobs){ .root = -1, .incoming = -1 };
	autofree char *path = realpath(dir, NULL);
	if (path)
		b->root = open(path, OPEN_DIRECTORY);
	if (b->root < 0) {
		buf_addf(error, "BLOB_DIR: can't open the directory %s: %s", dir, strerror(errno));
		return false;
	}
	b->incoming = open_incoming(b->root);
	if (b->incoming < 0) {
		buf_addf(error, "BLOB_DIR: can't open or make the directory %s/%s: %s", path, BLOBS_INCOMING,
			 strerror(errno));
		blobs_close(b);
		return false;
	}
	autobuf incoming = { 0 };
	buf_addf(&incoming, "%s/%s", path, BLOBS_INCOMING);
	b->incoming_path = slice_dup(buf_slice(&incoming));
	return true;
}

bool blobs_prepare(const struct blobs *b)
{
	for (unsigned i = 0; i < 256; i++) {
		char name[4];
		(void)snprintf(name, sizeof(name), "%02x", i & 0xff);
		if (mkdirat(b->root, name, DIRECTORY_MODE) && errno != EEXIST)
			return false;
	}
	return fsync(b->root) == 0;
}

void blobs_close(struct blobs *b)
{
	cleanup_close(&b->incoming);
	cleanup_close(&b->root);
	free(b->incoming_path);
	*b = (struct blobs){ .root = -1, .incoming = -1 };
}

/* The directory that the blob belongs to; made, durably, when it is missing and `make` says so. */
static int open_shard(const struct blobs *b, const char *id, bool make)
{
	const char name[3] = { id[0], id[1], '\0' };
	int fd = openat(b->root, name, OPEN_DIRECTORY);
	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(b->root, name, DIRECTORY_MODE) && errno != EEXIST)
		return -1;
	return fsync(b->root) ? -1 : openat(b->root, name, OPEN_DIRECTORY);
}

static enum blob_result result_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return BLOB_FULL;
	case ENOENT:
	case ELOOP:
	case ENOTDIR:
		return BLOB_NONE;
	default:
		return BLOB_FAILED;
	}
}

/* ---- drafts ---- */

enum blob_result blobs_create(const struct blobs *b, struct blob_draft *draft)
{
	char id[UUID_SIZE];
	*draft = BLOB_DRAFT_NONE;
	if (!uuid_random(id))
		return BLOB_FAILED;
	draft->fd = openat(b->incoming, id, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (draft->fd < 0)
		return errno == ENOENT ? BLOB_FAILED : result_of(errno);
	memcpy(draft->name, id, sizeof(id));
	return BLOB_OK;
}

/* Is the path's directory ours? nginx names it as its configuration does, perhaps by a symbolic link. */
static bool is_incoming(const struct blobs *b, const char *dir, size_t len)
{
	if (slice_eq_str(slice_make(dir, len), b->incoming_path))
		return true;
	struct stat theirs, ours;
	autofree char *copy = slice_dup(slice_make(dir, len));
	return stat(copy, &theirs) == 0 && fstat(b->incoming, &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

enum blob_result blobs_adopt(const struct blobs *b, struct slice path, struct blob_draft *draft)
{
	*draft = BLOB_DRAFT_NONE;
	const char *slash = memrchr(path.ptr, '/', path.len);
	size_t dir_len = slash ? (size_t)(slash - path.ptr) : 0;
	if (!slash || !is_incoming(b, path.ptr, dir_len))
		return BLOB_NONE;
	autofree char *name = slice_dup(slice_make(slash + 1, path.len - dir_len - 1));
	autoclose int fd = openat(b->incoming, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return result_of(errno);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return BLOB_NONE;
	draft->fd = steal_fd(&fd);
	return BLOB_OK;
}

void blob_draft_end(const struct blobs *b, struct blob_draft *draft)
{
	if (draft->fd >= 0 && draft->name[0])
		(void)unlinkat(b->incoming, draft->name, 0);
	cleanup_close(&draft->fd);
	*draft = BLOB_DRAFT_NONE;
}

/* ---- publishing ---- */

static void pause_us(int64_t us)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* False: errno, which tells of the file's bytes too: fsync() says of an error only once. */
static bool write_slice(const struct blobs *b, int fd, off_t at)
{
	const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int64_t asked = clock_us();
	bool turn = b->turns.begin && b->turns.begin(b->turns.user);
	int64_t began = clock_us();
	/* The second empties the disk's own cache, and has nothing else to do: the directory hardly ever changes. */
	bool ok = sync_file_range(fd, at, FLUSH_SLICE, all) == 0 && fdatasync(b->root) == 0;
	int error = errno;
	/* Several uploads would keep the disk busy without a gap between them: it is as long as the slice took. */
	if (turn && began - asked > FLUSH_WAITED)
		pause_us(smaller(clock_us() - began, FLUSH_GAP));
	if (turn)
		b->turns.end(b->turns.user);
	/* Whoever comes next gets a lock only when the one before is elsewhere for a moment. */
	pause_us(FLUSH_PAUSE);
	errno = error;
	return ok;
}

bool blob_draft_flush(const struct blobs *b, struct blob_draft *draft, uint64_t size)
{
	for (; !draft->unsliced && draft->flushed + FLUSH_SLICE <= size; draft->flushed += FLUSH_SLICE) {
		if (write_slice(b, draft->fd, (off_t)draft->flushed))
			continue;
		if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP && errno != ESPIPE)
			return false;
		draft->unsliced = true;
	}
	return true;
}

/* In slices as far as that goes. */
static bool flush_all(const struct blobs *b, struct blob_draft *draft)
{
	struct stat st;
	return (fstat(draft->fd, &st) || blob_draft_flush(b, draft, (uint64_t)st.st_size)) && fsync(draft->fd) == 0;
}

/* Everything that must be true of the file before it gets its name. */
static bool settle_file(const struct blobs *b, struct blob_draft *draft)
{
	int fd = draft->fd;
	/* The sweeper tells age by it. */
	const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
	return flock(fd, LOCK_SH) == 0 && fchmod(fd, FILE_MODE) == 0 && futimens(fd, now) == 0 && flush_all(b, draft);
}

/* Gives the file its name, unless there is such a blob: ids are random, so that could only be somebody else's doing.
 * nginx finds its own name still taken and removes it itself: another nginx that shares the directory can't have used
 * it for another upload in between. */
static bool give_name(const struct blobs *b, const struct blob_draft *draft, int shard, const char *id)
{
	char path[32];
	if (draft->name[0])
		return renameat2(b->incoming, draft->name, shard, id, RENAME_NOREPLACE) == 0 ||
		       (errno == EINVAL && renameat(b->incoming, draft->name, shard, id) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", draft->fd);
	return linkat(AT_FDCWD, path, shard, id, AT_SYMLINK_FOLLOW) == 0;
}

static enum blob_result publish_failure(void)
{
	return result_of(errno) == BLOB_FULL ? BLOB_FULL : BLOB_FAILED;
}

enum blob_result blobs_publish(const struct blobs *b, struct blob_draft *draft, const char id[static UUID_SIZE])
{
	if (!settle_file(b, draft))
		return publish_failure();
	autoclose int shard = open_shard(b, id, true);
	if (shard < 0 || !give_name(b, draft, shard, id))
		return publish_failure();
	draft->name[0] = '\0';
	if (fsync(shard) == 0)
		return BLOB_OK;
	enum blob_result result = publish_failure();
	(void)unlinkat(shard, id, 0);
	return result;
}

/* ---- blobs ---- */

enum blob_result blobs_read(const struct blobs *b, const char id[static UUID_SIZE], int *fd)
{
	*fd = -1;
	autoclose int shard = open_shard(b, id, false);
	if (shard < 0)
		return result_of(errno);
	autoclose int file = openat(shard, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (file < 0 || fstat(file, &st))
		return result_of(errno);
	if (!S_ISREG(st.st_mode))
		return BLOB_NONE;
	*fd = steal_fd(&file);
	return BLOB_OK;
}

enum blob_result blobs_remove(const struct blobs *b, const char id[static UUID_SIZE])
{
	autoclose int shard = open_shard(b, id, false);
	if (shard >= 0 && unlinkat(shard, id, 0) == 0)
		return BLOB_OK;
	return errno == ENOENT ? BLOB_OK : BLOB_FAILED;
}
