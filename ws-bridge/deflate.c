/* deflate.c: permessage-deflate over zlib, one message at a time. */
#include "deflate.h"

#include <stdlib.h>
#define ZLIB_CONST /* zlib doesn't write to its input: next_in is const */
#include <zlib.h>

/* What a flush to a byte boundary ends with; RFC 7692 keeps it off the wire. */
static const unsigned char flush_tail[4] = { 0x00, 0x00, 0xff, 0xff };

/* A window of 32 KB serves long messages. zlib's hash table is cleared for each message: below level 4 it
 * costs more in output than it saves, above 6 it is only larger. */
#define WINDOW_BITS 15
#define MEM_LEVEL 5
#define CHUNK ((size_t)65536)

struct deflate_encoder {
	z_stream z;
};

struct deflate_encoder *deflate_encoder_new(int level)
{
	struct deflate_encoder *e = xcalloc(1, sizeof(*e));
	if (deflateInit2(&e->z, level, Z_DEFLATED, -WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* out of memory, or a level that the caller made up */
	return e;
}

void deflate_encoder_free(struct deflate_encoder *e)
{
	if (!e)
		return;
	(void)deflateEnd(&e->z);
	free(e);
}

/* zlib's counters are 32 bits wide: hands it as much of the input as it can count. */
static uInt give_input(z_stream *z, struct slice in)
{
	z->next_in = (const Bytef *)in.ptr;
	z->avail_in = in.len < CHUNK * 1024 ? (uInt)in.len : (uInt)(CHUNK * 1024);
	return z->avail_in;
}

/* Compresses one piece, with the flush that ends the message if it is the last. */
static void encode_piece(z_stream *z, int flush, struct buf *out)
{
	do {
		size_t room = deflateBound(z, z->avail_in) + sizeof(flush_tail) + 8;
		if (room > CHUNK)
			room = CHUNK;
		z->next_out = (Bytef *)buf_reserve(out, room);
		z->avail_out = (uInt)room;
		if (deflate(z, flush) == Z_STREAM_ERROR)
			abort();
		out->len += room - z->avail_out;
	} while (z->avail_out == 0);
}

void deflate_encode(struct deflate_encoder *e, struct slice message, struct buf *out)
{
	if (message.len == 0) {
		buf_add_char(out, 0);
		return;
	}
	deflate_encode_more(e, message, true, out);
}

void deflate_encode_more(struct deflate_encoder *e, struct slice piece, bool last, struct buf *out)
{
	while (piece.len > 0) {
		uInt n = give_input(&e->z, piece);
		piece = slice_make(piece.ptr + n, piece.len - n);
		encode_piece(&e->z, last && !piece.len ? Z_SYNC_FLUSH : Z_NO_FLUSH, out);
	}
	if (!last)
		return;
	out->len -= sizeof(flush_tail);
	if (deflateReset(&e->z) != Z_OK)
		abort();
}

struct deflate_decoder {
	z_stream z;
	bool at_end;	  /* the data stop at the end of a stream, nothing is pending */
	bool full;	  /* the last output was filled up */
	uint8_t tail_fed; /* bytes of flush_tail that were added to the message */
};

struct deflate_decoder *deflate_decoder_new(void)
{
	struct deflate_decoder *d = xcalloc(1, sizeof(*d));
	if (inflateInit2(&d->z, -WINDOW_BITS) != Z_OK)
		abort();
	d->at_end = true;
	return d;
}

void deflate_decoder_free(struct deflate_decoder *d)
{
	if (!d)
		return;
	(void)inflateEnd(&d->z);
	free(d);
}

/* zlib's data_type after inflate(): where in the data it stands. */
#define BITS_LEFT 63 /* bits of the last byte that it hasn't used */
#define LAST_BLOCK 64
#define BETWEEN_BLOCKS 128

/* Whether the message may end here. */
static bool may_end(const struct deflate_decoder *d)
{
	return d->at_end || (d->z.data_type & (BETWEEN_BLOCKS | BITS_LEFT)) == BETWEEN_BLOCKS;
}

/* Whether zlib may have output, or the end of the stream, to tell without more input. It isn't asked
 * for nothing: a call between blocks without input makes it forget where it stands. */
static bool holds_back(const struct deflate_decoder *d)
{
	return d->full && (d->z.data_type & (BETWEEN_BLOCKS | LAST_BLOCK)) != BETWEEN_BLOCKS;
}

/* Inflates from *in until it is empty, the output full or the data bad. */
static enum deflate_result decode_input(struct deflate_decoder *d, struct slice *in)
{
	while (in->len > 0 || holds_back(d)) {
		uInt given = give_input(&d->z, *in);
		int rc = inflate(&d->z, Z_SYNC_FLUSH);
		uInt used = given - d->z.avail_in;
		*in = slice_make(in->ptr + used, in->len - used);
		d->at_end = rc == Z_STREAM_END;
		if (rc == Z_STREAM_END)
			rc = inflateReset(&d->z);
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return DEFLATE_BAD;
		d->full = d->z.avail_out == 0 && !d->at_end;
		if (d->full)
			return DEFLATE_FULL;
	}
	return DEFLATE_OK;
}

enum deflate_result deflate_decode(struct deflate_decoder *d, struct slice *in, bool last, char *out, size_t *room)
{
	uInt space = *room < CHUNK * 1024 ? (uInt)*room : (uInt)(CHUNK * 1024);
	d->z.next_out = (Bytef *)out;
	d->z.avail_out = space;
	enum deflate_result rc = decode_input(d, in);
	if (rc == DEFLATE_OK && last && (d->tail_fed || !may_end(d))) {
		struct slice tail = { (const char *)flush_tail + d->tail_fed, sizeof(flush_tail) - d->tail_fed };
		rc = decode_input(d, &tail);
		d->tail_fed = (uint8_t)(sizeof(flush_tail) - tail.len);
		if (rc == DEFLATE_OK && !may_end(d))
			rc = DEFLATE_BAD;
	}
	*room = space - d->z.avail_out;
	return rc;
}
