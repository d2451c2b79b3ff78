/* output.h: the way of an answer's records to nginx: straight over the connection while nginx takes them, and from when
 * it doesn't (its client is slower than we are, and its few buffers are full) into a file, which goes to the sender
 * when all of it is there. The worker is free again as soon as it has made the answer. */
#ifndef CRAFT_FCGI_OUTPUT_H
#define CRAFT_FCGI_OUTPUT_H

#include <sys/uio.h>

#include "spool.h"

enum output_state {
	OUTPUT_OK,
	OUTPUT_GONE,   /* the peer is */
	OUTPUT_FULL,   /* there is no room for so much of a slow reader's answer */
	OUTPUT_FAILED, /* the file can't be written */
};

struct output {
	int connection; /* blocking; -1: none yet. Nothing may be buffered between it and whoever else writes to it */
	struct spool *spool; /* NULL: a slow reader is waited for */
	int file;	     /* -1: straight over the connection so far */
	uint64_t written;    /* bytes of the file */
	int64_t patience;    /* µs that are left to wait for the peer without a file */
	struct spool_share share;
	enum output_state state;
};

void output_init(struct output *o, int connection, struct spool *spool);
/* Whose the answer is; nobody's in particular until then. */
void output_for(struct output *o, struct slice workspace);
/* Has its workspace so much under way that an answer which may be large should not begin? */
bool output_is_full(const struct output *o);
/* All of the parts, which are changed. False: o->state says why, now and from now on. */
bool output_write(struct output *o, struct iovec *parts, int count);
/* Is part of it in a file? Then output_hand_over() ends it. */
bool output_is_spooled(const struct output *o);
/* Has what lies in the file sent, and forgets it: by the sender; where there is none, here and now. request: for its
 * log. The connection stays the caller's to close, without shutting it down. */
void output_hand_over(struct output *o, const char *request);
void output_free(struct output *o);

#endif
