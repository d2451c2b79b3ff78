/* sandbox_temp.h: a directory of a test's own, and texts into files. Needs stdio.h, stdlib.h and cmocka.h before it. */
#ifndef CRAFT_SANDBOX_TEMP_H
#define CRAFT_SANDBOX_TEMP_H

#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"

/* Below /tmp, open to other users, as a service's directory is; the caller removes it and frees the name. */
static inline char *temp_dir(void)
{
	char name[] = "/tmp/craft-test-XXXXXX";
	assert_non_null(mkdtemp(name));
	assert_int_equal(chmod(name, 0755), 0);
	return xstrdup(name);
}

/* dir/name; freed by the caller. */
static inline char *temp_path(const char *dir, const char *name)
{
	struct buf b = { 0 };
	buf_addf(&b, "%s/%s", dir, name);
	(void)buf_cstr(&b);
	return b.data;
}

static inline void temp_write(const char *dir, const char *name, const char *text)
{
	char *path = temp_path(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		fail_msg("cannot open %s", path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	free(path);
}

/* The first 64 KiB. */
static inline void temp_read(const char *dir, const char *name, struct buf *out)
{
	char *path = temp_path(dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("cannot open %s", path);
	ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
	assert_true(n >= 0);
	out->len += (size_t)n;
	assert_int_equal(close(fd), 0);
	free(path);
}

#endif
