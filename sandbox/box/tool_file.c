/* tool_file.c: reading and replacing files for the tools. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "tool.h"
#include "write_all.h"

#define MAX_LINKS 40
#define NEW_DIRECTORY 0777
#define NEW_FILE 0666

int tool_open(const char *path, struct stat *st)
{
	/* Without O_NONBLOCK a named pipe would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, st) < 0)
		tool_fail_errno("read", path);
	if (S_ISDIR(st->st_mode)) {
		errno = EISDIR;
		tool_fail_errno("read", path);
	}
	if (!S_ISREG(st->st_mode))
		tool_fail("Cannot read %s: it is no regular file.", path);
	return fd;
}

/* What a symbolic link stands for, whether that exists or not. The caller frees it. */
static char *resolve(const char *path)
{
	char *at = xstrdup(path);
	for (int i = 0; i < MAX_LINKS; i++) {
		char target[PATH_MAX];
		ssize_t n = readlink(at, target, sizeof(target));
		if (n < 0)
			return at;
		if ((size_t)n == sizeof(target))
			break;
		struct buf next = { 0 };
		const char *slash = strrchr(at, '/');
		if (target[0] != '/' && slash)
			buf_add(&next, at, (size_t)(slash + 1 - at));
		buf_add(&next, target, (size_t)n);
		free(at);
		(void)buf_cstr(&next);
		at = next.data;
	}
	free(at);
	errno = ELOOP;
	tool_fail_errno("write to", path);
}

/* The directories that the file is to be in. */
static void make_parents(const char *path)
{
	autofree char *dir = xstrdup(path);
	for (char *slash = dir; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		if (mkdir(dir, NEW_DIRECTORY) < 0 && errno != EEXIST)
			tool_fail_errno("make the directory", dir);
		*slash = '/';
	}
}

static mode_t usual_mode(void)
{
	mode_t mask = umask(0);
	(void)umask(mask);
	return NEW_FILE & ~mask;
}

/* Where only the file may be written, but not its directory. */
static void write_in_place(const char *path, struct slice bytes)
{
	autoclose int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || !write_all(fd, bytes))
		tool_fail_errno("write to", path);
}

/* False: a new file can't be made beside it. */
static bool write_beside(const char *path, struct slice bytes, mode_t mode)
{
	autobuf temporary = { 0 };
	const char *slash = strrchr(path, '/');
	if (slash)
		buf_add(&temporary, path, (size_t)(slash + 1 - path));
	buf_add_str(&temporary, ".craft-XXXXXX");
	(void)buf_cstr(&temporary);
	autoclose int fd = mkostemp(temporary.data, O_CLOEXEC);
	if (fd < 0)
		return false;
	if (write_all(fd, bytes) && fchmod(fd, mode) == 0 && rename(temporary.data, path) == 0)
		return true;
	int why = errno;
	(void)unlink(temporary.data);
	errno = why;
	tool_fail_errno("write to", path);
}

bool tool_replace(const char *path, struct slice bytes)
{
	autofree char *target = resolve(path);
	struct stat st;
	bool exists = lstat(target, &st) == 0;
	if (!exists && errno != ENOENT)
		tool_fail_errno("write to", path);
	if (exists && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		tool_fail_errno("write to", path);
	}
	if (exists && !S_ISREG(st.st_mode))
		tool_fail("Cannot write to %s: it is no regular file.", path);
	if (exists && access(target, W_OK) < 0)
		tool_fail_errno("write to", path);
	if (!exists)
		make_parents(target);
	if (write_beside(target, bytes, exists ? st.st_mode & 07777 : usual_mode()))
		return exists;
	if (!exists)
		tool_fail_errno("write to", path);
	write_in_place(target, bytes);
	return true;
}
