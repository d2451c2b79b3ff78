/* monitor.c: the connections of whoever watches a daemon. */
#include "monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "log.h"

#define CLIENTS_MAX 8
#define CLIENT_MS 5000 /* for the request and the answer */
#define AGAIN_MS 1000

struct client {
	LIST_ENTRY(client) link;
	struct monitor *monitor;
	int fd;
	uv_poll_t poll;
	uv_timer_t limit;
	unsigned open_handles;
	bool closing;
	struct buf in, out;
	size_t sent;
};

struct monitor {
	uv_loop_t *loop;
	const char *key, *address;
	mode_t mode;
	struct monitor_source source;
	struct listen_socket sock;
	uv_poll_t *poll; /* on the heap: closing takes a turn of the loop; NULL: not listening */
	uv_timer_t again;
	bool complained;
	LIST_HEAD(, client) clients;
	unsigned client_count;
};

/* ---- one connection ---- */

static void on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	if (--c->open_handles)
		return;
	(void)close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void client_end(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	LIST_REMOVE(c, link);
	c->monitor->client_count--;
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	uv_close((uv_handle_t *)&c->limit, on_client_closed);
}

static void on_limit(uv_timer_t *timer)
{
	client_end(timer->data);
}

static void on_client(uv_poll_t *poll, int status, int events);

static void client_write(struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
			(void)uv_poll_start(&c->poll, UV_WRITABLE, on_client);
			return;
		}
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	client_end(c);
}

static void client_read(struct client *c)
{
	char *at = buf_reserve(&c->in, MONITOR_HEAD_MAX);
	ssize_t n = recv(c->fd, at, MONITOR_HEAD_MAX - c->in.len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		client_end(c);
		return;
	}
	c->in.len += (size_t)n;
	if (monitor_answer(&c->monitor->source, buf_slice(&c->in), &c->out))
		client_write(c);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;
	if (c->closing)
		return;
	if (status < 0)
		client_end(c);
	else if (c->out.len)
		client_write(c);
	else if (events & UV_READABLE)
		client_read(c);
}

static void client_new(struct monitor *m, int fd)
{
	struct client *c = xcalloc(1, sizeof(*c));
	c->monitor = m;
	c->fd = fd;
	if (uv_poll_init(m->loop, &c->poll, fd) != 0) {
		(void)close(fd);
		free(c);
		return;
	}
	(void)uv_timer_init(m->loop, &c->limit);
	c->poll.data = c->limit.data = c;
	c->open_handles = 2;
	LIST_INSERT_HEAD(&m->clients, c, link);
	m->client_count++;
	(void)uv_timer_start(&c->limit, on_limit, CLIENT_MS, 0);
	(void)uv_poll_start(&c->poll, UV_READABLE, on_client);
}

/* ---- listening ---- */

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct monitor *m = poll->data;
	(void)status;
	(void)events;
	int fd = accept4(m->sock.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (m->client_count < CLIENTS_MAX)
		client_new(m, fd);
	else
		(void)close(fd);
}

static bool open_socket(struct monitor *m, struct buf *error)
{
	if (*m->address == '/')
		return listen_socket_make(&m->sock, m->key, m->address, m->mode, error);
	return listen_address_open(&m->sock, m->key, m->address, error);
}

static void on_again(uv_timer_t *timer)
{
	struct monitor *m = timer->data;
	autobuf error = { 0 };
	if (!open_socket(m, &error)) {
		if (!m->complained)
			log_warn(NULL, "%s; it is tried again", buf_cstr(&error));
		m->complained = true;
		(void)uv_timer_start(&m->again, on_again, AGAIN_MS, 0);
		return;
	}
	log_info(NULL, "metrics on %s", m->address);
	m->poll = xcalloc(1, sizeof(*m->poll));
	(void)uv_poll_init(m->loop, m->poll, m->sock.fd);
	m->poll->data = m;
	(void)uv_poll_start(m->poll, UV_READABLE, on_connection);
}

struct monitor *monitor_new(uv_loop_t *loop, const char *key, const char *address, mode_t mode,
			    const struct monitor_source *source)
{
	if (!address)
		return NULL;
	struct monitor *m = xcalloc(1, sizeof(*m));
	*m = (struct monitor){ .loop = loop, .key = key, .address = address, .mode = mode, .source = *source };
	m->sock.fd = -1;
	LIST_INIT(&m->clients);
	(void)uv_timer_init(loop, &m->again);
	m->again.data = m;
	on_again(&m->again);
	return m;
}

static void on_again_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct monitor *m = handle->data;
	(void)close(m->sock.fd);
	free(handle);
	uv_close((uv_handle_t *)&m->again, on_again_closed);
}

void monitor_free(struct monitor *m)
{
	struct client *c;
	if (!m)
		return;
	while ((c = LIST_FIRST(&m->clients)))
		client_end(c);
	(void)uv_timer_stop(&m->again);
	if (!m->poll) {
		uv_close((uv_handle_t *)&m->again, on_again_closed);
		return;
	}
	(void)listen_socket_retire(&m->sock);
	uv_close((uv_handle_t *)m->poll, on_poll_closed);
}
