/* json.c: walking and decoding checked JSON text without rewriting it. */
#include "json_scan.h"

/* ---- walking checked text ---- */

struct slice json_trim(struct slice text)
{
	const char *p = skip_space(text.ptr, text.ptr + text.len), *end = text.ptr + text.len;
	while (end > p && is_space(end[-1]))
		end--;
	return slice_make(p, (size_t)(end - p));
}

enum json_kind json_kind_of(struct slice value)
{
	switch (value.ptr[0]) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* p is behind an opening quote of checked text; memchr does the work, escaped quotes are stepped over. */
static const char *skip_string(const char *p, const char *end)
{
	for (;;) {
		const char *quote = memchr(p, '"', (size_t)(end - p));
		const char *back = quote;
		while (back > p && back[-1] == '\\')
			back--;
		if ((quote - back) % 2 == 0)
			return quote + 1;
		p = quote + 1;
	}
}

static const char *skip_value(const char *p, const char *end)
{
	size_t depth = 0;
	if (*p != '"' && *p != '{' && *p != '[') {
		while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
			p++;
		return p;
	}
	do {
		char c = *p++;
		if (c == '"')
			p = skip_string(p, end);
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
	} while (depth);
	return p;
}

struct json_iter json_iter(struct slice container)
{
	struct slice c = json_trim(container);
	return (struct json_iter){ .at = c.ptr + 1, .end = c.ptr + c.len - 1, .object = c.ptr[0] == '{' };
}

bool json_next(struct json_iter *it)
{
	const char *p = skip_space(it->at, it->end);
	if (p < it->end && *p == ',')
		p = skip_space(p + 1, it->end);
	if (p >= it->end)
		return false;
	it->key = slice_make(p, 0);
	if (it->object) {
		const char *after = skip_string(p + 1, it->end);
		it->key.len = (size_t)(after - p);
		p = skip_space(skip_space(after, it->end) + 1, it->end);
	}
	it->at = skip_value(p, it->end);
	it->value = slice_make(p, (size_t)(it->at - p));
	return true;
}

/* ---- strings ---- */

static unsigned hex4(const char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(is_digit(p[i]) ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

static void add_utf8(struct buf *out, unsigned cp)
{
	char b[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		b[i] = (char)(0x80 | (cp & 0x3F));
	b[0] = (char)(lead[n] | cp);
	buf_add(out, b, n);
}

/* One escape of checked text at p; *cp gets the code point, or a surrogate that has no partner. Returns its end. */
static const char *read_escape(const char *p, unsigned *cp)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (p[1] != 'u') {
		*cp = (unsigned char)to[strchr(from, p[1]) - from];
		return p + 2;
	}
	*cp = hex4(p + 2);
	if ((*cp & 0xFC00) == 0xD800 && p[6] == '\\' && p[7] == 'u') {
		unsigned low = hex4(p + 8);
		if ((low & 0xFC00) == 0xDC00) {
			*cp = 0x10000 + ((*cp & 0x3FF) << 10) + (low & 0x3FF);
			return p + 12;
		}
	}
	return p + 6;
}

static bool is_unstorable(unsigned cp)
{
	return cp == 0 || (cp & 0xFFFFF800) == 0xD800;
}

bool json_decode(struct slice string, struct buf *out)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	while (p < end) {
		const char *plain = skip_plain(p, end);
		buf_add(out, p, (size_t)(plain - p));
		if (plain == end)
			return true;
		unsigned cp;
		p = read_escape(plain, &cp);
		if (is_unstorable(cp))
			return false;
		add_utf8(out, cp);
	}
	return true;
}

static size_t utf8_length(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

void json_decode_lossy(struct slice string, struct buf *out, size_t max)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	size_t start = out->len;
	while (p < end) {
		size_t before = out->len;
		if (*p == '\\') {
			unsigned cp;
			p = read_escape(p, &cp);
			add_utf8(out, is_unstorable(cp) ? 0xFFFD : cp);
		} else {
			size_t n = utf8_length((unsigned char)*p);
			buf_add(out, p, n);
			p += n;
		}
		if (out->len - start > max) {
			out->len = before;
			return;
		}
	}
}

/* A diff has a line break in every line: the short forms of RFC 8259 section 7 take a third. */
static void encode_special(struct buf *out, char c)
{
	static const char specials[] = "\"\\\n\t\r", letters[] = "\"\\ntr";
	const char *found = c ? strchr(specials, c) : NULL;
	if (!found) {
		buf_addf(out, "\\u%04x", (unsigned)(unsigned char)c);
		return;
	}
	buf_add_char(out, '\\');
	buf_add_char(out, letters[found - specials]);
}

size_t json_encoded_size(unsigned char byte)
{
	if (byte >= 0x20)
		return byte == '"' || byte == '\\' ? 2 : 1;
	return byte == '\n' || byte == '\t' || byte == '\r' ? 2 : 6;
}

void json_encode_piece(struct buf *out, struct slice utf8)
{
	/* Empty text may have no address, which even 0 must not be added to. */
	const char *p = utf8.len ? utf8.ptr : "", *end = p + utf8.len;
	while (p < end) {
		const char *plain = skip_plain(p, end);
		buf_add(out, p, (size_t)(plain - p));
		if (plain == end)
			break;
		encode_special(out, *plain);
		p = plain + 1;
	}
}

void json_encode(struct buf *out, struct slice utf8)
{
	buf_add_char(out, '"');
	json_encode_piece(out, utf8);
	buf_add_char(out, '"');
}

void json_prefix(struct slice string, size_t max, struct buf *out)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	size_t units = 0;
	while (p < end) {
		const char *next;
		size_t cost = 1;
		if (*p == '\\') {
			unsigned cp;
			next = read_escape(p, &cp);
			cost = cp > 0xFFFF ? 2 : 1;
		} else {
			size_t n = utf8_length((unsigned char)*p);
			cost = n == 4 ? 2 : 1;
			next = p + n;
		}
		if ((units += cost) > max)
			break;
		p = next;
	}
	buf_add(out, string.ptr, (size_t)(p - string.ptr));
	buf_add_char(out, '"');
}

/* ---- keys ---- */

struct slice json_key_text(struct slice key, struct buf *scratch)
{
	struct slice inner = slice_make(key.ptr + 1, key.len - 2);
	if (inner.len == 0 || !memchr(inner.ptr, '\\', inner.len))
		return inner;
	size_t start = scratch->len;
	const char *p = inner.ptr, *end = inner.ptr + inner.len;
	while (p < end) {
		if (*p == '\\') {
			unsigned cp;
			p = read_escape(p, &cp);
			add_utf8(scratch, cp);
		} else {
			buf_add_char(scratch, *p++);
		}
	}
	return slice_make(scratch->data + start, scratch->len - start);
}

bool json_get(struct slice object, const char *name, struct slice *value)
{
	autobuf scratch = { 0 };
	bool found = false;
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		buf_clear(&scratch);
		if (slice_eq_str(json_key_text(it.key, &scratch), name)) {
			*value = it.value;
			found = true;
		}
	}
	return found;
}
