/* sweep.c: one run of housekeeping over the blob directory. */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "blob_rows.h"
#include "cleanup.h"
#include "clock.h"
#include "orphans.h"

struct sweep {
	const struct blobs *blobs;
	PGconn *conn;
	const struct sweep_options *options;
	struct sweep_result *result;
	bool spare; /* orphans stay */
};

static void count(struct sweep_count *c, int64_t bytes)
{
	c->files++;
	c->bytes += bytes;
}

/* ---- blobs of replaced and deleted files ---- */

/* Bytes of a blob; false when there is no such file (any more). */
static bool size_of(const struct blobs *b, const char *id, int64_t *size)
{
	struct stat st;
	autoclose int fd = -1;
	if (blobs_read(b, id, &fd) != BLOB_OK || fstat(fd, &st))
		return false;
	*size = (int64_t)st.st_size;
	return true;
}

/* What stands in the blob's place and is no file of ours stays. */
static bool is_foreign(int error)
{
	return error == EISDIR || error == ENOTDIR || error == ELOOP;
}

static bool remove_gone(struct sweep *s, const char *id, struct buf *error)
{
	int64_t size = 0;
	bool there = size_of(s->blobs, id, &size);
	if (!s->options->dry_run && blobs_remove(s->blobs, id) != BLOB_OK) {
		if (!is_foreign(errno)) {
			buf_addf(error, "can't remove the blob %s: %s", id, strerror(errno));
			return false;
		}
		s->result->foreign++;
	} else if (there) {
		count(&s->result->gone, size);
	}
	return true;
}

static void clear_result(PGresult **r)
{
	PQclear(*r);
}

/* Removed first and forgotten afterwards: one that isn't forgotten is met again. */
static bool sweep_gone(struct sweep *s, struct buf *error)
{
	/* What a dry run doesn't forget would come again: it asks once. */
	int32_t limit = s->options->dry_run ? INT32_MAX : BLOB_BATCH;
	int rows = limit;
	while (rows == limit) {
		autocall(clear_result) PGresult *r = blob_rows_gone(s->conn, s->options->gone_age, limit, error);
		if (!r)
			return false;
		rows = PQntuples(r);
		for (int i = 0; i < rows; i++) {
			if (!remove_gone(s, PQgetvalue(r, i, 0), error))
				return false;
		}
		if (rows && !s->options->dry_run && !blob_rows_forget(s->conn, r, error))
			return false;
	}
	return true;
}

/* ---- uploads that ended early ---- */

static bool sweep_stray(struct sweep *s, const char *name, struct buf *error)
{
	struct stat st;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    fstatat(s->blobs->incoming, name, &st, AT_SYMLINK_NOFOLLOW))
		return true;
	if (!S_ISREG(st.st_mode)) {
		s->result->foreign++;
		return true;
	}
	if (clock_wall_s() - (int64_t)st.st_mtime < s->options->stray_age)
		return true;
	if (!s->options->dry_run && unlinkat(s->blobs->incoming, name, 0)) {
		if (errno == ENOENT)
			return true;
		buf_addf(error, "can't remove %s/%s: %s", BLOBS_INCOMING, name, strerror(errno));
		return false;
	}
	count(&s->result->strays, (int64_t)st.st_size);
	return true;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static bool sweep_strays(struct sweep *s, struct buf *error)
{
	int fd = openat(s->blobs->incoming, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autocall(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		buf_addf(error, "can't read %s: %s", BLOBS_INCOMING, strerror(errno));
		cleanup_close(&fd);
		return false;
	}
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry && errno)
			buf_addf(error, "can't read %s: %s", BLOBS_INCOMING, strerror(errno));
		if (!entry)
			return error->len == 0;
		if (!sweep_stray(s, entry->d_name, error))
			return false;
	}
}

/* ---- orphans ---- */

static bool sweep_orphan(void *arg, int shard, const char id[static UUID_SIZE], int64_t size, struct buf *error)
{
	struct sweep *s = arg;
	if (s->spare) {
		count(&s->result->spared, size);
		return true;
	}
	if (!s->options->dry_run && unlinkat(shard, id, 0)) {
		if (errno == ENOENT)
			return true;
		buf_addf(error, "can't remove the blob %s: %s", id, strerror(errno));
		return false;
	}
	count(&s->result->orphans, size);
	return true;
}

static bool sweep_orphans(struct sweep *s, struct buf *error)
{
	struct orphans o = {
		.blobs = s->blobs,
		.conn = s->conn,
		.min_age = s->options->orphan_age,
		.found = sweep_orphan,
		.arg = s,
	};
	bool any = true;
	if (s->options->spare_all && !blob_rows_any(s->conn, &any, error))
		return false;
	s->spare = !any;
	bool ok = orphans_find(&o, error);
	s->result->foreign += o.foreign;
	return ok;
}

bool sweep_run(const struct blobs *blobs, PGconn *conn, const struct sweep_options *options,
	       struct sweep_result *result, struct buf *error)
{
	struct sweep s = { .blobs = blobs, .conn = conn, .options = options, .result = result };
	*result = (struct sweep_result){ 0 };
	return sweep_gone(&s, error) && sweep_strays(&s, error) && sweep_orphans(&s, error);
}
