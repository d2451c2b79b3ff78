/* report.c: a table of the latest decisions; each is sent at once when it is new, and later with the number of its
 * like. */
#include "report.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conn.h"
#include "lib/clock.h"
#include "sandbox/gateway_wire.h"

#define MAX_DECISIONS 128
#define TEXT_MAX 300
#define REPEAT_MS 10000
#define RATE 5 /* per second */
#define BURST 60

struct decision {
	bool allowed;
	char kind[8], host[TEXT_MAX + 1], reason[TEXT_MAX + 1];
	uint64_t times; /* not sent yet; 0: the place is free after `next` */
	int64_t next;	/* when it may be sent (again) */
};

struct report {
	int fd;
	pthread_mutex_t lock;
	struct decision decisions[MAX_DECISIONS];
	uint64_t dropped; /* found no place */
	int64_t tokens, refilled;
};

struct report *report_new(int fd)
{
	struct report *r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	r->tokens = BURST;
	r->refilled = clock_ms();
	(void)pthread_mutex_init(&r->lock, NULL);
	return r;
}

void report_free(struct report *r)
{
	free(r);
}

static void copy_printable(char *out, struct slice text)
{
	size_t length = text.len < TEXT_MAX ? text.len : TEXT_MAX;
	for (size_t i = 0; i < length; i++)
		out[i] = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?';
	out[length] = '\0';
}

/* ---- sending ---- */

/* False: the daemon is behind; it stays for later. */
static bool send_decision(const struct report *r, const struct decision *d)
{
	char times[24];
	autobuf message = { 0 };
	(void)snprintf(times, sizeof(times), "%ju", (uintmax_t)d->times);
	const struct slice texts[EVENT_COUNT] = { [EVENT_ALLOWED] = slice_of(d->allowed ? "1" : "0"),
						  [EVENT_KIND] = slice_of(d->kind),
						  [EVENT_HOST] = slice_of(d->host),
						  [EVENT_REASON] = slice_of(d->reason),
						  [EVENT_TIMES] = slice_of(times) };
	gateway_wire_write(&message, GATEWAY_WIRE_EVENT, texts, EVENT_COUNT);
	return send(r->fd, message.data, message.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)message.len;
}

static void refill(struct report *r, int64_t now)
{
	int64_t more = (now - r->refilled) * RATE / 1000;
	if (more <= 0)
		return;
	r->refilled = now;
	r->tokens = r->tokens + more < BURST ? r->tokens + more : BURST;
}

static void flush_dropped(struct report *r)
{
	struct decision rest = { .kind = "egress", .host = "(others)", .times = r->dropped };
	copy_printable(rest.reason, SLICE_LIT("too many different requests in a short time to name them all"));
	if (r->dropped == 0 || r->tokens <= 0 || !send_decision(r, &rest))
		return;
	r->dropped = 0;
	r->tokens--;
}

static void flush(struct report *r, int64_t now)
{
	refill(r, now);
	for (size_t i = 0; i < MAX_DECISIONS && r->tokens > 0; i++) {
		struct decision *d = &r->decisions[i];
		if (d->times == 0 || d->next > now)
			continue;
		if (!send_decision(r, d))
			return;
		r->tokens--;
		d->times = 0;
		d->next = now + REPEAT_MS;
	}
}

void report_flush(struct report *r)
{
	(void)pthread_mutex_lock(&r->lock);
	flush(r, clock_ms());
	flush_dropped(r);
	(void)pthread_mutex_unlock(&r->lock);
}

/* ---- the table ---- */

static bool same(const struct decision *a, const struct decision *b)
{
	return a->allowed == b->allowed && strcmp(a->kind, b->kind) == 0 && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->reason, b->reason) == 0;
}

static struct decision *find(struct report *r, const struct decision *wanted)
{
	struct decision *free_place = NULL;
	for (size_t i = 0; i < MAX_DECISIONS; i++) {
		struct decision *d = &r->decisions[i];
		if (same(d, wanted))
			return d;
		if (d->times == 0 && (!free_place || d->next < free_place->next))
			free_place = d;
	}
	if (free_place)
		*free_place = *wanted;
	return free_place;
}

void report_decision(struct report *r, bool allowed, const char *kind, struct slice host, struct slice reason)
{
	struct decision wanted = { .allowed = allowed };
	(void)snprintf(wanted.kind, sizeof(wanted.kind), "%s", kind);
	copy_printable(wanted.host, host);
	copy_printable(wanted.reason, reason);
	(void)pthread_mutex_lock(&r->lock);
	struct decision *d = find(r, &wanted);
	if (d)
		d->times++;
	else
		r->dropped++;
	flush(r, clock_ms());
	(void)pthread_mutex_unlock(&r->lock);
}
