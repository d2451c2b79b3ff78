/* listener.c: making, or taking over, the listening socket. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "cleanup.h"

#define FIRST_PASSED_FD 3
#define BACKLOG 511
#define WAIT_STEPS 60 /* of 50 ms: for workers of a master that was killed to leave */

/* Number of sockets that the service manager passed to this very process. */
static long passed_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long count = pid && fds && strtol(pid, NULL, 10) == (long)getpid() ? strtol(fds, NULL, 10) : 0;
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return count;
}

static bool set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool take_passed(struct listener *l, long count, struct buf *error)
{
	int listening = 0;
	socklen_t len = sizeof(listening);
	if (count > 1) {
		buf_addf(error, "the service manager passed %ld sockets, one is wanted", count);
		return false;
	}
	if (getsockopt(FIRST_PASSED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening ||
	    !set_flags(FIRST_PASSED_FD)) {
		buf_add_str(error, "what the service manager passed is no listening socket");
		return false;
	}
	l->fd = FIRST_PASSED_FD;
	return true;
}

static bool make_address(const char *path, struct sockaddr_un *address, struct buf *error)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size_t len = strlen(path);
	if (len >= sizeof(address->sun_path)) {
		buf_addf(error, "FCGI_LISTEN: a socket's path has at most %zu bytes: %s", sizeof(address->sun_path) - 1,
			 path);
		return false;
	}
	memcpy(address->sun_path, path, len + 1);
	return true;
}

/* Does somebody accept connections there? */
static bool is_alive(const struct sockaddr_un *address)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);
}

static bool remove_stale(const struct sockaddr_un *address, struct buf *error)
{
	struct stat st;
	if (lstat(address->sun_path, &st))
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		buf_addf(error, "FCGI_LISTEN: %s is there and is no socket", address->sun_path);
		return false;
	}
	for (int i = 0; is_alive(address); i++) {
		if (i == WAIT_STEPS) {
			buf_addf(error, "FCGI_LISTEN: another program listens on %s", address->sun_path);
			return false;
		}
		(void)nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	}
	if (unlink(address->sun_path) && errno != ENOENT) {
		buf_addf(error, "FCGI_LISTEN: can't replace %s: %s", address->sun_path, strerror(errno));
		return false;
	}
	return true;
}

/* The permissions are there from the start: nobody connects in between. */
static bool bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(~mode & 0777);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	(void)umask(before);
	return !failed && listen(fd, BACKLOG) == 0;
}

static bool make_socket(struct listener *l, const char *path, mode_t mode, struct buf *error)
{
	struct sockaddr_un address;
	struct stat st;
	if (!make_address(path, &address, error) || !remove_stale(&address, error))
		return false;
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || !bind_and_listen(fd, &address, mode) || stat(path, &st)) {
		buf_addf(error, "FCGI_LISTEN: can't listen on %s: %s", path, strerror(errno));
		return false;
	}
	*l = (struct listener){ steal_fd(&fd), path, st.st_dev, st.st_ino };
	return true;
}

bool listener_open(struct listener *l, const char *path, mode_t mode, struct buf *error)
{
	*l = (struct listener){ .fd = -1 };
	long passed = passed_sockets();
	return passed > 0 ? take_passed(l, passed, error) : make_socket(l, path, mode, error);
}

void listener_stop(struct listener *l)
{
	struct stat st;
	if (!l->path)
		return;
	/* Not if a successor has replaced it meanwhile. */
	if (stat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->path);
	l->path = NULL;
	(void)shutdown(l->fd, SHUT_RDWR);
}
