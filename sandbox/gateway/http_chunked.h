/* http_chunked.h: the chunked transfer coding (RFC 9112 section 7.1), decoded bit by bit. Pure. */
#ifndef CRAFT_GATEWAY_HTTP_CHUNKED_H
#define CRAFT_GATEWAY_HTTP_CHUNKED_H

#include "lib/buf.h"

/* All zero: at the beginning of a body. */
struct http_chunked {
	int state;
	uint64_t left; /* of the chunk */
	unsigned digits;
	size_t line; /* bytes of extensions so far, or of the trailer */
};

enum http_chunked_result { HTTP_CHUNKED_MORE, HTTP_CHUNKED_DATA, HTTP_CHUNKED_END, HTTP_CHUNKED_BAD };

/* Reads from the front of `in`; *used: how many bytes it took. HTTP_CHUNKED_DATA: *data, in `in`, is content; call it
 * again with what follows. HTTP_CHUNKED_MORE: all was taken. HTTP_CHUNKED_END: the body ends there; extensions and
 * trailers are skipped, up to 8 KB of them at a time. HTTP_CHUNKED_BAD: it isn't that coding. */
enum http_chunked_result http_chunked_read(struct http_chunked *c, struct slice in, size_t *used, struct slice *data);

#endif
