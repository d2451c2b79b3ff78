/* uri.c: request targets. */
#include "uri.h"

#include "utf8.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uri_decode(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] != '%') {
			buf_add_char(out, in.ptr[i]);
			continue;
		}
		if (in.len - i < 3)
			return false;
		int hi = hex_digit(in.ptr[i + 1]), lo = hex_digit(in.ptr[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		buf_add_char(out, (char)(hi << 4 | lo));
		i += 2;
	}
	return true;
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

void uri_encode(struct buf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (is_unreserved(text.ptr[i])) {
			buf_add_char(out, text.ptr[i]);
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, hex[byte >> 4]);
			buf_add_char(out, hex[byte & 15]);
		}
	}
}

static struct slice until(struct slice s, const char *stops)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] && strchr(stops, s.ptr[i]))
			return slice_make(s.ptr, i);
	}
	return s;
}

static struct slice after(struct slice s, size_t n)
{
	return slice_make(s.ptr + n, s.len - n);
}

/* "http://host/path" -> "/path" */
static struct slice drop_authority(struct slice target)
{
	static const char *const schemes[] = { "http://", "https://" };
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(schemes[i]);
		if (target.len > n && memcmp(target.ptr, schemes[i], n) == 0) {
			struct slice rest = after(target, n);
			return after(rest, until(rest, "/?#").len);
		}
	}
	return target;
}

static bool is_text(const char *p, size_t len)
{
	struct utf8 state = { 0 };
	return !memchr(p, '\0', len) && utf8_feed(&state, (const uint8_t *)p, len) && utf8_complete(&state);
}

bool uri_path_parse(struct slice target, struct uri_path *path)
{
	*path = (struct uri_path){ 0 };
	struct slice rest = until(drop_authority(target), "?#");
	if (rest.len == 0 || rest.ptr[0] != '/')
		return false;
	/* Decoding never makes text longer: with this reserve the segments' addresses stay. */
	(void)buf_reserve(&path->text, rest.len);
	while (rest.len) {
		rest = after(rest, 1);
		struct slice raw = until(rest, "/");
		rest = after(rest, raw.len);
		if (raw.len == 0 && rest.len == 0) {
			path->trailing_slash = true;
			return true;
		}
		size_t start = path->text.len;
		if (path->count == URI_MAX_SEGMENTS || !uri_decode(raw, &path->text))
			return false;
		size_t len = path->text.len - start;
		if (len && !is_text(path->text.data + start, len))
			return false;
		path->seg[path->count++] = slice_make(path->text.data + start, len);
	}
	return true;
}

void uri_path_free(struct uri_path *path)
{
	buf_free(&path->text);
}

void uri_path_join(const struct uri_path *path, size_t from, struct buf *out)
{
	for (size_t i = from; i < path->count; i++) {
		if (i > from)
			buf_add_char(out, '/');
		buf_add_slice(out, path->seg[i]);
	}
}

struct slice uri_query(struct slice target)
{
	struct slice before = until(target, "?#");
	if (before.len == target.len || target.ptr[before.len] == '#')
		return slice_make(target.ptr + target.len, 0);
	return until(after(target, before.len + 1), "#");
}

size_t uri_query_find(struct slice query, const char *name, struct slice *value)
{
	size_t count = 0;
	while (query.len) {
		struct slice pair = until(query, "&");
		struct slice key = until(pair, "=");
		if (slice_eq_str(key, name) && count++ == 0)
			*value = after(pair, pair.len == key.len ? key.len : key.len + 1);
		query = after(query, pair.len < query.len ? pair.len + 1 : pair.len);
	}
	return count;
}

bool uri_query_get(struct slice query, const char *name, struct buf *out)
{
	struct slice value;
	return uri_query_find(query, name, &value) && uri_decode(value, out);
}
