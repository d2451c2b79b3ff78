/* media_type.c: judging media types. */
#include "media_type.h"

#include <strings.h>

#include "uri.h"

bool media_type_storable(struct slice type)
{
	for (size_t i = 0; i < type.len; i++) {
		if (type.ptr[i] < 0x20 || type.ptr[i] > 0x7E)
			return false;
	}
	return type.len > 0 && type.len <= MEDIA_TYPE_MAX;
}

/* ---- what a browser could run ---- */

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice take_token(struct slice *s)
{
	size_t n = 0;
	while (n < s->len && is_token_char(s->ptr[n]))
		n++;
	struct slice token = slice_make(s->ptr, n);
	*s = slice_make(s->ptr + n, s->len - n);
	return token;
}

static struct slice skip_space(struct slice s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = slice_make(s.ptr + 1, s.len - 1);
	return s;
}

/* Splits "type/subtype; parameters". A comma makes it a list, of which a browser may take any part. */
static bool split(struct slice s, struct slice *type, struct slice *subtype)
{
	if (s.len == 0 || memchr(s.ptr, ',', s.len))
		return false;
	s = skip_space(s);
	*type = take_token(&s);
	if (type->len == 0 || s.len == 0 || *s.ptr != '/')
		return false;
	s = slice_make(s.ptr + 1, s.len - 1);
	*subtype = take_token(&s);
	s = skip_space(s);
	return subtype->len > 0 && (s.len == 0 || *s.ptr == ';');
}

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

static bool has_word(struct slice s, const char *word)
{
	for (size_t n = strlen(word), i = 0; i + n <= s.len; i++) {
		if (strncasecmp(s.ptr + i, word, n) == 0)
			return true;
	}
	return false;
}

static bool begins_with(struct slice s, const char *word)
{
	return s.len >= strlen(word) && strncasecmp(s.ptr, word, strlen(word)) == 0;
}

static bool ends_with(struct slice s, const char *word)
{
	size_t n = strlen(word);
	return s.len >= n && strncasecmp(s.ptr + s.len - n, word, n) == 0;
}

bool media_type_active(struct slice type)
{
	struct slice main, sub;
	if (!split(type, &main, &sub))
		return true;
	if (is_word(main, "multipart") || is_word(main, "message"))
		return true;
	/* A browser may guess at these from the content. */
	if (is_word(sub, "*") || is_word(sub, "unknown"))
		return true;
	return has_word(sub, "html") || has_word(sub, "script") || has_word(sub, "svg") || begins_with(sub, "xml") ||
	       ends_with(sub, "xml") || begins_with(sub, "xsl") || is_word(sub, "css") || is_word(sub, "x-component");
}

/* ---- downloads ---- */

/* ASCII that all browsers read alike between quotes: some decode escapes with '%' there. */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '%';
}

void media_type_attachment(struct buf *out, struct slice name)
{
	buf_add_str(out, "attachment; filename=\"");
	for (size_t i = 0; i < name.len; i++) {
		/* one '_' for each character: the bytes that continue it are left out */
		if (((unsigned char)name.ptr[i] & 0xC0) != 0x80)
			buf_add_char(out, (char)(is_plain(name.ptr[i]) ? name.ptr[i] : '_'));
	}
	buf_add_str(out, "\"; filename*=UTF-8''");
	uri_encode(out, name);
}
