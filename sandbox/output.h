/* output.h: what a program writes: its beginning and its end, as much as one message may have. Pure. */
#ifndef CRAFT_SANDBOX_OUTPUT_H
#define CRAFT_SANDBOX_OUTPUT_H

#include "lib/buf.h"

/* All zero is ready. */
struct output {
	struct buf head, tail;
	size_t dropped; /* bytes between them */
};

/* Takes what comes. max: bytes as a JSON string, the same at every call. */
void output_add(struct output *output, struct slice data, size_t max);
/* Bytes that came. */
size_t output_size(const struct output *output);
/* Appends all of it where that fits into max bytes as JSON; else its beginning and its end, with a note between them that
 * says how much is left out, and names the key that says so. */
void output_text(const struct output *output, size_t max, const char *key, struct buf *out);
void output_free(struct output *output);

#endif
