/* record.c: as many bytes at once as a record holds. */
#include "record.h"

#include <errno.h>
#include <sys/uio.h>

#define CONTENT_MAX 65528u /* of 16 bits, a multiple of 8: then there is no need of padding */
#define HEADER_SIZE 8

enum { FCGI_VERSION = 1, FCGI_STDOUT_RECORD = 6 };

static bool write_all(int fd, struct iovec *parts, int count)
{
	while (count) {
		ssize_t n = writev(fd, parts, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		for (; count && (size_t)n >= parts->iov_len; parts++, count--)
			n -= (ssize_t)parts->iov_len;
		if (count) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return true;
}

/* What fits into `room` of *s, which goes on behind it. */
static struct iovec take(struct slice *s, size_t room)
{
	size_t n = s->len < room ? s->len : room;
	struct iovec part = { (void *)(uintptr_t)s->ptr, n };
	*s = slice_make(n ? s->ptr + n : s->ptr, s->len - n);
	return part;
}

bool record_write(int fd, int id, struct slice head, struct slice body)
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
		if (!write_all(fd, parts, 3))
			return false;
	}
	return true;
}
