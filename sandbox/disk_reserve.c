/* disk_reserve.c: files that only take room. */
#include "disk_reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"

#define NAME ".reserve"
#define FILES 32 /* so many inodes are held back, too */
#define SHARE 16 /* of the disk's size, the part that is held back */
#define LEAST ((int64_t)1 << 20)
#define MOST ((int64_t)32 << 20)

bool disk_room(const char *disk, struct disk_room *room)
{
	struct statvfs fs;
	if (statvfs(disk, &fs) < 0)
		return false;
	*room = (struct disk_room){ .total = (int64_t)(fs.f_blocks * fs.f_frsize),
				    .left = (int64_t)(fs.f_bavail * fs.f_frsize),
				    .inodes_left = (int64_t)fs.f_favail };
	return true;
}

int64_t disk_reserve_size(int64_t disk_size)
{
	int64_t size = disk_size / SHARE;
	return size < LEAST ? LEAST : size > MOST ? MOST : size;
}

static int open_reserve(const char *disk)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/" NAME, disk);
	return open(buf_cstr(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool keep_file(int at, int number, int64_t size)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "%d", number);
	autoclose int fd = openat(at, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 && posix_fallocate(fd, 0, size) == 0;
}

bool disk_reserve_keep(const char *disk, int64_t size)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/" NAME, disk);
	if (mkdir(buf_cstr(&path), 0700) < 0 && errno != EEXIST)
		return false;
	autoclose int at = open_reserve(disk);
	for (int i = 0; at >= 0 && i < FILES; i++) {
		if (keep_file(at, i, size / FILES))
			continue;
		(void)disk_reserve_give(disk);
		return false;
	}
	return at >= 0;
}

bool disk_reserve_give(const char *disk)
{
	bool any = false;
	autoclose int at = open_reserve(disk);
	for (int i = 0; at >= 0 && i < FILES; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "%d", i);
		any = unlinkat(at, name, 0) == 0 || any;
	}
	return any;
}
