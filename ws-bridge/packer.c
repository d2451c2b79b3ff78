/* packer.c: big messages take turns, a slice each. */
#include "packer.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "deflate.h"

struct packing {
	TAILQ_ENTRY(packing) link;
	struct packer *packer;
	struct deflate_encoder *encoder;
	struct slice left;
	struct buf packed;
	packing_done *done;
	void *owner;
};
TAILQ_HEAD(packing_list, packing);

struct packer {
	int level;
	struct deflate_encoder *encoder; /* of small messages */
	struct packing_list jobs;
	size_t count;
};

struct packer *packer_new(int level)
{
	struct packer *packer = xcalloc(1, sizeof(*packer));
	packer->level = level;
	packer->encoder = deflate_encoder_new(level);
	TAILQ_INIT(&packer->jobs);
	return packer;
}

void packer_free(struct packer *packer)
{
	assert(packer->count == 0);
	deflate_encoder_free(packer->encoder);
	free(packer);
}

void packer_pack(struct packer *packer, struct slice message, struct buf *out)
{
	assert(message.len <= PACKER_SLICE);
	deflate_encode(packer->encoder, message, out);
}

struct packing *packing_new(struct packer *packer, struct slice message, packing_done *done, void *owner)
{
	if (packer->count == PACKER_JOBS)
		return NULL;
	struct packing *p = xcalloc(1, sizeof(*p));
	p->packer = packer;
	p->encoder = deflate_encoder_new(packer->level);
	p->left = message;
	p->done = done;
	p->owner = owner;
	TAILQ_INSERT_TAIL(&packer->jobs, p, link);
	packer->count++;
	return p;
}

void packing_cancel(struct packing *p)
{
	TAILQ_REMOVE(&p->packer->jobs, p, link);
	p->packer->count--;
	deflate_encoder_free(p->encoder);
	buf_free(&p->packed);
	free(p);
}

bool packer_is_busy(const struct packer *packer)
{
	return packer->count > 0;
}

bool packer_turn(struct packer *packer)
{
	struct packing *p = TAILQ_FIRST(&packer->jobs);
	if (!p)
		return false;
	size_t n = p->left.len < PACKER_SLICE ? p->left.len : PACKER_SLICE;
	struct slice piece = slice_make(p->left.ptr, n);
	p->left = slice_make(p->left.ptr + n, p->left.len - n);
	deflate_encode_more(p->encoder, piece, p->left.len == 0, &p->packed);
	TAILQ_REMOVE(&packer->jobs, p, link);
	TAILQ_INSERT_TAIL(&packer->jobs, p, link);
	if (p->left.len)
		return false;
	p->done(p->owner, buf_slice(&p->packed));
	packing_cancel(p);
	return true;
}
