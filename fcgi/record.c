/* record.c: as many bytes at once as a record holds. */
#include "record.h"

#define CONTENT_MAX 65528u /* of 16 bits, a multiple of 8: then there is no need of padding */
#define HEADER_SIZE 8

enum { FCGI_VERSION = 1, FCGI_END_REQUEST_RECORD = 3, FCGI_STDOUT_RECORD = 6 };

/* What fits into `room` of *s, which goes on behind it. */
static struct iovec take(struct slice *s, size_t room)
{
	size_t n = s->len < room ? s->len : room;
	struct iovec part = { (void *)(uintptr_t)s->ptr, n };
	*s = slice_make(n ? s->ptr + n : s->ptr, s->len - n);
	return part;
}

bool record_write(struct output *out, int id, struct slice head, struct slice body)
{
	while (head.len || body.len) {
		unsigned char header[HEADER_SIZE] = { FCGI_VERSION, FCGI_STDOUT_RECORD, (unsigned char)(id >> 8),
						      (unsigned char)id };
		struct iovec parts[3] = { { header, sizeof(header) } };
		parts[1] = take(&head, CONTENT_MAX);
		parts[2] = take(&body, CONTENT_MAX - parts[1].iov_len);
		size_t content = parts[1].iov_len + parts[2].iov_len;
		header[4] = (unsigned char)(content >> 8);
		header[5] = (unsigned char)content;
		if (!output_write(out, parts, 3))
			return false;
	}
	return true;
}

bool record_end(struct output *out, int id)
{
	unsigned char records[3 * HEADER_SIZE] = { 0 };
	static const unsigned char types[2] = { FCGI_STDOUT_RECORD, FCGI_END_REQUEST_RECORD };
	for (int i = 0; i < 2; i++) {
		unsigned char *header = records + (ptrdiff_t)i * HEADER_SIZE;
		header[0] = FCGI_VERSION;
		header[1] = types[i];
		header[2] = (unsigned char)(id >> 8);
		header[3] = (unsigned char)id;
	}
	/* The body of the second: status 0, FCGI_REQUEST_COMPLETE. */
	records[HEADER_SIZE + 5] = HEADER_SIZE;
	return output_write(out, &(struct iovec){ records, sizeof(records) }, 1);
}

bool record_bad(struct output *out)
{
	unsigned char none[HEADER_SIZE] = { 0 };
	return output_write(out, &(struct iovec){ none, sizeof(none) }, 1);
}
