/* listener.c: accepting connections. */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bounds.h"
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

/* For those that aren't let in yet only so many places are kept: an answer, and nothing is held for it. What nginx has
 * sent is taken first, else it would see a broken connection. */
static void turn_away(struct bridge *bridge, int fd)
{
	char head[HANDSHAKE_HEAD_MAX];
	autobuf response = { 0 };
	handshake_error(&response, 503, "Too many connections are being made, try again");
	(void)recv(fd, head, sizeof(head), MSG_DONTWAIT);
	(void)send(fd, response.data, response.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
	bounds_count(bridge, LIMIT_HANDSHAKES);
}

static void take(struct bridge *bridge, int fd)
{
	if (bridge->conn_count - bridge->client_count < (size_t)bridge->conf.ws_max_handshakes)
		conn_new(bridge, fd);
	else
		turn_away(bridge, fd);
}

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

/* At most n of those that wait. False: something is wrong, as errno says. */
static bool accept_waiting(struct listener *l, size_t n)
{
	while (n) {
		int fd = accept4(l->sock.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			take(l->bridge, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			return false;
		else if (errno != EINTR && errno != ECONNABORTED)
			return true;
		n--;
	}
	return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	(void)status;
	(void)events;
	if (!accept_waiting(l, ACCEPTS_PER_TURN))
		pause_accepting(l, errno);
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
	bool own = l->sock.path != NULL;
	(void)listen_socket_retire(&l->sock);
	/* Who waits in a socket that a service manager holds is the next program's. */
	if (own)
		(void)accept_waiting(l, SIZE_MAX);
	uv_close((uv_handle_t *)&l->pause, on_closed);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}
