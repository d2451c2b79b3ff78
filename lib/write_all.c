/* write_all.c: whole writes. */
#include "write_all.h"

#include <errno.h>
#include <unistd.h>

bool write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes = slice_make(bytes.ptr + n, bytes.len - (size_t)n);
	}
	return true;
}
