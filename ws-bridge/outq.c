/* outq.c: a ring of frames. */
#include "outq.h"

#include <stdlib.h>

static void grow(struct outq *q)
{
	size_t cap = q->cap ? q->cap * 2 : 8;
	struct frame_buf **ring = xmalloc(cap * sizeof(struct frame_buf *));
	for (size_t i = 0; i < q->count; i++)
		ring[i] = q->ring[(q->first + i) % q->cap];
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->first = 0;
}

static void release_if_empty(struct outq *q)
{
	if (q->count)
		return;
	free(q->ring);
	*q = (struct outq){ 0 };
}

void outq_add(struct outq *q, struct frame_buf *frame)
{
	if (q->count == q->cap)
		grow(q);
	q->ring[(q->first + q->count++) % q->cap] = frame_buf_ref(frame);
	q->bytes += frame->weight;
}

void outq_drop(struct outq *q, size_t keep)
{
	while (q->count > keep) {
		struct frame_buf *last = q->ring[(q->first + --q->count) % q->cap];
		q->bytes -= last->weight;
		frame_buf_unref(last);
	}
	release_if_empty(q);
}

int outq_gather(const struct outq *q, struct iovec *iov, int max)
{
	int n = 0;
	for (; n < max && (size_t)n < q->count; n++) {
		struct frame_buf *f = q->ring[(q->first + (size_t)n) % q->cap];
		size_t skip = n == 0 ? q->offset : 0;
		if (!f->data)
			break;
		iov[n] = (struct iovec){ f->data + skip, f->len - skip };
	}
	return n;
}

void outq_sent(struct outq *q, size_t n)
{
	while (n) {
		struct frame_buf *f = q->ring[q->first];
		size_t left = f->len - q->offset;
		if (n < left) {
			q->offset += n;
			return;
		}
		n -= left;
		q->offset = 0;
		q->bytes -= f->weight;
		q->first = (q->first + 1) % q->cap;
		q->count--;
		frame_buf_unref(f);
	}
	release_if_empty(q);
}

size_t outq_waiting(const struct outq *q)
{
	return q->count ? q->bytes - q->ring[q->first]->weight : 0;
}

bool outq_is_ready(const struct outq *q)
{
	return q->count && q->ring[q->first]->data;
}
