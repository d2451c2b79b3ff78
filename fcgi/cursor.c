/* cursor.c: PREFIX, the name in base64url, '.', and digits of its SHA-256. */
#include "cursor.h"

#include <openssl/sha.h>

#include "base64.h"

#define PREFIX SLICE_LIT("after.")
#define CHECK 6 /* bytes of the hash: against accidents, not against forgery; a client may name any place by itself */

static void add_check(struct buf *out, struct slice name)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	(void)SHA256((const unsigned char *)name.ptr, name.len, hash);
	base64_add(out, BASE64_URL, hash, CHECK);
}

void cursor_add(struct buf *out, struct slice name)
{
	buf_add_slice(out, PREFIX);
	base64_add(out, BASE64_URL, name.ptr, name.len);
	buf_add_char(out, '.');
	add_check(out, name);
}

bool cursor_read(struct slice text, struct buf *name)
{
	autobuf want = { 0 };
	size_t start = name->len, n = PREFIX.len;
	if (text.len < n || memcmp(text.ptr, PREFIX.ptr, n) != 0) {
		buf_add_slice(name, text);
		return true;
	}
	const char *dot = memrchr(text.ptr + n, '.', text.len - n);
	if (!dot || !base64_read(slice_make(text.ptr + n, (size_t)(dot - text.ptr) - n), BASE64_URL, name))
		return false;
	add_check(&want, slice_make(name->data + start, name->len - start));
	return slice_eq(buf_slice(&want), slice_make(dot + 1, (size_t)(text.ptr + text.len - dot - 1)));
}
