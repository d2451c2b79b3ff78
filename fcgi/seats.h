/* seats.h: which workspace has which worker, so that one never has them all. With requests that take long (large
 * answers, locks that others hold) it has half of a pool at most; and a workspace that had such lately, all but one
 * with whatever it asks. What it asks beyond that waits, without a worker. Until that is noticed it may have them all,
 * so the quick pool has one more, the reserve, which serves only while all others are in long requests. */
#ifndef CRAFT_FCGI_SEATS_H
#define CRAFT_FCGI_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEATS_WORKSPACE 32 /* bytes that stand for a workspace: SHA-256 of its name */
#define SEATS_LONG 50	   /* ms after which a request is a long one */
#define SEATS_HEAVY 250	   /* ms after which it is remembered of its workspace, for */
#define SEATS_LATELY 10000 /* ms */

struct seats;

/* Before the workers are made: `count` of them, in one pool each. NULL: no memory; then nothing is counted. */
struct seats *seats_new(size_t count);
void seats_free(struct seats *seats);
/* What kind of worker it is; before any place is taken. strict: of its pool, no workspace ever has all. */
struct seats_kind {
	unsigned pool;
	bool strict, reserve;
};
void seats_assign(struct seats *seats, size_t worker, const struct seats_kind *kind);

enum seat {
	SEAT_TAKEN,
	SEAT_SOON,  /* the workspace has all others, which may be free in a moment */
	SEAT_LATER, /* it has half of them in long requests */
};

/* The worker begins a request for the workspace, or not now. seats may be NULL, also below: then it always may. */
enum seat seats_take(struct seats *seats, size_t worker, const unsigned char workspace[SEATS_WORKSPACE],
		     int64_t now_ms);
/* It has ended, or the worker has; no harm where it has none. */
void seats_leave(struct seats *seats, size_t worker, int64_t now_ms);

enum seats_reserve {
	RESERVE_SLEEPS,	 /* a worker is free: until seats_fd() is readable */
	RESERVE_WATCHES, /* all have just begun */
	RESERVE_SERVES,	 /* all are in long requests */
};

/* What the reserve does now. */
enum seats_reserve seats_reserve(struct seats *seats, int64_t now_ms);
/* Readable, in the reserve, from when no worker is free any more; seats_woken() makes it unreadable. */
int seats_fd(const struct seats *seats);
void seats_woken(struct seats *seats);

#endif
