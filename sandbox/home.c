/* home.c: SANDBOX_DIR. */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* What runs as other users passes through, and sees no names. */
#define DIR_MODE 0711

static bool fail(const struct conf *conf, const char *what, struct buf *error)
{
	buf_addf(error, "SANDBOX_DIR %s: %s: %s", conf->sandbox_dir, what, strerror(errno));
	return false;
}

static bool make_dir(const struct conf *conf, const char *name, struct buf *error)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s%s%s", conf->sandbox_dir, *name ? "/" : "", name);
	if (mkdir(buf_cstr(&path), DIR_MODE) != 0 && errno != EEXIST)
		return fail(conf, "can't make its directories", error);
	return chmod(buf_cstr(&path), DIR_MODE) == 0 || fail(conf, "can't change its permissions", error);
}

static int open_in(const struct conf *conf, const char *name, int flags)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", conf->sandbox_dir, name);
	return open(buf_cstr(&path), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool read_id(const struct conf *conf, char *host)
{
	char text[UUID_SIZE] = "";
	autoclose int fd = open_in(conf, "host-id", O_RDONLY);
	if (fd < 0 || read(fd, text, UUID_SIZE - 1) != UUID_SIZE - 1 || !uuid_valid(slice_of(text)))
		return false;
	memcpy(host, text, UUID_SIZE);
	return true;
}

static bool make_id(const struct conf *conf, char *host, struct buf *error)
{
	autoclose int fd = open_in(conf, "host-id", O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0 || !uuid_random(host) || write(fd, host, UUID_SIZE - 1) != UUID_SIZE - 1 || fsync(fd) != 0)
		return fail(conf, "can't write host-id", error);
	return true;
}

bool home_open(const struct conf *conf, char host[static UUID_SIZE], int *lock, struct buf *error)
{
	if (!make_dir(conf, "", error) || !make_dir(conf, "inst", error) || !make_dir(conf, "cache", error))
		return false;
	autoclose int fd = open_in(conf, "lock", O_RDWR | O_CREAT);
	if (fd < 0)
		return fail(conf, "can't open lock", error);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return fail(conf, "another craft-sandboxd works in it", error);
	if (!read_id(conf, host) && !make_id(conf, host, error))
		return false;
	*lock = steal_fd(&fd);
	return true;
}
