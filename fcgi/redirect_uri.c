/* redirect_uri.c: which URIs the browser may be sent to. */
#include "redirect_uri.h"

#include <strings.h>

#include "uri.h"

/* scheme "://" host [":" port] path ["?" query], as it stands in the text. */
struct parts {
	struct slice scheme, host, path, query;
	bool has_query;
	int port; /* the scheme's own when none is given; 0: it has none */
};

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool one_of(const char *set, char c)
{
	return c && strchr(set, c);
}

static bool same(struct slice s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.ptr, text, s.len) == 0;
}

/* Takes n bytes off the beginning. */
static struct slice take(struct slice *s, size_t n)
{
	struct slice taken = slice_make(s->ptr, n);
	*s = slice_make(s->ptr + n, s->len - n);
	return taken;
}

/* How many characters of RFC 3986's unreserved, sub-delims, `more` and whole escapes it begins with. */
static size_t span(struct slice s, const char *more)
{
	size_t i = 0;
	while (i < s.len) {
		char c = s.ptr[i];
		if (is_alpha(c) || is_digit(c) || one_of("-._~!$&'()*+,;=", c) || one_of(more, c))
			i++;
		else if (c == '%' && s.len - i >= 3 && is_hex(s.ptr[i + 1]) && is_hex(s.ptr[i + 2]))
			i += 3;
		else
			break;
	}
	return i;
}

static size_t scheme_length(struct slice s)
{
	size_t n = 0;
	while (n < s.len && (is_alpha(s.ptr[n]) || (n && (is_digit(s.ptr[n]) || one_of("+-.", s.ptr[n])))))
		n++;
	return n;
}

/* A name or an address, an IPv6 one in brackets. May be empty. */
static size_t host_length(struct slice s)
{
	if (!s.len || *s.ptr != '[')
		return span(s, "");
	size_t n = 1;
	while (n < s.len && (is_hex(s.ptr[n]) || one_of(":.", s.ptr[n])))
		n++;
	return n > 1 && n < s.len && s.ptr[n] == ']' ? n + 1 : 0;
}

static int default_port(struct slice scheme)
{
	return same(scheme, "http") ? 80 : same(scheme, "https") ? 443 : 0;
}

/* ":port" without leading zeros; leaves what can't be one. */
static void take_port(struct slice *s, int *port)
{
	int number = 0;
	size_t n = 1;
	if (s->len < 2 || *s->ptr != ':' || s->ptr[1] == '0')
		return;
	while (n < s->len && n <= 5 && is_digit(s->ptr[n]))
		number = number * 10 + (s->ptr[n++] - '0');
	if (number < 1 || number > 65535)
		return;
	*port = number;
	(void)take(s, n);
}

/* Is a segment . or .. for a browser, which reads %2e as a dot? */
static bool is_dots(struct slice segment)
{
	autobuf text = { 0 };
	(void)uri_decode(segment, &text);
	return slice_eq_str(buf_slice(&text), ".") || slice_eq_str(buf_slice(&text), "..");
}

static bool has_dots(struct slice path)
{
	while (path.len) {
		const char *slash = memchr(path.ptr, '/', path.len);
		size_t n = slash ? (size_t)(slash - path.ptr) : path.len;
		if (is_dots(take(&path, n)))
			return true;
		if (slash)
			(void)take(&path, 1);
	}
	return false;
}

/* What is neither path nor query nor at the end is a character or a part that may not be there. */
static bool parse(struct slice s, struct parts *p)
{
	*p = (struct parts){ 0 };
	p->scheme = take(&s, scheme_length(s));
	if (!p->scheme.len || s.len < 3 || memcmp(s.ptr, "://", 3) != 0)
		return false;
	(void)take(&s, 3);
	p->port = default_port(p->scheme);
	p->host = take(&s, host_length(s));
	take_port(&s, &p->port);
	if (s.len && *s.ptr == '/')
		p->path = take(&s, span(s, ":@/"));
	p->has_query = s.len && *s.ptr == '?';
	if (p->has_query) {
		(void)take(&s, 1);
		p->query = take(&s, span(s, ":@/?"));
	}
	return s.len == 0 && !has_dots(p->path);
}

/* ---- what is allowed ---- */

/* Programs on the user's machine take whatever port is free (RFC 8252 section 7.3). */
static bool is_loopback(struct slice host)
{
	return same(host, "localhost") || same(host, "127.0.0.1") || same(host, "[::1]");
}

static bool is_built_in(const struct parts *p)
{
	if (same(p->scheme, "craft-agent"))
		return true;
	return same(p->scheme, "http") && is_loopback(p->host);
}

static bool same_slice(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

/* Is path equal to `base`, or below it? */
static bool is_below(struct slice path, struct slice base)
{
	if (base.len && base.ptr[base.len - 1] == '/')
		base.len--;
	if (path.len < base.len || (base.len && memcmp(path.ptr, base.ptr, base.len) != 0))
		return false;
	return path.len == base.len || path.ptr[base.len] == '/';
}

static bool matches(const struct parts *p, struct slice entry)
{
	struct parts e;
	return parse(entry, &e) && !e.has_query && same_slice(p->scheme, e.scheme) && same_slice(p->host, e.host) &&
	       (p->port == e.port || is_loopback(p->host)) && is_below(p->path, e.path);
}

static bool is_listed(const struct parts *p, const char *allow)
{
	while (allow && *allow) {
		size_t n = strcspn(allow, " \t");
		if (n && matches(p, slice_make(allow, n)))
			return true;
		allow += n + (allow[n] != '\0');
	}
	return false;
}

bool redirect_uri_allowed(struct slice uri, const char *allow)
{
	struct parts p;
	return uri.len <= REDIRECT_URI_MAX && parse(uri, &p) && (is_built_in(&p) || is_listed(&p, allow));
}

void redirect_uri_add(struct buf *uri, const char *name, struct slice value)
{
	bool has_query = uri->len && memchr(uri->data, '?', uri->len);
	char last = uri->len ? uri->data[uri->len - 1] : '\0';
	if (!has_query || (last != '?' && last != '&'))
		buf_add_char(uri, has_query ? '&' : '?');
	uri_encode(uri, slice_of(name));
	buf_add_char(uri, '=');
	uri_encode(uri, value);
}
