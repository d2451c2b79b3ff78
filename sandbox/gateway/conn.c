/* conn.c: reading and writing with deadlines. */
#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"

/* An agent that is held up doesn't read for as long as the database takes. */
#define WRITE_IDLE_MS 600000
#define LINGER_MS 2000
#define LINGER_BYTES (16U << 20)

void conn_free(struct conn *c)
{
	free(c->buffer);
	c->buffer = NULL;
	c->start = c->end = 0;
}

bool conn_wait(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = deadline - clock_ms();
		if (left < 0)
			left = 0;
		int n = poll(&p, 1, left < INT32_MAX ? (int)left : INT32_MAX);
		if (n > 0 || (n < 0 && errno != EINTR))
			return n > 0;
		if (n == 0 && clock_ms() >= deadline)
			return false;
	}
}

/* ---- reading ---- */

static void make_room(struct conn *c)
{
	if (!c->buffer)
		c->buffer = xmalloc(CONN_BUFFER);
	if (c->start > 0)
		memmove(c->buffer, c->buffer + c->start, c->end - c->start);
	c->end -= c->start;
	c->start = 0;
}

enum conn_result conn_fill(struct conn *c, int64_t deadline)
{
	make_room(c);
	for (;;) {
		ssize_t n = recv(c->fd, c->buffer + c->end, CONN_BUFFER - c->end, 0);
		if (n > 0) {
			c->end += (size_t)n;
			return CONN_OK;
		}
		if (n == 0)
			return CONN_END;
		if (errno != EAGAIN && errno != EINTR)
			return CONN_BROKEN;
		if (errno == EAGAIN && !conn_wait(c->fd, POLLIN, deadline))
			return CONN_TIMEOUT;
	}
}

struct slice conn_pending(const struct conn *c)
{
	return slice_make(c->buffer ? c->buffer + c->start : NULL, c->end - c->start);
}

void conn_use(struct conn *c, size_t n)
{
	c->start += n;
}

/* ---- writing ---- */

static void skip_written(struct iovec **parts, size_t *count, size_t n)
{
	while (*count > 0 && n >= (*parts)->iov_len) {
		n -= (*parts)->iov_len;
		(*parts)++;
		(*count)--;
	}
	if (*count > 0) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + n;
		(*parts)->iov_len -= n;
	}
}

bool write_all(int fd, struct iovec *parts, size_t count, int64_t idle)
{
	skip_written(&parts, &count, 0);
	while (count > 0) {
		const struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n >= 0)
			skip_written(&parts, &count, (size_t)n);
		else if (errno == EAGAIN ? !conn_wait(fd, POLLOUT, clock_ms() + idle) : errno != EINTR)
			return false;
	}
	return true;
}

bool conn_write(const struct conn *c, struct slice bytes)
{
	struct iovec part = { (char *)(uintptr_t)bytes.ptr, bytes.len };
	return write_all(c->fd, &part, 1, WRITE_IDLE_MS);
}

/* ---- the end ---- */

void conn_linger(struct conn *c)
{
	char rest[4096];
	size_t total = 0;
	int64_t deadline = clock_ms() + LINGER_MS;
	(void)shutdown(c->fd, SHUT_WR);
	while (total < LINGER_BYTES && conn_wait(c->fd, POLLIN, deadline)) {
		ssize_t n = recv(c->fd, rest, sizeof(rest), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		total += n > 0 ? (size_t)n : 0;
	}
}

bool conn_gone(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}
