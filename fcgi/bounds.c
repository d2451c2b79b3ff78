/* bounds.c: attempts without the right key. */
#include "bounds.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "log.h"
#include "peers.h"
#include "shared.h"
#include "underway.h"

#define TELL_EVERY_MS 10000
#define ASK_RATE 5.0 /* a second and address: questions about what may be made up */
#define ASK_AT_ONCE 50

const struct tally_row limit_rows[LIMIT_COUNT] = {
	[LIMIT_WRONG_KEY] = { "wrong_key", "requests with a wrong key or none, answered with 401" },
	[LIMIT_WRONG_KEY_RATE] = { "wrong_key_rate", "the same above WRONG_KEY_RATE, answered with 429" },
	[LIMIT_BAD_SIGNATURE] = { "bad_signature", "requests with an invalid or expired signature, answered with 403" },
	[LIMIT_KEY_RATE] = { "key_rate", "requests above the rate of a workspace's key, answered with 429" },
	[LIMIT_UNDER_WAY] = { "under_way",
			      "uploads that other uploads under way left no room for, answered with 503 or 507" },
	[LIMIT_SPOOL] = { "spool", "large answers answered with 503 or broken off, because FCGI_SPOOL had no room for "
				   "slow readers" },
	[LIMIT_SEATS] = { "seats", "requests answered with 503, because their workspace had half of the workers" },
	[LIMIT_UNCHECKED] = { "unchecked", "requests whose key or signature could not be checked, answered with 503" },
};

struct bounds {
	const struct conf *conf;
	pthread_mutex_t lock; /* of both tables; what a killed worker leaves half done is a number of tokens at worst */
	pthread_mutex_t flushing;
	_Atomic uint64_t counters[LIMIT_COUNT];
	uint64_t told[LIMIT_COUNT]; /* the master's */
	int64_t told_at;
	struct peers peers;
	struct underway *underway;
	struct peers keys; /* the same table, for ids of keys in place of addresses */
};

static struct underway *new_underway(void)
{
	struct underway *u = shared_memory(underway_size());
	if (u && !underway_init(u)) {
		shared_memory_free(u, underway_size());
		return NULL;
	}
	return u;
}

struct underway *bounds_underway(struct bounds *l)
{
	return l ? l->underway : NULL;
}

struct bounds *bounds_new(const struct conf *conf)
{
	struct bounds *l = shared_memory(sizeof(*l));
	if (!l)
		return NULL;
	if (!shared_lock_init(&l->lock) || !shared_lock_init(&l->flushing)) {
		shared_memory_free(l, sizeof(*l));
		return NULL;
	}
	l->conf = conf;
	l->underway = new_underway();
	peers_init(&l->peers);
	peers_init(&l->keys);
	return l;
}

static bool take_token(struct bounds *l, struct peers *table, uint64_t key, int64_t per_minute, int64_t now_ms)
{
	double rate = (double)per_minute;
	if (!shared_lock(&l->lock))
		return true;
	struct peer *peer = peers_find(table, key, (uint64_t)now_ms);
	bool ok = !peer || bucket_take(&peer->failures, rate / 60, rate, (uint64_t)now_ms);
	shared_unlock(&l->lock);
	return ok;
}

bool bounds_wrong_key(struct bounds *l, struct slice address, int64_t now_ms)
{
	uint64_t key;
	if (!l)
		return true;
	bool ok = !l->conf->wrong_key_rate || !peer_key(address, &key) ||
		  take_token(l, &l->peers, key, l->conf->wrong_key_rate, now_ms);
	bounds_count(l, ok ? LIMIT_WRONG_KEY : LIMIT_WRONG_KEY_RATE);
	return ok;
}

bool bounds_may_try(struct bounds *l, struct slice address, int64_t now_ms)
{
	uint64_t key;
	if (!l || !l->conf->wrong_key_rate || !peer_key(address, &key) || !shared_lock(&l->lock))
		return true;
	double rate = (double)l->conf->wrong_key_rate;
	const struct peer *peer = peers_find(&l->peers, key, (uint64_t)now_ms);
	struct bucket failures = peer ? peer->failures : (struct bucket){ 0 };
	shared_unlock(&l->lock);
	return bucket_take(&failures, rate / 60, rate, (uint64_t)now_ms);
}

bool bounds_may_ask(struct bounds *l, struct slice address, int64_t now_ms)
{
	uint64_t key;
	if (!l || !peer_key(address, &key) || !shared_lock(&l->lock))
		return true;
	struct peer *peer = peers_find(&l->peers, key, (uint64_t)now_ms);
	bool ok = !peer || bucket_take(&peer->questions, ASK_RATE, ASK_AT_ONCE, (uint64_t)now_ms);
	shared_unlock(&l->lock);
	return ok;
}

bool bounds_key(struct bounds *l, const char *id, int64_t per_minute, int64_t now_ms)
{
	if (!l || take_token(l, &l->keys, strtoull(id, NULL, 16), per_minute, now_ms))
		return true;
	bounds_count(l, LIMIT_KEY_RATE);
	return false;
}

void bounds_count(struct bounds *l, enum limit which)
{
	if (l)
		(void)atomic_fetch_add_explicit(&l->counters[which], 1, memory_order_relaxed);
}

uint64_t bounds_read(const struct bounds *l, enum limit which)
{
	return l ? atomic_load_explicit(&l->counters[which], memory_order_relaxed) : 0;
}

bool bounds_flush_begin(struct bounds *l)
{
	return l && shared_lock(&l->flushing);
}

void bounds_flush_end(struct bounds *l)
{
	shared_unlock(&l->flushing);
}

void bounds_tell(struct bounds *l, int64_t now_ms)
{
	uint64_t counters[LIMIT_COUNT];
	autobuf line = { 0 };
	if (!l || now_ms - l->told_at < TELL_EVERY_MS)
		return;
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		counters[i] = atomic_load_explicit(&l->counters[i], memory_order_relaxed);
	if (!tally_add(&line, limit_rows, LIMIT_COUNT, counters, l->told))
		return;
	l->told_at = now_ms;
	log_warn(NULL, "limits:%s", buf_cstr(&line));
}
