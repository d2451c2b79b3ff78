/* forward.c: a poll loop that copies between TCP connections on 127.0.0.1 and unix sockets, both ways, each direction
 * closed on its own. */
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"
#include "clock.h"

#define MAX_PAIRS 256
#define PIPE_SIZE 65536
#define RETRY_MS 50
#define GIVE_UP_MS 5000

/* Bytes on their way in one direction. */
struct flow {
	char bytes[PIPE_SIZE];
	size_t start, end;
	bool ended;  /* nothing more can be read */
	bool passed; /* and that was handed on */
};

struct pair {
	int client, server; /* server -1: not connected yet */
	const char *path;
	int64_t give_up;
	struct flow up, down;
};

struct forwarder {
	const struct forward_listeners *listeners;
	struct pair *pairs[MAX_PAIRS];
	size_t count;
};

/* main() hands such pointers out writable, so these are as well. */
static char usual_egress[] = "3128=/run/sbx/egress.sock", usual_api[] = "3129=/run/sbx/api.sock",
	    usual_git[] = "3130=/run/sbx/git.sock";
char *forward_usual[] = { usual_egress, usual_api, usual_git, NULL };

/* ---- listening ---- */

static int listen_on(uint16_t port)
{
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int yes = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
		return -1;
	return steal_fd(&fd);
}

bool forward_listen(struct forward_listeners *listeners, char **forwards)
{
	listeners->count = 0;
	if (strcmp(forwards[0], "none") == 0 && !forwards[1])
		return true;
	for (size_t i = 0; forwards[i]; i++) {
		char *path;
		unsigned long port = strtoul(forwards[i], &path, 10);
		if (i == FORWARD_MAX || port == 0 || port > 65535 || *path != '=' ||
		    strlen(path) > sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
			(void)fprintf(stderr, "craft-box: '%s' is no PORT=SOCKET\n", forwards[i]);
			return false;
		}
		int fd = listen_on((uint16_t)port);
		if (fd < 0) {
			(void)fprintf(stderr, "craft-box: cannot listen on port %lu: %s\n", port, strerror(errno));
			return false;
		}
		listeners->fds[i] = fd;
		listeners->paths[i] = path + 1;
		listeners->count = i + 1;
	}
	return true;
}

/* ---- one connection ---- */

static void free_pair(struct pair *p)
{
	(void)close(p->client);
	if (p->server >= 0)
		(void)close(p->server);
	free(p);
}

/* False: give it up. Not connected is no fault until then. */
static bool try_connect(struct pair *p)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)strncpy(address.sun_path, p->path, sizeof(address.sun_path) - 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		p->server = steal_fd(&fd);
		return true;
	}
	return clock_ms() < p->give_up;
}

static void fill(struct flow *f, int from)
{
	if (f->ended || f->end == sizeof(f->bytes))
		return;
	ssize_t n = read(from, f->bytes + f->end, sizeof(f->bytes) - f->end);
	if (n > 0)
		f->end += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		f->ended = true;
}

/* False: the other side takes no more. */
static bool drain(struct flow *f, int to)
{
	if (f->end > f->start) {
		ssize_t n = send(to, f->bytes + f->start, f->end - f->start, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		f->start += n > 0 ? (size_t)n : 0;
	}
	if (f->start == f->end)
		f->start = f->end = 0;
	if (f->ended && f->end == 0 && !f->passed) {
		f->passed = true;
		(void)shutdown(to, SHUT_WR);
	}
	return true;
}

/* False: it is over. */
static bool advance(struct pair *p, const struct pollfd *client, const struct pollfd *server)
{
	if (p->server < 0)
		return try_connect(p);
	if (client->revents)
		fill(&p->up, p->client);
	if (server->revents)
		fill(&p->down, p->server);
	return drain(&p->up, p->server) && drain(&p->down, p->client) && !(p->up.passed && p->down.passed);
}

/* No events: not even a hangup is reported, which would come again and again. */
static void want(struct pollfd *fd, int number, const struct flow *in, const struct flow *out)
{
	short events = 0;
	if (!in->ended && in->end < sizeof(in->bytes))
		events |= POLLIN;
	if (out->end > out->start)
		events |= POLLOUT;
	*fd = (struct pollfd){ .fd = events ? number : -1, .events = events };
}

/* ---- all of them ---- */

static void accept_one(struct forwarder *f, size_t listener)
{
	int fd = accept4(f->listeners->fds[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	int yes = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	struct pair *p = xcalloc(1, sizeof(*p));
	p->client = fd;
	p->server = -1;
	p->path = f->listeners->paths[listener];
	p->give_up = clock_ms() + GIVE_UP_MS;
	f->pairs[f->count++] = p;
	if (!try_connect(p)) {
		free_pair(p);
		f->count--;
	}
}

/* Listeners first, then two for each pair. The timeout for poll. */
static int gather(const struct forwarder *f, struct pollfd *fds)
{
	int timeout = -1;
	for (size_t i = 0; i < f->listeners->count; i++)
		fds[i] = (struct pollfd){ .fd = f->count < MAX_PAIRS ? f->listeners->fds[i] : -1, .events = POLLIN };
	for (size_t i = 0; i < f->count; i++) {
		const struct pair *p = f->pairs[i];
		struct pollfd *at = fds + f->listeners->count + 2 * i;
		at[0] = at[1] = (struct pollfd){ .fd = -1 };
		if (p->server < 0) {
			timeout = RETRY_MS;
			continue;
		}
		want(&at[0], p->client, &p->up, &p->down);
		want(&at[1], p->server, &p->down, &p->up);
	}
	return timeout;
}

static void advance_all(struct forwarder *f, const struct pollfd *fds)
{
	size_t kept = 0;
	for (size_t i = 0; i < f->count; i++) {
		if (advance(f->pairs[i], &fds[2 * i], &fds[2 * i + 1]))
			f->pairs[kept++] = f->pairs[i];
		else
			free_pair(f->pairs[i]);
	}
	f->count = kept;
}

void forward_run(const struct forward_listeners *listeners)
{
	static struct forwarder f;
	static struct pollfd fds[FORWARD_MAX + 2 * MAX_PAIRS];
	f.listeners = listeners;
	(void)prctl(PR_SET_NAME, "craft-forward");
	for (;;) {
		int timeout = gather(&f, fds);
		(void)poll(fds, listeners->count + 2 * f.count, timeout);
		advance_all(&f, fds + listeners->count);
		for (size_t i = 0; i < listeners->count && f.count < MAX_PAIRS; i++)
			if (fds[i].revents)
				accept_one(&f, i);
	}
}

int forward_main(char **forwards)
{
	struct forward_listeners listeners;
	if (!forward_listen(&listeners, forwards))
		return 1;
	forward_run(&listeners);
}
