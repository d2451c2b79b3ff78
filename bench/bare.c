/* bare.c: the least that a fan-out can be: an epoll server that answers WebSocket upgrades, encodes what one client
 * sends once, and writes it to all others. Nothing is checked, stored or ordered: the limit beside which fan-out is
 * measured. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PEERS 20000
#define MAX_IN (72 << 10)
#define EVENTS 256

struct peer {
	int fd;
	bool upgraded;
	size_t place; /* in peers */
	size_t len;   /* bytes of in */
	uint8_t in[MAX_IN];
};

static struct peer *peers[MAX_PEERS];
static size_t peer_count;
static int epoll_fd;

static _Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- frames out ---- */

/* Blocks when the socket is full: nobody here reads so slowly that another way would pay. */
static void write_all(const struct peer *p, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* gone: its own event says so */
		data += n;
		len -= (size_t)n;
	}
}

/* One text frame of the three parts. Returns its length. */
static size_t encode(uint8_t *out, const char *before, const uint8_t *text, size_t len, const char *after)
{
	size_t n = 0, total = strlen(before) + len + strlen(after);
	out[n++] = 0x81;
	out[n++] = (uint8_t)(total < 126 ? total : 126);
	if (total >= 126) {
		out[n++] = (uint8_t)(total >> 8);
		out[n++] = (uint8_t)total;
	}
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): frames have a length */
	(void)memcpy(out + n, before, strlen(before));
	n += strlen(before);
	(void)memcpy(out + n, text, len);
	n += len;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	(void)memcpy(out + n, after, strlen(after));
	return n + strlen(after);
}

static void on_text(const struct peer *from, const uint8_t *text, size_t len)
{
	static uint8_t frame[MAX_IN + 256];
	size_t n = encode(frame, "{\"type\":\"broadcast\",\"event\":", text, len, "}");
	for (size_t i = 0; i < peer_count; i++) {
		if (peers[i] != from && peers[i]->upgraded)
			write_all(peers[i], frame, n);
	}
	const uint8_t *id = memmem(text, len, ",\"requestId\":", 13);
	if (!id)
		id = text + len;
	write_all(from, frame, encode(frame, "{\"type\":\"response\"", id, (size_t)(text + len - id), ""));
}

/* ---- bytes in ---- */

static void upgrade(struct peer *p)
{
	/* The answer to the one Sec-WebSocket-Key that ws_load sends. */
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				     "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";
	if (p->len < 4 || memcmp(p->in + p->len - 4, "\r\n\r\n", 4) != 0)
		return;
	p->len = 0;
	p->upgraded = true;
	write_all(p, (const uint8_t *)answer, sizeof(answer) - 1);
}

/* Handles a whole masked frame of less than 64 KB at the beginning of `in`. Returns its length; 0: not all of it is
 * there. */
static size_t take_frame(struct peer *p)
{
	uint8_t *in = p->in;
	size_t head = 6, len = p->len > 1 ? in[1] & 0x7fu : 0;
	if (len == 126) {
		head = 8;
		len = p->len > 3 ? (size_t)in[2] << 8 | in[3] : MAX_IN;
	}
	if (p->len < 2 || p->len < head + len)
		return 0;
	for (size_t i = 0; i < len; i++)
		in[head + i] ^= in[head - 4 + i % 4];
	if ((in[0] & 0x0f) == 1)
		on_text(p, in + head, len);
	return head + len;
}

static void take_frames(struct peer *p)
{
	size_t n;
	while ((n = take_frame(p)) != 0) {
		p->len -= n;
		(void)memmove(p->in, p->in + n, p->len);
	}
}

static void remove_peer(struct peer *p)
{
	struct peer *last = peers[--peer_count];
	assert(last);
	peers[p->place] = last;
	last->place = p->place;
	(void)close(p->fd);
	free(p);
}

static void read_peer(struct peer *p)
{
	ssize_t n = recv(p->fd, p->in + p->len, sizeof(p->in) - p->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		remove_peer(p);
		return;
	}
	p->len += (size_t)n;
	if (p->upgraded)
		take_frames(p);
	else
		upgrade(p);
}

static void accept_peer(int listener)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct peer *p = calloc(1, sizeof(*p));
	if (fd < 0 || !p || peer_count == MAX_PEERS)
		fail("accept");
	p->fd = fd;
	p->place = peer_count;
	peers[peer_count++] = p;
	ev.data.ptr = p;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
		fail("epoll_ctl");
}

/* ---- the program ---- */

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	(void)unlink(path);
	/* nginx's user comes in as well; beside the bench nobody else knows the path. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, 0666) != 0 ||
	    listen(fd, 4096) != 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
		fail(path);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	if (argc != 2 || argv[1][0] == '-') {
		(void)fputs(
			"Usage: bare SOCKET\nSends what one WebSocket client sends to all others, until a signal.\n",
			stderr);
		return 2;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int listener = listen_at(argv[1]);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				read_peer(events[i].data.ptr);
			else
				accept_peer(listener);
		}
	}
}
