/* fuzz_unescape.c: any JSON string through the decoder of pieces: it gives the same as the one of whole strings, but
 * for NULs, however the string is cut. */
#include <assert.h>

#include "fcgi/unescape.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct slice text, size_t piece, struct buf *out)
{
	struct unescape u = { 0 };
	for (size_t at = 0, n; at < text.len; at += n) {
		n = text.len - at < piece ? text.len - at : piece;
		/* An exact copy, so that reading beyond the end is seen. */
		autofree char *copy = xmalloc(n);
		memcpy(copy, text.ptr + at, n);
		size_t before = out->len;
		assert(unescape_feed(&u, slice_make(copy, n), out));
		assert(out->len - before <= n + 5);
	}
	assert(unescape_complete(&u));
}

static bool has_nul(struct slice s)
{
	return s.len && memchr(s.ptr, '\0', s.len);
}

/* What both say of a string without NULs: nothing is lost unless there are unpaired surrogates. */
static void compare(struct slice string, struct slice decoded)
{
	autobuf exact = { 0 }, lossy = { 0 };
	assert(!decoded.len || utf8_valid(decoded.ptr, decoded.len));
	if (has_nul(decoded)) {
		assert(!json_decode(string, &exact));
		return;
	}
	json_decode_lossy(string, &lossy, SIZE_MAX);
	assert(slice_eq(buf_slice(&lossy), decoded));
	assert(!json_decode(string, &exact) || slice_eq(buf_slice(&exact), decoded));
}

/* Encoded by us, it is read as the same. */
static void check_encoding(struct slice decoded)
{
	autobuf encoded = { 0 }, again = { 0 };
	json_encode(&encoded, decoded);
	assert(json_check(buf_slice(&encoded), NULL));
	feed(buf_slice(&encoded), SIZE_MAX, &again);
	assert(slice_eq(buf_slice(&again), decoded));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || !utf8_valid(data + 1, size - 1))
		return 0;
	struct slice text = slice_make((const char *)data + 1, size - 1);
	if (!json_check(text, NULL) || json_kind_of(json_trim(text)) != JSON_STRING)
		return 0;
	autobuf whole = { 0 }, parts = { 0 };
	feed(text, SIZE_MAX, &whole);
	feed(text, (size_t)data[0] + 1, &parts);
	assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
	compare(json_trim(text), buf_slice(&whole));
	check_encoding(buf_slice(&whole));
	return 0;
}
