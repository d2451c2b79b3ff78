/* fuzz_redirect_uri.c: any bytes as redirect URI and as list of allowed ones; what is allowed can't break out of a
 * header, has no user, and keeps its host when a parameter is appended. */
#include <assert.h>
#include <strings.h>

#include "fcgi/redirect_uri.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool begins(struct slice s, const char *text)
{
	size_t n = strlen(text);
	return s.len >= n && strncasecmp(s.ptr, text, n) == 0;
}

/* A simpler reading than the code's: what stands behind "://" up to one of /?: is the host. */
static void check_host(struct slice uri)
{
	if (begins(uri, "craft-agent://"))
		return;
	assert(begins(uri, "http://"));
	struct slice host = slice_make(uri.ptr + 7, 0);
	while (host.len + 7 < uri.len && !strchr("/?:", host.ptr[host.len]))
		host.len++;
	assert((host.len == 9 && begins(host, "localhost")) || slice_eq_str(host, "127.0.0.1"));
}

/* No @ where a browser would look for a user, and no character that isn't a URI's. */
static void check_allowed(struct slice uri)
{
	assert(uri.len <= REDIRECT_URI_MAX);
	for (size_t i = 0; i < uri.len; i++)
		assert(uri.ptr[i] > 0x20 && uri.ptr[i] < 0x7f && !strchr("#\\\"<>", uri.ptr[i]));
	const char *p = memchr(uri.ptr, ':', uri.len), *end = uri.ptr + uri.len;
	assert(p && end - p >= 3 && memcmp(p, "://", 3) == 0);
	for (p += 3; p < end && *p != '/' && *p != '?'; p++)
		assert(*p != '@');
}

static void check_adding(struct slice uri, const char *allow, struct slice value)
{
	autobuf more = { 0 };
	buf_add_slice(&more, uri);
	redirect_uri_add(&more, "repo", value);
	assert(memcmp(more.data, uri.ptr, uri.len) == 0);
	assert(more.len > REDIRECT_URI_MAX || redirect_uri_allowed(buf_slice(&more), allow));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* An exact copy, so that reading beyond the end is seen. */
	size_t list_len = data[0] < size ? data[0] : size - 1, len = size - 1 - list_len;
	autofree char *list = slice_dup(slice_make((const char *)data + 1, list_len));
	autofree char *copy = xmalloc(len + !len);
	memcpy(copy, data + 1 + list_len, len);
	struct slice uri = slice_make(copy, len);
	bool built_in = redirect_uri_allowed(uri, NULL), listed = redirect_uri_allowed(uri, list);
	assert(listed || !built_in);
	if (built_in)
		check_host(uri);
	if (listed) {
		check_allowed(uri);
		check_adding(uri, list, slice_make(list, list_len));
	}
	return 0;
}
