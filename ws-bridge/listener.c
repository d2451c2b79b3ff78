/* listener.c: accepting connections. */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conn.h"
#include "lib/listen.h"
#include "lib/log.h"

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 100

struct listener {
	struct bridge *bridge;
	uv_poll_t poll;
	uv_timer_t pause;
	struct listen_socket sock;
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
		int fd = accept4(l->sock.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
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

struct listener *listener_new(struct bridge *bridge, struct buf *error)
{
	struct listen_socket sock;
	if (!listen_socket_open(&sock, 1, "WS_LISTEN", bridge->conf.ws_listen, (mode_t)bridge->conf.socket_mode, error))
		return NULL;
	struct listener *l = xcalloc(1, sizeof(*l));
	l->bridge = bridge;
	l->sock = sock;
	l->open_handles = 2;
	(void)uv_timer_init(bridge->loop, &l->pause);
	(void)uv_poll_init(bridge->loop, &l->poll, sock.fd);
	l->poll.data = l->pause.data = l;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
	return l;
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	if (--l->open_handles)
		return;
	(void)close(l->sock.fd);
	free(l);
}

void listener_free(struct listener *l)
{
	listen_socket_retire(&l->sock);
	uv_close((uv_handle_t *)&l->pause, on_closed);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}
