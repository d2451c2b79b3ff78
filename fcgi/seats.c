/* seats.c: workspaces and the workers that they have. */
#include "seats.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "buf.h"
#include "shared.h"

#define HEAVY 64 /* workspaces whose long requests are remembered */

struct place {
	struct seats_kind kind;
	int64_t since; /* ms; 0: the worker has no request of a workspace */
	unsigned char workspace[SEATS_WORKSPACE];
};

struct heavy {
	int64_t until; /* ms */
	unsigned char workspace[SEATS_WORKSPACE];
};

/* What a killed worker leaves half done is its own place, which the master empties. */
struct table {
	pthread_mutex_t lock;
	bool awake; /* the reserve is, or has been told to be */
	struct heavy heavy[HEAVY];
	size_t count;
	struct place places[];
};

struct seats {
	struct table *table;
	size_t size;
	int wake; /* eventfd */
};

void seats_free(struct seats *s)
{
	if (!s)
		return;
	if (s->wake >= 0)
		(void)close(s->wake);
	shared_memory_free(s->table, s->size);
	free(s);
}

struct seats *seats_new(size_t count)
{
	struct seats *s = xcalloc(1, sizeof(*s));
	s->size = sizeof(*s->table) + count * sizeof(s->table->places[0]);
	s->table = shared_memory(s->size);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0 || !s->table || !shared_lock_init(&s->table->lock)) {
		seats_free(s);
		return NULL;
	}
	s->table->count = count;
	return s;
}

void seats_assign(struct seats *s, size_t worker, const struct seats_kind *kind)
{
	if (s)
		s->table->places[worker].kind = *kind;
}

/* ---- long requests of before ---- */

static bool is_same(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, SEATS_WORKSPACE) == 0;
}

static bool is_heavy(const struct table *t, const unsigned char *workspace, int64_t now)
{
	for (size_t i = 0; i < HEAVY; i++) {
		if (t->heavy[i].until > now && is_same(t->heavy[i].workspace, workspace))
			return true;
	}
	return false;
}

/* In place of what is remembered of it, or of the one that is forgotten first. */
static void remember(struct table *t, const unsigned char *workspace, int64_t now)
{
	struct heavy *h = &t->heavy[0];
	for (size_t i = 0; i < HEAVY; i++) {
		if (is_same(t->heavy[i].workspace, workspace)) {
			h = &t->heavy[i];
			break;
		}
		h = t->heavy[i].until < h->until ? &t->heavy[i] : h;
	}
	memcpy(h->workspace, workspace, SEATS_WORKSPACE);
	h->until = now + SEATS_LATELY;
}

/* ---- places ---- */

struct sums {
	size_t pool, taken, in_long; /* workers but the reserve: all, those with a request, those with a long one */
	size_t its, its_long;	     /* of the workspace; the reserve counts */
};

static struct sums add_up(const struct table *t, unsigned pool, const struct place *but, const unsigned char *workspace,
			  int64_t now)
{
	struct sums sums = { 0 };
	for (size_t i = 0; i < t->count; i++) {
		const struct place *p = &t->places[i];
		if (p->kind.pool != pool)
			continue;
		bool taken = p->since && p != but, is_long = taken && now - p->since >= SEATS_LONG;
		sums.pool += !p->kind.reserve;
		sums.taken += taken && !p->kind.reserve;
		sums.in_long += is_long && !p->kind.reserve;
		sums.its += taken && workspace && is_same(p->workspace, workspace);
		sums.its_long += is_long && workspace && is_same(p->workspace, workspace);
	}
	return sums;
}

static enum seat judge(const struct table *t, const struct place *place, const unsigned char *workspace, int64_t now)
{
	struct sums sums = add_up(t, place->kind.pool, place, workspace, now);
	size_t half = sums.pool > 1 ? sums.pool / 2 : 1;
	if (sums.its_long >= half)
		return SEAT_LATER;
	/* The last one. A pool of one has nothing to share out. */
	if (sums.pool > 1 && sums.its + 1 >= sums.pool && (place->kind.strict || is_heavy(t, workspace, now)))
		return SEAT_SOON;
	return SEAT_TAKEN;
}

/* The last worker of the reserve's pool has been taken. */
static void wake_reserve(struct seats *s, const struct place *taken, int64_t now)
{
	struct table *t = s->table;
	const struct place *reserve = &t->places[t->count - 1];
	if (t->awake || !reserve->kind.reserve || reserve->kind.pool != taken->kind.pool)
		return;
	struct sums sums = add_up(t, taken->kind.pool, NULL, NULL, now);
	if (sums.taken < sums.pool)
		return;
	t->awake = true;
	(void)eventfd_write(s->wake, 1);
}

enum seat seats_take(struct seats *s, size_t worker, const unsigned char workspace[SEATS_WORKSPACE], int64_t now_ms)
{
	if (!s || !shared_lock(&s->table->lock))
		return SEAT_TAKEN;
	struct place *p = &s->table->places[worker];
	enum seat seat = judge(s->table, p, workspace, now_ms);
	if (seat == SEAT_TAKEN) {
		memcpy(p->workspace, workspace, SEATS_WORKSPACE);
		p->since = now_ms;
		wake_reserve(s, p, now_ms);
	}
	shared_unlock(&s->table->lock);
	return seat;
}

void seats_leave(struct seats *s, size_t worker, int64_t now_ms)
{
	if (!s || !shared_lock(&s->table->lock))
		return;
	struct place *p = &s->table->places[worker];
	if (p->since && now_ms - p->since >= SEATS_HEAVY)
		remember(s->table, p->workspace, now_ms);
	p->since = 0;
	shared_unlock(&s->table->lock);
}

/* ---- the reserve, which is the last one ---- */

enum seats_reserve seats_reserve(struct seats *s, int64_t now_ms)
{
	if (!s || !shared_lock(&s->table->lock))
		return RESERVE_SLEEPS;
	struct table *t = s->table;
	struct sums sums = add_up(t, t->places[t->count - 1].kind.pool, NULL, NULL, now_ms);
	t->awake = sums.taken >= sums.pool;
	enum seats_reserve what = RESERVE_SLEEPS;
	if (t->awake)
		what = sums.in_long >= sums.pool ? RESERVE_SERVES : RESERVE_WATCHES;
	shared_unlock(&s->table->lock);
	return what;
}

int seats_fd(const struct seats *s)
{
	return s->wake;
}

void seats_woken(struct seats *s)
{
	eventfd_t n;
	(void)eventfd_read(s->wake, &n);
}
