/* deflate.h: permessage-deflate (RFC 7692) for whole messages, without context takeover in either
 * direction: the encoder compresses one message after another, a decoder lives as long as the one
 * message that it inflates. */
#ifndef CRAFT_DEFLATE_H
#define CRAFT_DEFLATE_H

#include "lib/buf.h"

/* For 1 KB of JSON the levels 1 to 3 take 8 us and 4 to 6 9 us, for a result that differs by 1%; for a
 * megabyte 4 to 6 take three times as long and save a sixth. */
#define DEFLATE_LEVEL_DEFAULT 3

struct deflate_encoder;

/* level is zlib's, 1 (fast) to 9 (small). The caller frees it with deflate_encoder_free().
 * It holds some hundred KB and serves any number of messages, one at a time. */
struct deflate_encoder *deflate_encoder_new(int level);
void deflate_encoder_free(struct deflate_encoder *e);

/* Appends the compressed form of the message to *out: DEFLATE blocks flushed to a byte boundary, the
 * tail 00 00 ff ff removed (RFC 7692 section 7.2.1); an empty message becomes the one byte 00 (section
 * 7.2.3.6). Goes into a frame with RSV1 set. Nothing of it depends on the messages before. The result
 * can be longer than the message; a sender then does better to send it as it is, RSV1 clear. */
void deflate_encode(struct deflate_encoder *e, struct slice message, struct buf *out);
/* The same for a message that isn't empty, piece by piece, with an encoder that is new or has just ended a message: the
 * last piece ends it. */
void deflate_encode_more(struct deflate_encoder *e, struct slice piece, bool last, struct buf *out);

struct deflate_decoder;

enum deflate_result {
	DEFLATE_OK,   /* all input is used up; with `last`, the message is complete */
	DEFLATE_FULL, /* the output is full: take it and call again with the rest of the input */
	DEFLATE_BAD,  /* not DEFLATE data, or it ends inside a block */
};

/* For one message; the caller frees it with deflate_decoder_free(). Holds about 8 KB, 40 KB after
 * the first output. */
struct deflate_decoder *deflate_decoder_new(void);
void deflate_decoder_free(struct deflate_decoder *d);

/* Inflates the next bytes of a message (RFC 7692 section 7.2.2). *in is shortened by what was read.
 * At most *room bytes are written to out, and *room becomes the number written, also when the result
 * is DEFLATE_BAD. `last` says that the message ends with these bytes. So the work of one call is
 * bounded by the input and the room, whatever the data claim.
 * A block with BFINAL set ends a DEFLATE stream; what follows in the message is a new one (section
 * 7.2.3.4). A message that ends cleanly without needing the removed tail is accepted too. */
enum deflate_result deflate_decode(struct deflate_decoder *d, struct slice *in, bool last, char *out, size_t *room)
	__attribute__((warn_unused_result));

#endif
