/* tunnel.c: carries bytes between two sockets that don't block. */
#include "tunnel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define CHUNK 65536

struct lane {
	int from, to;
	char *bytes;
	size_t start, end;
	bool ended; /* the source sends no more */
	bool done;  /* and the other side was told */
};

static bool is_empty(const struct lane *l)
{
	return l->start == l->end;
}

/* False: the connection is broken. */
static bool lane_read(struct lane *l, bool *moved)
{
	ssize_t n = recv(l->from, l->bytes, CHUNK, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	l->start = 0;
	l->end = (size_t)n;
	l->ended = n == 0;
	*moved = true;
	return true;
}

static bool lane_write(struct lane *l, bool *moved)
{
	ssize_t n = send(l->to, l->bytes + l->start, l->end - l->start, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	l->start += (size_t)n;
	*moved = true;
	return true;
}

/* Writes what there is, reads when there is nothing. */
static bool lane_run(struct lane *l, bool *moved)
{
	if (l->done)
		return true;
	if (!is_empty(l) && !lane_write(l, moved))
		return false;
	if (is_empty(l) && !l->ended && !lane_read(l, moved))
		return false;
	if (is_empty(l) && l->ended) {
		(void)shutdown(l->to, SHUT_WR);
		l->done = true;
	}
	return true;
}

static void want(const struct lane *l, struct pollfd *from, struct pollfd *to)
{
	if (l->done)
		return;
	if (!is_empty(l))
		to->events |= POLLOUT;
	else
		from->events |= POLLIN;
}

/* False: it is over, because of the time or because a side that has ended is gone for good: it takes no answer, either.
 */
static bool wait_for_lanes(const struct lane *up, const struct lane *down, int64_t deadline)
{
	struct pollfd p[2] = { { .fd = up->from }, { .fd = down->from } };
	const bool ended[2] = { up->done, down->done };
	want(up, &p[0], &p[1]);
	want(down, &p[1], &p[0]);
	/* One that nothing is wanted of just now would report its end again and again. */
	for (size_t i = 0; i < 2; i++)
		p[i].fd = p[i].events || ended[i] ? p[i].fd : -1;
	int64_t left = deadline - clock_ms();
	if (left <= 0)
		return false;
	int n = poll(p, 2, left < INT32_MAX ? (int)left : INT32_MAX);
	for (size_t i = 0; i < 2; i++)
		if (p[i].fd >= 0 && !p[i].events && p[i].revents)
			return false;
	return n > 0 || (n < 0 && errno == EINTR);
}

void tunnel_run(struct conn *client, int server, bool both, int64_t idle)
{
	autofree char *up_bytes = xmalloc(CHUNK), *down_bytes = xmalloc(CHUNK);
	struct lane up = { .from = client->fd, .to = server, .bytes = up_bytes, .done = !both };
	struct lane down = { .from = server, .to = client->fd, .bytes = down_bytes };
	struct slice early = conn_pending(client);
	if (both && early.len) {
		up.end = early.len < CHUNK ? early.len : CHUNK;
		memcpy(up.bytes, early.ptr, up.end);
		conn_use(client, up.end);
	}
	int64_t deadline = clock_ms() + idle;
	while (!up.done || !down.done) {
		bool moved = false;
		if (!lane_run(&up, &moved) || !lane_run(&down, &moved))
			return;
		if (moved)
			deadline = clock_ms() + idle;
		else if (!wait_for_lanes(&up, &down, deadline))
			return;
	}
}
