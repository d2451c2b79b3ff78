/* fuzz_target.c: any bytes as a request's target, as nginx hands it to both daemons: path and query are what a simpler
 * reading of RFC 3986 says, what is logged has nothing of the query, and a path that we write is read as the same. */
#include <assert.h>
#include <stdlib.h>

#include "fcgi/request.h"
#include "fcgi/routes.h"
#include "lib/cleanup.h"
#include "lib/uri.h"
#include "lib/utf8.h"
#include "ws-bridge/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a second reading, of C strings ---- */

struct parts {
	char *path, *query; /* query NULL: none */
};

static struct parts split(char *target)
{
	struct parts parts = { target, NULL };
	target[strcspn(target, "#")] = '\0';
	if ((parts.query = strchr(target, '?')))
		*parts.query++ = '\0';
	size_t scheme = strncmp(target, "http://", 7) == 0 ? 7 : strncmp(target, "https://", 8) == 0 ? 8 : 0;
	if (scheme)
		parts.path += scheme + strcspn(target + scheme, "/");
	return parts;
}

static bool decode_segment(const char *raw, struct buf *out)
{
	return uri_decode(slice_of(raw), out) &&
	       (!out->len || (!memchr(out->data, '\0', out->len) && utf8_valid(out->data, out->len)));
}

/* Compares segment by segment; false: this path is none. */
static bool same_segments(char *path, const struct uri_path *got)
{
	size_t count = 0;
	char *rest = path;
	bool trailing = *path && path[strlen(path) - 1] == '/';
	if (*rest++ != '/')
		return false;
	for (char *raw; (raw = strsep(&rest, "/"));) {
		autobuf segment = { 0 };
		if (!rest && !*raw)
			break;
		if (count == URI_MAX_SEGMENTS || !decode_segment(raw, &segment))
			return false;
		assert(!got || (count < got->count && slice_eq(got->seg[count], buf_slice(&segment))));
		count++;
	}
	assert(!got || (got->count == count && got->trailing_slash == trailing));
	return true;
}

/* The first value of a name and how often it is there. */
static size_t find(const char *query, const char *name, struct buf *first)
{
	size_t count = 0;
	autofree char *copy = xstrdup(query);
	char *rest = copy;
	for (char *pair; (pair = strsep(&rest, "&"));) {
		char *value = pair;
		char *key = strsep(&value, "=");
		if (strcmp(key, name) == 0 && count++ == 0)
			buf_add_str(first, value ? value : "");
	}
	return count;
}

/* ---- checks ---- */

static void check_query(struct slice target, const char *want)
{
	static const char *const names[] = { "a", "apiKey", "sig" };
	struct slice query = uri_query(target);
	assert(query.ptr >= target.ptr && query.ptr + query.len <= target.ptr + target.len);
	assert(slice_eq_str(query, want));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autobuf first = { 0 }, decoded = { 0 }, got = { 0 };
		struct slice value = slice_make("", 0);
		assert(uri_query_find(query, names[i], &value) == find(want, names[i], &first));
		assert(slice_eq(value, buf_slice(&first)));
		bool there = uri_query_get(query, names[i], &got);
		assert(there == (find(want, names[i], &decoded) && uri_decode(value, (buf_clear(&decoded), &decoded))));
		assert(!there || slice_eq(buf_slice(&got), buf_slice(&decoded)));
	}
}

/* A line of the log has the target up to the query only, because that may hold the key. */
static void check_logged(struct slice target, const char *query)
{
	const struct request req = { .target = target };
	struct slice logged = request_logged_path(&req);
	assert(logged.ptr == target.ptr && logged.len <= target.len && !memchr(logged.ptr, '?', logged.len));
	assert(!*query || logged.len + strlen(query) < target.len);
}

/* Each segment encoded, by us, and in a query's place nothing else. */
static void check_writing(const struct uri_path *path)
{
	autobuf text = { 0 };
	struct uri_path again;
	for (size_t i = 0; i < path->count; i++) {
		buf_add_char(&text, '/');
		uri_encode(&text, path->seg[i]);
	}
	if (path->trailing_slash)
		buf_add_char(&text, '/');
	assert(uri_path_parse(buf_slice(&text), &again));
	assert(again.count == path->count && again.trailing_slash == path->trailing_slash);
	for (size_t i = 0; i < path->count; i++)
		assert(slice_eq(again.seg[i], path->seg[i]));
	uri_path_free(&again);
}

/* The route's pattern, with its names in place of the arguments, is the path. */
static void check_route(const struct uri_path *path, enum method method)
{
	struct route_match match;
	size_t used = 0, segment = 0;
	route_find(path, method, &match);
	assert(!match.route || ((match.route->methods & method) && (match.allowed & method)));
	if (!match.route)
		return;
	autofree char *pattern = xstrdup(match.route->pattern + 1);
	char *rest = pattern;
	for (char *want; (want = strsep(&rest, "/")) && *want && *want != '*'; segment++) {
		struct slice got = segment < path->count ? path->seg[segment] : SLICE_LIT("");
		assert(segment < path->count || (path->trailing_slash && match.route->check));
		bool named = *want == ':';
		assert(named ? used < match.arg_count && slice_eq(match.args[used], got) : slice_eq_str(got, want));
		used += named;
	}
	assert(used == match.arg_count && (match.rest_from ? match.rest_from == segment : segment >= path->count));
}

/* The bridge sees the target behind the method: as itself, or it refuses the request. One with a blank or a line's end
 * in it would be another request. */
static void check_handshake(struct slice target)
{
	for (size_t i = 0; i < target.len; i++) {
		if ((unsigned char)target.ptr[i] <= ' ')
			return;
	}
	autobuf text = { 0 };
	struct handshake hs = { 0 };
	buf_add_str(&text, "GET ");
	buf_add_slice(&text, target);
	buf_add_str(&text, " HTTP/1.1\r\nHost: h\r\n\r\n");
	if (handshake_parse(&hs, text.data, text.len) == HANDSHAKE_OK)
		assert(slice_eq(hs.target, target) && hs.head_len == text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum method methods[] = { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE };
	if (size == 0 || memchr(data + 1, '\0', size - 1))
		return 0;
	autofree char *copy = slice_dup(slice_make((const char *)data + 1, size - 1));
	autofree char *reading = xstrdup(copy);
	struct slice target = slice_make(copy, size - 1);
	struct parts parts = split(reading);
	struct uri_path path;
	bool parsed = uri_path_parse(target, &path);
	assert(same_segments(parts.path, parsed ? &path : NULL) == parsed);
	check_query(target, parts.query ? parts.query : "");
	check_logged(target, parts.query ? parts.query : "");
	if (parsed) {
		check_writing(&path);
		check_route(&path, methods[data[0] % 5]);
	}
	check_handshake(target);
	uri_path_free(&path);
	return 0;
}
