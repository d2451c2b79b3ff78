/* gateway_wire.c: writes and reads the messages of the gateways. */
#include "gateway_wire.h"

void gateway_wire_write(struct buf *out, enum gateway_wire_type type, const struct slice *texts, size_t count)
{
	size_t size = 1;
	for (size_t i = 0; i < count; i++)
		size += 4 + texts[i].len;
	/* At once: a buffer that grows leaves copies behind. */
	(void)buf_reserve(out, size);
	buf_add_char(out, (char)type);
	for (size_t i = 0; i < count; i++) {
		for (unsigned shift = 0; shift < 32; shift += 8)
			buf_add_char(out, (char)(texts[i].len >> shift & 0xff));
		buf_add_slice(out, texts[i]);
	}
}

static bool read_text(struct slice *in, struct slice *text)
{
	size_t length = 0;
	if (in->len < 4)
		return false;
	for (unsigned i = 0; i < 4; i++)
		length |= (size_t)(unsigned char)in->ptr[i] << (8 * i);
	if (length > in->len - 4)
		return false;
	*text = slice_make(in->ptr + 4, length);
	*in = slice_make(in->ptr + 4 + length, in->len - 4 - length);
	return true;
}

bool gateway_wire_read(struct slice in, enum gateway_wire_type type, struct slice *texts, size_t count)
{
	if (in.len < 1 || in.ptr[0] != (char)type)
		return false;
	in = slice_make(in.ptr + 1, in.len - 1);
	for (size_t i = 0; i < count; i++)
		if (!read_text(&in, &texts[i]))
			return false;
	return in.len == 0;
}
