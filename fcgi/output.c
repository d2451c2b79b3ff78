/* output.c: over the connection, or into a file. */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* For so long a worker waits for a reader, and earns more by what that takes: who keeps up needs no file. */
#define PATIENCE 20000	     /* µs */
#define KEEPS_UP 64	     /* bytes a µs */
#define STEP (4ull << 20)    /* bytes of room that are asked for at once */
#define TURN (1024ull << 10) /* bytes sent at once where there is no sender */

void output_init(struct output *o, int connection, struct spool *spool)
{
	*o = (struct output){ .connection = connection, .spool = spool, .file = -1, .patience = PATIENCE };
}

void output_for(struct output *o, struct slice workspace)
{
	(void)SHA256((const unsigned char *)workspace.ptr, workspace.len, o->share.workspace);
}

bool output_is_full(const struct output *o)
{
	return o->file < 0 && spool_is_full(o->spool, &o->share);
}

bool output_is_spooled(const struct output *o)
{
	return o->file >= 0;
}

void output_free(struct output *o)
{
	if (o->file < 0)
		return;
	spool_end(o->spool, &o->share);
	(void)close(o->file);
	o->file = -1;
}

static bool fail(struct output *o, enum output_state state)
{
	o->state = state;
	return false;
}

/* n bytes are out. */
static void advance(struct iovec **parts, int *count, size_t n)
{
	for (; *count && n >= (*parts)->iov_len; (*parts)++, (*count)--)
		n -= (*parts)->iov_len;
	if (!*count)
		return;
	(*parts)->iov_base = (char *)(*parts)->iov_base + n;
	(*parts)->iov_len -= n;
}

/* The peer takes no more at the moment. False: it is time for a file. */
static bool wait_for_peer(struct output *o)
{
	struct pollfd writable = { .fd = o->connection, .events = POLLOUT };
	int64_t began = clock_us();
	if (!o->spool)
		return poll(&writable, 1, -1) >= 0 || errno == EINTR;
	int n = o->patience > 0 ? poll(&writable, 1, (int)(o->patience + 999) / 1000) : 0;
	o->patience -= clock_us() - began;
	return n > 0;
}

static void begin_file(struct output *o)
{
	o->file = spool_file(o->spool);
	if (o->file >= 0)
		return;
	/* A worker that waits is better than an answer that breaks off. */
	log_warn(NULL, "FCGI_SPOOL_DIR takes no file, a worker waits for a slow reader: %m");
	o->spool = NULL;
}

/* The peer has taken n bytes. */
static void take(struct output *o, struct iovec **parts, int *count, size_t n)
{
	advance(parts, count, n);
	o->patience += (int64_t)n / KEEPS_UP;
	if (o->patience > PATIENCE)
		o->patience = PATIENCE;
}

static bool send_parts(struct output *o, struct iovec **parts, int *count)
{
	while (*count && o->file < 0) {
		struct msghdr m = { .msg_iov = *parts, .msg_iovlen = (size_t)*count };
		ssize_t n = sendmsg(o->connection, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			take(o, parts, count, (size_t)n);
		else if (errno == EINTR)
			continue;
		else if (errno != EAGAIN)
			return fail(o, OUTPUT_GONE);
		else if (!wait_for_peer(o))
			begin_file(o);
	}
	return true;
}

/* Nobody reads a file's end for a client that has left. */
static bool peer_is_there(const struct output *o)
{
	struct pollfd peer = { .fd = o->connection };
	return poll(&peer, 1, 0) <= 0 || !(peer.revents & (POLLHUP | POLLERR));
}

static bool make_room(struct output *o, size_t more)
{
	if (o->written + more <= o->share.bytes)
		return true;
	if (!peer_is_there(o))
		return fail(o, OUTPUT_GONE);
	uint64_t step = more > STEP ? more : STEP;
	enum spool_result result = spool_resize(o->spool, &o->share, o->written + step, o->file);
	if (result != SPOOL_OK && more < step)
		result = spool_resize(o->spool, &o->share, o->written + more, o->file);
	return result == SPOOL_OK || fail(o, OUTPUT_FULL);
}

static bool append_parts(struct output *o, struct iovec *parts, int count)
{
	size_t more = 0;
	for (int i = 0; i < count; i++)
		more += parts[i].iov_len;
	if (!make_room(o, more))
		return false;
	while (count) {
		ssize_t n = writev(o->file, parts, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_warn(NULL, "FCGI_SPOOL_DIR: %m");
			return fail(o, OUTPUT_FAILED);
		}
		o->written += (uint64_t)n;
		advance(&parts, &count, (size_t)n);
	}
	return true;
}

bool output_write(struct output *o, struct iovec *parts, int count)
{
	if (o->state != OUTPUT_OK || !send_parts(o, &parts, &count))
		return false;
	return !count || append_parts(o, parts, count);
}

void output_hand_over(struct output *o, const char *request)
{
	struct spool_answer answer = { .to = o->written };
	/* What was asked for ahead is free again. */
	(void)!spool_resize(o->spool, &o->share, o->written, o->file);
	answer.share = o->share;
	(void)snprintf(answer.request, sizeof(answer.request), "%s", request);
	if (spool_give(o->spool, &answer, o->connection, o->file)) {
		o->share.id = 0;
	} else {
		log_warn(request, "nobody takes the answer of a slow reader, its worker waits for it: %m");
		while (spool_send(&answer, o->connection, o->file, TURN) == 0)
			;
	}
	output_free(o);
}
