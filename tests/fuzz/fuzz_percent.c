/* fuzz_percent.c: any bytes percent-encoded and back are the same; any text is decoded as by a second reading of
 * RFC 3986 section 2.1; parameters of a query, with their plus signs, are what a browser means by them. */
#include <assert.h>
#include <ctype.h>

#include "fcgi/query.h"
#include "lib/cleanup.h"
#include "lib/uri.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From the end, so that it shares no way of going wrong. */
static bool reference_decode(struct slice in, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	autobuf reversed = { 0 };
	for (size_t i = in.len; i-- > 0;) {
		char c = in.ptr[i];
		if (c == '%') {
			/* What was taken for two characters behind it is its value. */
			if (reversed.len < 2 || in.len - i < 3)
				return false;
			const char *hi = strchr(hex, tolower((unsigned char)in.ptr[i + 1]));
			const char *lo = strchr(hex, tolower((unsigned char)in.ptr[i + 2]));
			if (!in.ptr[i + 1] || !in.ptr[i + 2] || !hi || !lo)
				return false;
			reversed.len -= 2;
			c = (char)((hi - hex) * 16 + (lo - hex));
		}
		buf_add_char(&reversed, c);
	}
	for (size_t i = reversed.len; i-- > 0;)
		buf_add_char(out, reversed.data[i]);
	return true;
}

/* A text has one encoding, of unreserved characters and upper-case escapes, which is its own in a path and a query. */
static void check_encoding(struct slice text)
{
	autobuf encoded = { 0 }, decoded = { 0 };
	uri_encode(&encoded, text);
	for (size_t i = 0; i < encoded.len; i++) {
		char c = encoded.data[i];
		assert(isalnum((unsigned char)c) || (c && strchr("-._~%", c)));
		assert(c != '%' || (i + 2 < encoded.len && !islower((unsigned char)encoded.data[i + 1]) &&
				    !islower((unsigned char)encoded.data[i + 2])));
	}
	assert(encoded.len >= text.len && encoded.len <= 3 * text.len);
	assert(uri_decode(buf_slice(&encoded), &decoded) && slice_eq(buf_slice(&decoded), text));
}

static void check_decoding(struct slice text)
{
	autobuf ours = { 0 }, want = { 0 };
	buf_add_str(&ours, "kept");
	bool ok = uri_decode(text, &ours);
	assert(ok == reference_decode(text, &want));
	assert(ours.len >= 4 && memcmp(ours.data, "kept", 4) == 0 && ours.len - 4 <= text.len);
	assert(!ok || slice_eq(slice_make(ours.data + 4, ours.len - 4), buf_slice(&want)));
}

/* As application/x-www-form-urlencoded is read: pluses are spaces, then escapes. */
static void check_parameter(struct slice text)
{
	autobuf target = { 0 }, value = { 0 }, spaced = { 0 }, want = { 0 };
	buf_add_str(&target, "/p?a=b&name=");
	buf_add_slice(&target, text);
	for (size_t i = 0; i < text.len; i++) {
		if (!text.ptr[i] || strchr("&#", text.ptr[i]))
			return;
		buf_add_char(&spaced, text.ptr[i] == '+' ? ' ' : text.ptr[i]);
	}
	const struct request req = { .target = buf_slice(&target) };
	enum query_result result = query_once(&req, "name", &value);
	bool ok = reference_decode(buf_slice(&spaced), &want);
	ok = ok && (!want.len || (utf8_valid(want.data, want.len) && !memchr(want.data, '\0', want.len)));
	assert(result == (!ok ? QUERY_MALFORMED : want.len ? QUERY_OK : QUERY_MISSING));
	assert(!ok || slice_eq(buf_slice(&value), buf_slice(&want)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	check_encoding(slice_make(copy, size));
	check_decoding(slice_make(copy, size));
	check_parameter(slice_make(copy, size));
	return 0;
}
