/* listener.c: accepting connections. */
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "conn.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 100

struct listener {
	struct bridge *bridge;
	uv_poll_t poll;
	uv_timer_t pause;
	int fd;
	unsigned open_handles;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *l = timer->data;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* Out of descriptors: the kernel keeps the rest in its queue while others go. */
static void pause_accepting(struct listener *l, int error)
{
	log_error(NULL, "can't accept connections: %s", strerror(error));
	(void)uv_poll_stop(&l->poll);
	(void)uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_new(l->bridge, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(l, errno);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

static int bind_socket(const char *path, mode_t mode, struct buf *error)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX }, final = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.%d", path, (int)getpid()) >= sizeof(addr.sun_path) ||
	    (size_t)snprintf(final.sun_path, sizeof(final.sun_path), "%s", path) >= sizeof(final.sun_path)) {
		buf_addf(error, "WS_LISTEN: the path %s is too long for a unix socket, make it shorter", path);
		return -1;
	}
	(void)unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || chmod(addr.sun_path, mode) != 0 || listen(fd, BACKLOG) != 0 ||
	    rename(addr.sun_path, final.sun_path) != 0) {
		buf_addf(error, "WS_LISTEN: can't listen on %s: %s", path, strerror(errno));
		(void)unlink(addr.sun_path);
		return -1;
	}
	return steal_fd(&fd);
}

/* sd_listen_fds(3): the first passed socket is descriptor 3. */
static int inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid() || strtol(fds, NULL, 10) < 1)
		return -1;
	return 3;
}

struct listener *listener_new(struct bridge *bridge, struct buf *error)
{
	int fd = inherited_socket();
	if (fd < 0)
		fd = bind_socket(bridge->conf.ws_listen, (mode_t)bridge->conf.socket_mode, error);
	if (fd < 0)
		return NULL;
	struct listener *l = xcalloc(1, sizeof(*l));
	l->bridge = bridge;
	l->fd = fd;
	l->open_handles = 2;
	(void)uv_timer_init(bridge->loop, &l->pause);
	(void)uv_poll_init(bridge->loop, &l->poll, fd);
	l->poll.data = l->pause.data = l;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
	return l;
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	if (--l->open_handles)
		return;
	(void)close(l->fd);
	free(l);
}

void listener_free(struct listener *l)
{
	uv_close((uv_handle_t *)&l->pause, on_closed);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}
