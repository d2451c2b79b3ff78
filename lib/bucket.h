/* bucket.h: a token bucket: so many at once, then so many a second. */
#ifndef CRAFT_BUCKET_H
#define CRAFT_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* All zero is a full one. */
struct bucket {
	float missing; /* tokens below full, at `at` */
	uint64_t at;   /* ms */
};

/* Takes a token. False: there is none. rate: tokens that come back in a second. */
static inline bool bucket_take(struct bucket *b, double rate, double size, uint64_t now)
{
	double missing = (double)b->missing - rate * (double)(now > b->at ? now - b->at : 0) / 1000;
	b->at = now;
	b->missing = (float)(missing > 0 ? missing : 0);
	if ((double)b->missing + 1 > size)
		return false;
	b->missing += 1;
	return true;
}

/* Puts one back that was taken for nothing. */
static inline void bucket_give(struct bucket *b)
{
	b->missing = b->missing > 1 ? b->missing - 1 : 0;
}

#endif
