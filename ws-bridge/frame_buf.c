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
	*f = (struct frame_buf){ .refs = 1, .len = len, .weight = len, .data = f->own };
	all_bytes += len;
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

static void join(const struct slice *parts, size_t count, size_t size, struct buf *whole)
{
	(void)buf_reserve(whole, size);
	for (size_t i = 0; i < count; i++)
		buf_add_slice(whole, parts[i]);
}

static struct frame_buf *encode_deflated(enum frame_opcode opcode, const struct slice *parts, size_t count, size_t size,
					 struct packer *packer)
{
	autobuf whole = { 0 }, small = { 0 };
	join(parts, count, size, &whole);
	packer_pack(packer, buf_slice(&whole), &small);
	if (small.len >= size)
		return NULL;
	struct slice part = buf_slice(&small);
	return encode(opcode, true, &part, 1, small.len);
}

/* ---- big ones ---- */

static void packed(void *owner, struct slice small)
{
	struct frame_buf *f = owner;
	bool deflated = small.len < f->payload.len;
	struct slice payload = deflated ? small : buf_slice(&f->payload);
	uint8_t head[FRAME_HEADER_MAX];
	size_t n = frame_header_encode(head, f->opcode, deflated, payload.len);
	f->packing = NULL;
	f->data = xmalloc(n + payload.len);
	memcpy(f->data, head, n);
	memcpy(f->data + n, payload.ptr, payload.len);
	all_bytes += n + payload.len - f->len;
	f->len = n + payload.len;
	buf_free(&f->payload);
}

/* NULL: too many are under way. */
static struct frame_buf *begin_packing(enum frame_opcode opcode, const struct slice *parts, size_t count, size_t size,
				       struct packer *packer)
{
	struct frame_buf *f = make(0);
	join(parts, count, size, &f->payload);
	f->opcode = opcode;
	f->data = NULL;
	f->packing = packing_new(packer, buf_slice(&f->payload), packed, f);
	f->len = f->weight = FRAME_HEADER_MAX + size;
	all_bytes += f->len;
	if (f->packing)
		return f;
	frame_buf_unref(f);
	return NULL;
}

struct frame_buf *frame_buf_new(enum frame_opcode opcode, const struct slice *parts, size_t count,
				struct packer *packer)
{
	size_t size = 0;
	struct frame_buf *f = NULL;
	for (size_t i = 0; i < count; i++)
		size += parts[i].len;
	if (packer && size > PACKER_SLICE)
		f = begin_packing(opcode, parts, count, size, packer);
	else if (packer && size >= FRAME_BUF_DEFLATE_MIN)
		f = encode_deflated(opcode, parts, count, size, packer);
	return f ? f : encode(opcode, false, parts, count, size);
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
	if (f->packing)
		packing_cancel(f->packing);
	buf_free(&f->payload);
	if (f->data != f->own)
		free(f->data);
	free(f);
}
