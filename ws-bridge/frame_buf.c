/* frame_buf.c: encoded frames. */
#include "frame_buf.h"

#include <assert.h>
#include <stdlib.h>

static size_t all_bytes;

size_t frame_buf_bytes(void)
{
	return all_bytes;
}

static struct frame_buf *make(size_t len)
{
	struct frame_buf *f = xmalloc(sizeof(*f) + len);
	all_bytes += len;
	f->refs = 1;
	f->len = len;
	return f;
}

static struct frame_buf *encode(enum frame_opcode opcode, bool deflated, const struct slice *parts, size_t count,
				size_t size)
{
	uint8_t head[FRAME_HEADER_MAX];
	size_t n = frame_header_encode(head, opcode, deflated, size);
	struct frame_buf *f = make(n + size);
	memcpy(f->data, head, n);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len)
			memcpy(f->data + n, parts[i].ptr, parts[i].len);
		n += parts[i].len;
	}
	return f;
}

static struct frame_buf *encode_deflated(enum frame_opcode opcode, const struct slice *parts, size_t count, size_t size,
					 struct deflate_encoder *enc)
{
	autobuf whole = { 0 }, small = { 0 };
	(void)buf_reserve(&whole, size);
	for (size_t i = 0; i < count; i++)
		buf_add_slice(&whole, parts[i]);
	deflate_encode(enc, buf_slice(&whole), &small);
	if (small.len >= size)
		return NULL;
	struct slice part = buf_slice(&small);
	return encode(opcode, true, &part, 1, small.len);
}

struct frame_buf *frame_buf_new(enum frame_opcode opcode, const struct slice *parts, size_t count,
				struct deflate_encoder *enc)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += parts[i].len;
	if (enc && size >= FRAME_BUF_DEFLATE_MIN) {
		struct frame_buf *f = encode_deflated(opcode, parts, count, size, enc);
		if (f)
			return f;
	}
	return encode(opcode, false, parts, count, size);
}

struct frame_buf *frame_buf_close(uint16_t code, const char *reason)
{
	uint8_t body[FRAME_CONTROL_MAX];
	size_t n = frame_close_encode(body, code, slice_of(reason));
	struct slice part = slice_make((const char *)body, n);
	return encode(FRAME_OP_CLOSE, false, &part, 1, n);
}

struct frame_buf *frame_buf_raw(struct slice bytes)
{
	struct frame_buf *f = make(bytes.len);
	memcpy(f->data, bytes.ptr, bytes.len);
	return f;
}

struct frame_buf *frame_buf_ref(struct frame_buf *f)
{
	f->refs++;
	return f;
}

void frame_buf_unref(struct frame_buf *f)
{
	assert(f->refs > 0);
	if (--f->refs)
		return;
	all_bytes -= f->len;
	free(f);
}
