/* request.c: reading one packet of box_protocol.h, with everything in it checked. */
#include "request.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 3
/* Alignment makes room for one more, which the kernel uses. */
#define SPACE CMSG_SPACE(MAX_FDS * sizeof(int))
#define ROOM ((SPACE - CMSG_LEN(0)) / sizeof(int))

struct descriptors {
	int fds[ROOM];
	size_t count;
};

static void close_all(struct descriptors *d)
{
	for (size_t i = 0; i < d->count; i++)
		(void)close(d->fds[i]);
	d->count = 0;
}

static void take_descriptors(struct msghdr *header, struct descriptors *d)
{
	d->count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		d->count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		(void)memcpy(d->fds, CMSG_DATA(c), d->count * sizeof(int));
	}
}

static ssize_t receive(struct request *r, int control, struct descriptors *d, bool *whole)
{
	union {
		struct cmsghdr align;
		char space[SPACE];
	} extra;
	struct iovec vec = { .iov_base = r->packet, .iov_len = sizeof(r->packet) };
	struct msghdr header = {
		.msg_iov = &vec, .msg_iovlen = 1, .msg_control = extra.space, .msg_controllen = sizeof(extra.space)
	};
	ssize_t n = recvmsg(control, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return n;
	take_descriptors(&header, d);
	*whole = !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
	return n;
}

/* Points at the texts behind the message: exactly those announced, each with its NUL, and nothing behind them. */
static bool point_at_texts(struct request *r, size_t size)
{
	const struct box_message *m = &r->message;
	char *p = r->packet + sizeof(*m), *end = r->packet + size;
	size_t at = 0;
	if (m->argc == 0 || m->argc > REQUEST_MAX_TEXTS || m->envc > REQUEST_MAX_TEXTS - m->argc)
		return false;
	r->argv = r->pointers;
	r->environment = r->pointers + m->argc + 1;
	for (size_t i = 0; i < (size_t)m->argc + m->envc; i++) {
		char *nul = memchr(p, '\0', (size_t)(end - p));
		if (!nul)
			return false;
		if (i == m->argc)
			r->pointers[at++] = NULL;
		r->pointers[at++] = p;
		p = nul + 1;
	}
	if (m->envc == 0)
		r->pointers[at++] = NULL;
	r->pointers[at] = NULL;
	return p == end;
}

static bool hand_out(struct request *r, struct descriptors *d)
{
	size_t used = 0;
	for (int i = 0; i < 3; i++) {
		bool wanted = r->message.pipes & 1U << i;
		if (wanted && used == d->count)
			return false;
		r->stdio[i] = wanted ? d->fds[used++] : -1;
	}
	if (used != d->count || r->message.pipes > 7)
		return false;
	d->count = 0;
	return true;
}

static bool understand(struct request *r, size_t size, struct descriptors *d)
{
	if (size < sizeof(r->message))
		return false;
	(void)memcpy(&r->message, r->packet, sizeof(r->message));
	switch (r->message.kind) {
	case BOX_RUN:
		return point_at_texts(r, size) && hand_out(r, d);
	case BOX_KILL:
	case BOX_SWEEP:
		return size == sizeof(r->message) && d->count == 0;
	default:
		return false;
	}
}

enum request_outcome request_receive(struct request *r, int control)
{
	struct descriptors d = { .count = 0 };
	bool whole = false;
	for (int i = 0; i < 3; i++)
		r->stdio[i] = -1;
	ssize_t n = receive(r, control, &d, &whole);
	if (n < 0)
		return REQUEST_NONE;
	if (n > 0 && whole && understand(r, (size_t)n, &d))
		return REQUEST_READ;
	close_all(&d);
	for (int i = 0; i < 3; i++)
		r->stdio[i] = -1;
	return n > 0 ? REQUEST_NONE : REQUEST_GONE;
}

void request_close(struct request *r)
{
	for (int i = 0; i < 3; i++) {
		if (r->stdio[i] >= 0)
			(void)close(r->stdio[i]);
		r->stdio[i] = -1;
	}
}
