/* underway.c: claims of uploads under way. */
#include "underway.h"

#include <openssl/sha.h>

#include "shared.h"

#define ID_SIZE 32	 /* of a request's id: nginx makes 32 hex digits */
#define CLAIM_TIME 60000 /* ms, and what UNDERWAY_LEAST_RATE adds */

struct entry {
	char id[ID_SIZE];
	unsigned char workspace[SHA256_DIGEST_LENGTH]; /* names are the clients' to choose, so nothing shorter tells
							  them apart */
	uint64_t bytes;
	int64_t until; /* ms; 0: free */
};

struct underway {
	pthread_mutex_t lock; /* what a killed worker leaves half done is one claim at worst, which ends by itself */
	struct entry entries[UNDERWAY_MAX];
};

size_t underway_size(void)
{
	return sizeof(struct underway);
}

bool underway_init(struct underway *u)
{
	return shared_lock_init(&u->lock);
}

/* What is claimed already. */
struct sums {
	uint64_t mine, all; /* bytes; mine: of the same workspace */
	size_t count;	    /* of the same workspace */
	struct entry *free; /* NULL: none */
};

static struct sums add_up(struct underway *u, const unsigned char *workspace, int64_t now)
{
	struct sums s = { 0 };
	for (size_t i = 0; i < UNDERWAY_MAX; i++) {
		struct entry *e = &u->entries[i];
		if (e->until <= now) {
			e->until = 0;
			s.free = s.free ? s.free : e;
			continue;
		}
		s.all += e->bytes;
		if (!workspace || memcmp(e->workspace, workspace, sizeof(e->workspace)) != 0)
			continue;
		s.mine += e->bytes;
		s.count++;
	}
	return s;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What it claims: of several without a length each gets a part of what the ones before it left. */
static uint64_t bytes_of(const struct underway_claim *claim, const struct sums *s)
{
	if (!claim->open)
		return claim->bytes;
	return smaller(claim->bytes, smaller(less(claim->quota, s->mine), less(claim->disk, s->all))) / 4;
}

/* A single upload may take all that is there; several of one workspace leave the others half. */
static enum underway_result judge(const struct underway_claim *claim, const struct sums *s, uint64_t bytes)
{
	if (!s->free || s->count >= UNDERWAY_SHARE)
		return UNDERWAY_MANY;
	if (s->mine && bytes > less(claim->quota, s->mine))
		return UNDERWAY_QUOTA;
	if (bytes > less(claim->disk, s->all))
		return UNDERWAY_DISK;
	uint64_t left_to_us = less(claim->disk, s->all - s->mine) / 2;
	return s->mine && bytes && bytes > less(left_to_us, s->mine) ? UNDERWAY_DISK : UNDERWAY_OK;
}

static void fill(struct entry *e, const struct underway_claim *claim, const unsigned char *workspace, uint64_t bytes,
		 int64_t now)
{
	memset(e->id, 0, sizeof(e->id));
	memcpy(e->id, claim->id.ptr, smaller(claim->id.len, sizeof(e->id)));
	memcpy(e->workspace, workspace, sizeof(e->workspace));
	e->bytes = bytes;
	e->until = now + CLAIM_TIME + (int64_t)(smaller(bytes, INT64_MAX / 1000) * 1000 / UNDERWAY_LEAST_RATE);
}

enum underway_result underway_begin(struct underway *u, const struct underway_claim *claim, int64_t now_ms)
{
	unsigned char workspace[SHA256_DIGEST_LENGTH];
	if (!u || !claim->id.len)
		return UNDERWAY_OK;
	(void)SHA256((const unsigned char *)claim->workspace.ptr, claim->workspace.len, workspace);
	if (!shared_lock(&u->lock))
		return UNDERWAY_OK;
	struct sums s = add_up(u, workspace, now_ms);
	uint64_t bytes = bytes_of(claim, &s);
	enum underway_result result = judge(claim, &s, bytes);
	if (result == UNDERWAY_OK)
		fill(s.free, claim, workspace, bytes, now_ms);
	shared_unlock(&u->lock);
	return result;
}

static bool has_id(const struct entry *e, struct slice id)
{
	return e->until && memcmp(e->id, id.ptr, smaller(id.len, sizeof(e->id))) == 0 &&
	       (id.len >= sizeof(e->id) || e->id[id.len] == '\0');
}

void underway_end(struct underway *u, struct slice id)
{
	if (!u || !id.len || !shared_lock(&u->lock))
		return;
	for (size_t i = 0; i < UNDERWAY_MAX; i++) {
		if (has_id(&u->entries[i], id))
			u->entries[i].until = 0;
	}
	shared_unlock(&u->lock);
}

uint64_t underway_bytes(struct underway *u, int64_t now_ms)
{
	if (!u || !shared_lock(&u->lock))
		return 0;
	uint64_t all = add_up(u, NULL, now_ms).all;
	shared_unlock(&u->lock);
	return all;
}
