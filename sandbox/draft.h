/* draft.h: a message on its way to being JSON. Encoding a big one takes long, and nothing else would happen meanwhile:
 * what is small is encoded at once, the rest a piece in each turn of the loop. Pure. */
#ifndef CRAFT_SANDBOX_DRAFT_H
#define CRAFT_SANDBOX_DRAFT_H

#include "lib/buf.h"

/* So many bytes of text are encoded at a time. */
#define DRAFT_PIECE ((size_t)256 << 10)
#define DRAFT_PARTS 8

struct draft_part {
	struct buf bytes;
	bool text; /* to be made a JSON string; else it is JSON already */
	size_t at; /* so far it is encoded */
};

/* All zero is an empty one. */
struct draft {
	struct buf out; /* what is encoded */
	struct draft_part parts[DRAFT_PARTS];
	size_t first, count; /* parts that aren't */
	struct buf instead;  /* a message for the case that this one can't be stored; empty: none */
	bool line;	     /* a line of the agent, which one that says so stands for then */
};

/* Appends JSON as it stands. */
void draft_json(struct draft *draft, struct slice json);
/* Appends any bytes as a JSON string: what is no UTF-8 becomes U+FFFD. */
void draft_text(struct draft *draft, struct slice bytes);
/* Encodes the next piece. False: there is more. */
bool draft_step(struct draft *draft);
bool draft_done(const struct draft *draft);
/* Bytes that it has, encoded and not. */
size_t draft_size(const struct draft *draft);
void draft_free(struct draft *draft);

/* How many bytes at the beginning (or at the end) of the text fit into max bytes of a JSON string, whole characters. */
size_t draft_fits(struct slice bytes, size_t max);
size_t draft_fits_end(struct slice bytes, size_t max);

/* Appends what draft_text() makes of the bytes, without quotes. */
void draft_clean(struct buf *out, struct slice bytes);

#endif
