/* fuzz_inflate.c: any bytes as a compressed message: what comes out, whatever room there is and however the bytes are
 * cut, is what zlib makes of them in one piece; a message never grows beyond its cap, and what we compress comes back.
 */
#include <assert.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"
#include "ws-bridge/deflate.h"
#include "ws-bridge/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 40000 /* bytes that a bomb may make here */

/* ---- zlib in one piece ---- */

struct inflated {
	bool ok;    /* it ends where a message may */
	bool large; /* it is larger than MOST; nothing more is known then */
	struct buf text;
};

/* RFC 7692 section 7.2.2: the blocks, and streams one behind the other, of all of in. */
static void inflate_all(struct slice in, struct inflated *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len };
	int rc = Z_OK;
	bool ended = true;
	assert(inflateInit2(&z, -15) == Z_OK);
	do {
		z.next_out = (Bytef *)buf_reserve(&out->text, 65536);
		z.avail_out = 65536;
		if (z.avail_in || !ended)
			rc = inflate(&z, Z_SYNC_FLUSH);
		out->text.len += 65536 - z.avail_out;
		ended = rc == Z_STREAM_END;
		if (ended)
			rc = inflateReset(&z);
		out->large = out->text.len > MOST;
	} while (rc == Z_OK && !out->large && (z.avail_in || !z.avail_out));
	out->ok = (rc == Z_OK || rc == Z_BUF_ERROR) && !z.avail_in && (ended || (z.data_type & (128 | 63)) == 128);
	assert(inflateEnd(&z) == Z_OK);
}

/* With the tail that a sender takes off, or as it is. */
static struct inflated reference(struct slice in)
{
	struct inflated bare = { 0 }, whole = { 0 };
	autobuf tailed = { 0 };
	inflate_all(in, &bare);
	if (bare.ok || bare.large)
		return bare;
	buf_free(&bare.text);
	buf_add_slice(&tailed, in);
	buf_add(&tailed, "\x00\x00\xff\xff", 4);
	inflate_all(buf_slice(&tailed), &whole);
	return whole;
}

/* ---- ours ---- */

/* In pieces of `piece` bytes, each time with room for `room`. False: bad, or more than MOST. */
static bool decode(struct slice in, size_t piece, size_t room, struct buf *out)
{
	struct deflate_decoder *d = deflate_decoder_new();
	enum deflate_result rc = DEFLATE_OK;
	bool last;
	do {
		size_t n = in.len < piece ? in.len : piece;
		autofree char *copy = xmalloc(n + !n);
		memcpy(copy, in.ptr, n);
		struct slice part = slice_make(copy, n);
		in = slice_make(in.ptr + n, in.len - n);
		last = in.len == 0;
		do {
			/* Exactly as large, so that writing beyond its end is seen. */
			autofree char *to = xmalloc(room);
			size_t written = room;
			rc = deflate_decode(d, &part, last, to, &written);
			assert(written <= room && (rc != DEFLATE_FULL || written == room));
			assert(rc != DEFLATE_OK || part.len == 0);
			buf_add(out, to, written);
		} while (rc == DEFLATE_FULL && out->len <= MOST);
	} while (rc == DEFLATE_OK && !last);
	deflate_decoder_free(d);
	return rc == DEFLATE_OK;
}

static void check_decoding(struct slice in, size_t piece, size_t room, const struct inflated *want)
{
	autobuf got = { 0 };
	bool ok = decode(in, piece, room, &got);
	if (want->large) {
		assert(!ok || got.len > MOST);
		return;
	}
	assert(ok == want->ok);
	assert(!ok || slice_eq(buf_slice(&got), buf_slice(&want->text)));
}

/* As the one frame of a text message, with the mask 0, read with a cap. */
static void check_cap(struct slice in, size_t max, const struct inflated *want)
{
	uint8_t head[FRAME_HEADER_MAX];
	autobuf frame = { 0 };
	struct frame_reader r;
	struct frame_event ev;
	size_t head_len = frame_header_encode(head, FRAME_OP_TEXT, true, in.len);
	head[1] |= 0x80;
	buf_add(&frame, head, head_len);
	buf_add(&frame, "\0\0\0\0", 4);
	buf_add_slice(&frame, in);
	frame_reader_init(&r, max, true);
	assert(frame_reader_feed(&r, (uint8_t *)frame.data, frame.len, &ev) == frame.len);
	assert(r.message.cap <= 2 * max + 16384);
	bool fits = !want->large && want->text.len <= max && in.len <= max + max / 8 + 1024;
	bool text = want->ok && fits && utf8_valid(want->text.data, want->text.len);
	assert((ev.kind == FRAME_TEXT) == text && (text || ev.kind == FRAME_FAIL));
	if (text)
		assert(slice_eq(ev.payload, buf_slice(&want->text)));
	else
		assert(fits ? ev.code == FRAME_CLOSE_INVALID
			    : ev.code == FRAME_CLOSE_TOO_BIG || ev.code == FRAME_CLOSE_INVALID);
	frame_reader_free(&r);
}

/* What we send is no longer than the worst that a compressor makes, and inflates to what it was. */
static void check_own(struct slice text, size_t piece, size_t room)
{
	static struct deflate_encoder *encoder;
	autobuf packed = { 0 }, back = { 0 };
	if (!encoder)
		encoder = deflate_encoder_new(DEFLATE_LEVEL_DEFAULT);
	deflate_encode(encoder, text, &packed);
	assert(packed.len > 0 && packed.len <= text.len + text.len / 8 + 1024);
	assert(decode(buf_slice(&packed), piece, room, &back) && slice_eq(buf_slice(&back), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t rooms[4] = { 1, 100, 4096, 100000 };
	static const size_t caps[4] = { 1, 100, 5000, MOST };
	if (size < 3)
		return 0;
	struct slice in = slice_make((const char *)data + 2, size - 2);
	size_t piece = (size_t)data[1] + 1, room = rooms[data[0] & 3];
	struct inflated want = reference(in);
	/* By single bytes a bomb takes too long. */
	check_decoding(in, piece, want.text.len > 20000 && room == 1 ? 1000 : room, &want);
	check_decoding(in, SIZE_MAX, 65536, &want);
	check_cap(in, caps[data[0] >> 2 & 3], &want);
	check_own(in, piece, room);
	buf_free(&want.text);
	return 0;
}
