/* packer.h: compressing what is sent (permessage-deflate) so that no message keeps others waiting: a small one at once,
 * a big one a slice in each turn of the loop. */
#ifndef CRAFT_PACKER_H
#define CRAFT_PACKER_H

#include "lib/buf.h"

/* Bytes of messages that are compressed in a turn, which takes 0.3 to 3 ms. */
#define PACKER_SLICE ((size_t)32768)
/* Big messages at a time, each with a memory of zlib's; what comes meanwhile goes as it is. */
#define PACKER_JOBS 8

struct packer;
struct packing;

/* Called when a big message is done: packed is its compressed form. */
typedef void packing_done(void *owner, struct slice packed);

/* level: see deflate_encoder_new(). */
struct packer *packer_new(int level);
void packer_free(struct packer *packer);

/* Appends the compressed message to *out. Of at most PACKER_SLICE bytes. */
void packer_pack(struct packer *packer, struct slice message, struct buf *out);

/* Begins with a message of any size, which stays the caller's and in its place until done() was called, or
 * packing_cancel(). NULL: there are PACKER_JOBS under way. */
struct packing *packing_new(struct packer *packer, struct slice message, packing_done *done, void *owner);
void packing_cancel(struct packing *p);

bool packer_is_busy(const struct packer *packer);
/* Compresses one slice, of each message in its turn. True: a message is done. */
bool packer_turn(struct packer *packer);

#endif
