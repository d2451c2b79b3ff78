/* dial.c: resolves, checks, connects. */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>

#include "conn.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define CONNECT_MS 6000
#define MAX_ADDRESSES 8

static struct addrinfo *resolve(const struct host *host, unsigned port)
{
	char service[8];
	const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV | (host->literal ? AI_NUMERICHOST : 0),
					.ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	(void)snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host->name, service, &hints, &found) == 0 ? found : NULL;
}

static void free_addresses(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* 0, or an errno. */
static int wait_connected(int fd)
{
	int fault = 0;
	socklen_t length = sizeof(fault);
	if (!conn_wait(fd, POLLOUT, clock_ms() + CONNECT_MS))
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &length) < 0 ? errno : fault;
}

static int connect_to(const struct addrinfo *address, int *out)
{
	int on = 1;
	autoclose int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	int fault = connect(fd, address->ai_addr, address->ai_addrlen) < 0 ? errno : 0;
	if (fault == EINPROGRESS || fault == EINTR)
		fault = wait_connected(fd);
	if (fault)
		return fault;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	*out = steal_fd(&fd);
	return 0;
}

static void set_text(struct buf *out, const char *text)
{
	buf_clear(out);
	buf_add_str(out, text);
}

enum dial_result dial(const struct allow_list *list, const struct host *host, unsigned port, int *fd, struct buf *about)
{
	enum allow_name name = allow_name(list, host, port);
	if (name == ALLOW_NO)
		return DIAL_NOT_LISTED;
	if (name == ALLOW_RESERVED)
		return DIAL_RESERVED;
	autocall(free_addresses) struct addrinfo *found = resolve(host, port);
	enum dial_result result = DIAL_UNRESOLVED;
	unsigned count = 0;
	for (const struct addrinfo *at = found; at && count < MAX_ADDRESSES; at = at->ai_next, count++) {
		struct address address;
		char text[INET6_ADDRSTRLEN];
		if (!address_of(at->ai_addr, &address))
			continue;
		if (!allow_address(list, name, &address, port)) {
			address_text(&address, text);
			if (result == DIAL_UNRESOLVED)
				set_text(about, text);
			result = result == DIAL_UNREACHABLE ? result : DIAL_FORBIDDEN;
			continue;
		}
		int fault = connect_to(at, fd);
		if (!fault)
			return DIAL_OK;
		result = DIAL_UNREACHABLE;
		set_text(about, strerrordesc_np(fault) ? strerrordesc_np(fault) : "unknown error");
	}
	return result;
}
