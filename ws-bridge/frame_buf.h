/* frame_buf.h: an encoded frame, shared by reference count between all sockets that it goes to. */
#ifndef CRAFT_FRAME_BUF_H
#define CRAFT_FRAME_BUF_H

#include "frame.h"
#include "packer.h"

struct frame_buf {
	unsigned refs;
	size_t len;    /* on the wire; while it is being compressed: as it would be without that */
	size_t weight; /* what it counts in queues: as len was when it was made */
	uint8_t *data; /* header and payload, as on the wire; NULL: it is being compressed, and can't be sent yet */
	struct packing *packing;
	enum frame_opcode opcode;
	struct buf payload; /* while it is being compressed */
	uint8_t own[];	    /* where data points, if it was there from the beginning */
};

/* Messages below this size aren't worth compressing. */
#define FRAME_BUF_DEFLATE_MIN 256

/* An unfragmented frame whose payload is the parts one after another. packer not NULL: compressed, if that makes it
 * smaller; a big one later (see packer.h): its data are NULL until then. The caller holds the one reference. */
struct frame_buf *frame_buf_new(enum frame_opcode opcode, const struct slice *parts, size_t count,
				struct packer *packer);
struct frame_buf *frame_buf_close(uint16_t code, const char *reason);
/* Bytes as they are (an HTTP response). */
struct frame_buf *frame_buf_raw(struct slice bytes);

struct frame_buf *frame_buf_ref(struct frame_buf *f);
void frame_buf_unref(struct frame_buf *f);

/* Bytes of all frames that there are. */
size_t frame_buf_bytes(void);

#endif
