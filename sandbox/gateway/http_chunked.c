/* http_chunked.c: the decoder of chunked bodies, a state for each place between two bytes. */
#include "http_chunked.h"

#define MAX_DIGITS 15
#define MAX_LINE 8192

enum {
	SIZE,
	EXTENSION,
	SIZE_LF,
	CONTENT,
	CONTENT_CR,
	CONTENT_LF,
	TRAILER_START,
	TRAILER,
	TRAILER_LF,
	END_LF,
	BAD,
	DONE
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A byte of an extension or a trailer, whose end is a CR. */
static int skip(struct http_chunked *c, char byte, int here, int behind)
{
	bool control = (unsigned char)byte < 0x20 && byte != '\t';
	if (byte == '\r')
		return behind;
	return control || ++c->line > MAX_LINE ? BAD : here;
}

static int read_size(struct http_chunked *c, char byte)
{
	int value = hex_value(byte);
	if (value >= 0) {
		c->left = c->left << 4 | (uint64_t)value;
		return ++c->digits > MAX_DIGITS ? BAD : SIZE;
	}
	if (c->digits == 0)
		return BAD;
	if (byte == '\r')
		return SIZE_LF;
	return byte == ';' ? EXTENSION : BAD;
}

static int after_size(struct http_chunked *c)
{
	c->digits = 0;
	if (c->left)
		c->line = 0;
	return c->left ? CONTENT : TRAILER_START;
}

static int step(struct http_chunked *c, char byte)
{
	switch (c->state) {
	case SIZE:
		return read_size(c, byte);
	case EXTENSION:
		return skip(c, byte, EXTENSION, SIZE_LF);
	case SIZE_LF:
		return byte == '\n' ? after_size(c) : BAD;
	case CONTENT_CR:
		return byte == '\r' ? CONTENT_LF : BAD;
	case CONTENT_LF:
		return byte == '\n' ? SIZE : BAD;
	case TRAILER_START:
		return byte == '\r' ? END_LF : skip(c, byte, TRAILER, TRAILER_LF);
	case TRAILER:
		return skip(c, byte, TRAILER, TRAILER_LF);
	case TRAILER_LF:
		return byte == '\n' ? TRAILER_START : BAD;
	case END_LF:
		return byte == '\n' ? DONE : BAD;
	default:
		return BAD;
	}
}

static enum http_chunked_result take_content(struct http_chunked *c, struct slice in, size_t *used, struct slice *data)
{
	size_t there = in.len - *used;
	*data = slice_make(in.ptr + *used, c->left < there ? (size_t)c->left : there);
	*used += data->len;
	c->left -= data->len;
	if (c->left == 0)
		c->state = CONTENT_CR;
	return HTTP_CHUNKED_DATA;
}

enum http_chunked_result http_chunked_read(struct http_chunked *c, struct slice in, size_t *used, struct slice *data)
{
	*used = 0;
	while (c->state != BAD && c->state != DONE) {
		if (*used == in.len)
			return HTTP_CHUNKED_MORE;
		if (c->state == CONTENT)
			return take_content(c, in, used, data);
		c->state = step(c, in.ptr[(*used)++]);
	}
	return c->state == DONE ? HTTP_CHUNKED_END : HTTP_CHUNKED_BAD;
}
