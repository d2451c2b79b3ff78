/* retry.h: when something that ended, or couldn't be started, is tried again: at once, then after 1 s, 2 s, 4 s ... 60
 * s. Times are ms of the loop's clock. */
#ifndef CRAFT_SANDBOX_RETRY_H
#define CRAFT_SANDBOX_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing went wrong. */
struct retry {
	unsigned failures; /* one after the other */
	uint64_t at;	   /* not before */
	uint64_t began;	   /* when it was started last */
};

void retry_began(struct retry *r, uint64_t now);
/* It ended, or couldn't be started. What has run for a while before counts as good. */
void retry_failed(struct retry *r, uint64_t now);
void retry_worked(struct retry *r);
/* ms until it may be tried; 0: now. */
uint64_t retry_wait(const struct retry *r, uint64_t now);

#endif
