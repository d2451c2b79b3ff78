/* underway.h: uploads whose bodies are on their way, and how much room they will take: what one may have is what the
 * others leave. The memory is shared by the workers of a host: the one that lets a body come is not the one that gets
 * it. */
#ifndef CRAFT_FCGI_UNDERWAY_H
#define CRAFT_FCGI_UNDERWAY_H

#include <stdatomic.h>

#include "buf.h"

#define UNDERWAY_MAX 1024
/* At most so many of one workspace. */
#define UNDERWAY_SHARE 256
/* A claim is good for a minute and as long as its bytes take at this rate: who is slower has sent next to nothing by
 * then. */
#define UNDERWAY_LEAST_RATE 65536

struct underway;

/* For mmap(): it must be zeroed, shared memory of this size, and underway_init() be called before the workers are made.
 */
size_t underway_size(void);
bool underway_init(struct underway *u);

struct underway_claim {
	struct slice id;	/* the request's */
	struct slice workspace; /* its name */
	uint64_t bytes;
	bool open; /* no length was declared: bytes is the most that may come, and a quarter of what is left is claimed
		    */
	uint64_t quota; /* what the workspace may still take, uploads under way not counted; UINT64_MAX: no limit */
	uint64_t disk;	/* what the disk has, likewise */
};

enum underway_result {
	UNDERWAY_OK,
	UNDERWAY_QUOTA, /* the workspace's other uploads under way may need it */
	UNDERWAY_DISK,	/* all uploads under way may; or those of this workspace would have more than half of it */
	UNDERWAY_MANY,	/* too many at once, of the workspace or in all */
};

/* Claims the room, until underway_end(). u may be NULL: nothing is counted. */
enum underway_result underway_begin(struct underway *u, const struct underway_claim *claim, int64_t now_ms)
	__attribute__((warn_unused_result));
/* The upload has ended, however it did. One that isn't known is no error. */
void underway_end(struct underway *u, struct slice id);
/* Bytes claimed in all. */
uint64_t underway_bytes(struct underway *u, int64_t now_ms);

#endif
