/* outq.h: the frames queued for one socket, and how far the first of them has been sent. */
#ifndef CRAFT_OUTQ_H
#define CRAFT_OUTQ_H

#include <sys/uio.h>

#include "frame_buf.h"

/* All zero is a valid empty queue, and it holds no memory while it is empty. */
struct outq {
	struct frame_buf **ring;
	size_t first, count, cap;
	size_t offset; /* bytes of the first frame that were sent */
	size_t bytes;  /* of all frames in it, by their weight */
};

/* Takes a reference of its own. */
void outq_add(struct outq *q, struct frame_buf *frame);
/* Drops the frames behind the first `keep`. */
void outq_drop(struct outq *q, size_t keep);
/* Fills iov with what is to be sent next, up to a frame that is being compressed yet; returns the number of entries, at
 * most max. */
int outq_gather(const struct outq *q, struct iovec *iov, int max);
/* n bytes were sent. */
void outq_sent(struct outq *q, size_t n);
/* Is there something to send now? */
bool outq_is_ready(const struct outq *q);
/* Bytes that wait behind the first frame. */
size_t outq_waiting(const struct outq *q);

#endif
