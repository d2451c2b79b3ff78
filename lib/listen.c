/* listen.c: making, or taking over, a listening unix socket. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "log.h"

#define FIRST_PASSED_FD 3
#define BACKLOG 4096

/* Number of sockets that the service manager passed to this very process, and how many of them were taken. */
static long passed = -1, taken;

static long count_passed(void)
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

static bool take_passed(struct listen_socket *l, int wanted, struct buf *error)
{
	int fd = FIRST_PASSED_FD + (int)taken, listening = 0;
	socklen_t len = sizeof(listening);
	if (passed > wanted) {
		buf_addf(error, "the service manager passed %ld sockets, at most %d can be used", passed, wanted);
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening || !set_flags(fd)) {
		buf_add_str(error, "what the service manager passed is no listening socket");
		return false;
	}
	taken++;
	l->fd = fd;
	return true;
}

static bool make_address(const char *key, const char *path, const char *suffix, struct sockaddr_un *address,
			 struct buf *error)
{
	autobuf whole = { 0 };
	buf_add_str(&whole, path);
	buf_add_str(&whole, suffix);
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (whole.len >= sizeof(address->sun_path)) {
		buf_addf(error, "%s: a socket's path has at most %zu bytes: %s", key,
			 sizeof(address->sun_path) - 1 - strlen(suffix), path);
		return false;
	}
	memcpy(address->sun_path, whole.data, whole.len);
	return true;
}

/* Does somebody accept connections there? */
static bool is_alive(const struct sockaddr_un *address)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);
}

/* Only a socket is replaced. */
static bool may_replace(const char *key, const struct sockaddr_un *address, struct buf *error)
{
	struct stat st;
	if (lstat(address->sun_path, &st))
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		buf_addf(error, "%s: %s is there and is no socket", key, address->sun_path);
		return false;
	}
	if (is_alive(address))
		log_info(NULL, "taking %s over from the program that listens there", address->sun_path);
	return true;
}

/* The permissions are there from the start: nobody connects in between. */
static bool bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
	(void)unlink(address->sun_path);
	mode_t before = umask(~mode & 0777);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	(void)umask(before);
	return !failed && listen(fd, BACKLOG) == 0;
}

bool listen_socket_make(struct listen_socket *l, const char *key, const char *path, mode_t mode, struct buf *error)
{
	struct sockaddr_un address, temporary;
	struct stat st;
	char suffix[16];
	*l = (struct listen_socket){ .fd = -1 };
	(void)snprintf(suffix, sizeof(suffix), ".%d", (int)getpid());
	if (!make_address(key, path, "", &address, error) || !make_address(key, path, suffix, &temporary, error) ||
	    !may_replace(key, &address, error))
		return false;
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || !bind_and_listen(fd, &temporary, mode) || stat(temporary.sun_path, &st) ||
	    rename(temporary.sun_path, path)) {
		buf_addf(error, "%s: can't listen on %s: %s", key, path, strerror(errno));
		(void)unlink(temporary.sun_path);
		return false;
	}
	*l = (struct listen_socket){ steal_fd(&fd), path, st.st_dev, st.st_ino };
	return true;
}

bool listen_socket_open(struct listen_socket *l, int wanted, const char *key, const char *path, mode_t mode,
			struct buf *error)
{
	*l = (struct listen_socket){ .fd = -1 };
	if (passed < 0)
		passed = count_passed();
	return taken < passed ? take_passed(l, wanted, error) : listen_socket_make(l, key, path, mode, error);
}

bool listen_socket_retire(struct listen_socket *l)
{
	struct stat st;
	if (!l->path)
		return false;
	bool there = stat(l->path, &st) == 0, own = there && st.st_dev == l->dev && st.st_ino == l->ino;
	if (own)
		(void)unlink(l->path);
	l->path = NULL;
	(void)shutdown(l->fd, SHUT_RDWR);
	return there && !own;
}

/* "ADDRESS:PORT", of numbers: no name server is asked. */
static struct addrinfo *parse_address(const char *address)
{
	static const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					       .ai_socktype = SOCK_STREAM };
	char host[64];
	struct addrinfo *found = NULL;
	const char *colon = strrchr(address, ':');
	bool brackets = *address == '[';
	size_t n = colon ? (size_t)(colon - address) : 0, around = brackets ? 2 : 0;
	if (n <= around || n >= sizeof(host))
		return NULL;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(n - around), address + brackets);
	return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

bool listen_address_open(struct listen_socket *l, const char *key, const char *address, struct buf *error)
{
	int on = 1;
	*l = (struct listen_socket){ .fd = -1 };
	struct addrinfo *a = parse_address(address);
	if (!a) {
		buf_addf(error, "%s: %s is not of the form ADDRESS:PORT", key, address);
		return false;
	}
	autoclose int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		  bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
	if (!ok)
		buf_addf(error, "%s: can't listen on %s: %s", key, address, strerror(errno));
	freeaddrinfo(a);
	l->fd = ok ? steal_fd(&fd) : -1;
	return ok;
}
