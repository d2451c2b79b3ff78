/* room.c: room on the disk. */
#include "room.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"

#define BATCH 16	   /* blobs */
#define FILES_RESERVE 1024 /* files (inodes) that the file system keeps for others, */
#define FILES_PART 20	   /* or a twentieth of all where that is less */
#define MAKE_TIME 1000	   /* ms */
#define WRITTEN_AGE 600	   /* s since its last byte: what is older is a stray, which no upload claims */

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Bytes on the disk of uploads under way. */
static uint64_t written(const struct blobs *blobs)
{
	struct stat st;
	uint64_t bytes = 0;
	const struct dirent *entry;
	int fd = openat(blobs->incoming, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autocall(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cleanup_close(&fd);
		return 0;
	}
	while ((entry = readdir(dir))) {
		if (fstatat(blobs->incoming, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    clock_wall_s() - (int64_t)st.st_mtime < WRITTEN_AGE)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

/* Some file systems have a number of files that they can hold, and some don't know of one (f_files is 0 then). */
static bool may_have_files(const struct statvfs *st)
{
	fsfilcnt_t reserve = st->f_files / FILES_PART;
	return !st->f_files || st->f_favail > (reserve < FILES_RESERVE ? reserve : FILES_RESERVE);
}

bool room_left(const struct blobs *blobs, uint64_t *bytes)
{
	struct statvfs st;
	if (fstatvfs(blobs->root, &st))
		return false;
	*bytes = 0;
	if (!may_have_files(&st))
		return true;
	*bytes = (uint64_t)st.f_bavail * st.f_frsize + written(blobs);
	return true;
}

static void copy_id(char out[static UUID_SIZE], struct slice id)
{
	memcpy(out, id.ptr, UUID_SIZE - 1);
	out[UUID_SIZE - 1] = '\0';
}

static enum status next_gone(struct database *db, char ids[BATCH][UUID_SIZE], size_t *count)
{
	const PGresult *row;
	struct db_params params = { 0 };
	*count = 0;
	db_add_i64(&params, 0);
	db_add_i64(&params, BATCH);
	enum status status = database_read(db, SQL_BLOBS_GONE, &params, &row);
	while (status == STATUS_OK && row) {
		struct slice id = db_get(row, 0, 0);
		if (id.len == UUID_SIZE - 1 && *count < BATCH)
			copy_id(ids[(*count)++], id);
		status = database_row(db, &row);
	}
	return status;
}

/* Removed first and forgotten afterwards: one that isn't forgotten is met again. */
static enum status remove_and_forget(struct request *req, struct database *db, char ids[BATCH][UUID_SIZE], size_t count)
{
	const PGresult *row;
	struct db_params params = { 0 };
	autobuf array = { 0 };
	db_array_begin(&array, DB_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		if (blobs_remove(&req->service->blobs, ids[i]) != BLOB_OK)
			log_warn(req->id, "a blob that no file names can't be removed: %m");
		db_array_text(&array, slice_make(ids[i], UUID_SIZE - 1));
	}
	db_array_end(&array);
	db_add_text(&params, buf_slice(&array));
	enum status status = database_read(db, SQL_BLOBS_FORGET, &params, &row);
	return status == STATUS_OK && row ? database_row(db, &row) : status;
}

enum status room_make(struct request *req, struct database *db, uint64_t bytes)
{
	char ids[BATCH][UUID_SIZE];
	size_t count = 1, removed = 0;
	uint64_t left;
	int64_t until = clock_ms() + MAKE_TIME;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && count && clock_ms() < until && room_left(&req->service->blobs, &left) &&
	       left < bytes) {
		status = next_gone(db, ids, &count);
		if (status == STATUS_OK && count)
			status = remove_and_forget(req, db, ids, count);
		removed += count;
	}
	if (removed)
		log_info(req->id, "the disk is short of room: removed %zu blobs that no file names any more", removed);
	return status;
}
