/* retry.c: exponential back-off. */
#include "retry.h"

#define FIRST_MS 1000
#define LAST_MS 60000
#define STEADY_MS 30000

void retry_began(struct retry *r, uint64_t now)
{
	r->began = now;
}

void retry_worked(struct retry *r)
{
	r->failures = 0;
	r->at = 0;
}

void retry_failed(struct retry *r, uint64_t now)
{
	if (r->began && now - r->began >= STEADY_MS)
		retry_worked(r);
	r->began = 0;
	uint64_t wait = r->failures ? FIRST_MS : 0;
	for (unsigned i = 1; i < r->failures && wait < LAST_MS; i++)
		wait *= 2;
	r->failures++;
	r->at = now + (wait < LAST_MS ? wait : LAST_MS);
}

uint64_t retry_wait(const struct retry *r, uint64_t now)
{
	return r->at > now ? r->at - now : 0;
}
