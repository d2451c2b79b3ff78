/* fuzz_signed_url.c: any names of files: the URL that is signed for them leads back to the same file, and opens it and
 * no other; any target: it is judged by its decoded path, as the signature is, and opens nothing without the key. */
#include <assert.h>

#include "fcgi/file_key.h"
#include "fcgi/file_name.h"
#include "fcgi/signature.h"
#include "lib/cleanup.h"
#include "lib/uri.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1767225600

/* Not the one that seeds are signed with. */
static const struct auth_keys keys = { "fuzz-api-key-1", NULL };

/* As the dispatcher does: false where no file is meant, or none may be called so. The key points into req. */
static bool find_file(struct request *req, struct slice target, struct file_key *key)
{
	struct route_match match;
	*req = (struct request){ .target = target, .method = METHOD_GET };
	if (!uri_path_parse(target, &req->path))
		return false;
	route_find(&req->path, req->method, &match);
	if (!match.route || match.route->key != KEY_OR_SIGNATURE)
		return false;
	route_take(&match, req);
	if (match.route->check(req, NULL) != STATUS_OK)
		return false;
	*key = file_key_of(req);
	return true;
}

static void release(struct request *req)
{
	uri_path_free(&req->path);
	buf_free(&req->rest);
	buf_free(&req->detail);
}

static bool same_key(const struct file_key *a, const struct file_key *b)
{
	return slice_eq(a->workspace, b->workspace) && slice_eq(a->session, b->session) && slice_eq(a->type, b->type) &&
	       slice_eq(a->name, b->name) && a->asset == b->asset;
}

/* Does the target's signature open its path? */
static bool opens(struct slice target, struct file_key *key, struct request *req)
{
	autobuf path = { 0 };
	if (!find_file(req, target, key))
		return false;
	file_key_path(key, &path);
	return signature_check(&keys, buf_slice(&path), uri_query(target), NOW) == SIGNATURE_OK;
}

static void sign(const struct file_key *key, struct buf *url)
{
	autobuf path = { 0 };
	file_key_path(key, &path);
	file_key_target(key, url);
	buf_addf(url, "?exp=%d&sig=", NOW);
	assert(signature_make(keys.current, buf_slice(&path), NOW, url));
}

/* One character of the URL is another one: it opens nothing, or still the same file, where it was only another way to
 * write a character (of an escape, lower or upper case). */
static void check_changed(const struct file_key *key, struct buf *url, size_t at, char c)
{
	struct request req;
	struct file_key got;
	assert(url->len);
	url->data[at % url->len] = c;
	if (opens(buf_slice(url), &got, &req))
		assert(same_key(&got, key));
	release(&req);
}

static void check_own(const struct file_key *key, size_t at, char c)
{
	autobuf url = { 0 };
	struct request req;
	struct file_key got;
	sign(key, &url);
	for (size_t i = 0; i < url.len; i++)
		assert(url.data[i] > 0x20 && url.data[i] < 0x7f && !strchr("\"<>\\^`{|}#", url.data[i]));
	assert(opens(buf_slice(&url), &got, &req) && same_key(&got, key));
	release(&req);
	check_changed(key, &url, at, c);
}

static struct slice take(struct slice *rest, char end)
{
	const char *at = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
	struct slice part = slice_make(rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len);
	size_t used = part.len + (at != NULL);
	*rest = slice_make(rest->ptr + used, rest->len - used);
	return part;
}

static bool is_name(struct slice s)
{
	return utf8_valid(s.ptr, s.len) && !file_name_fault(s);
}

static bool is_path(struct slice s)
{
	bool ends = s.len && s.ptr[s.len - 1] == '/';
	if (s.len == 0 || s.len > FILE_PATH_MAX || ends)
		return false;
	while (s.len) {
		if (!is_name(take(&s, '/')))
			return false;
	}
	return true;
}

/* The names of a file, or of an asset, with newlines between them. */
static void check_names(struct slice text, bool asset, size_t at, char c)
{
	static const char *const types[] = { "attachments", "downloads", "long_responses" };
	struct file_key key = { .workspace = take(&text, '\n'), .session = take(&text, '\n'), .asset = asset };
	key.type = asset ? SLICE_LIT("assets") : slice_of(types[at % 3]);
	key.name = text;
	if (asset)
		key.session = SLICE_LIT("");
	bool names = is_name(key.workspace) && (asset ? is_path(key.name) : is_name(key.session) && is_name(key.name));
	if (names)
		check_own(&key, at, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request req;
	struct file_key key;
	if (size < 4 || memchr(data + 4, '\0', size - 4))
		return 0;
	/* An exact copy, so that reading beyond the end is seen. */
	size_t len = size - 4;
	autofree char *copy = xmalloc(len + !len);
	memcpy(copy, data + 4, len);
	struct slice text = slice_make(copy, len);
	assert(!opens(text, &key, &req));
	release(&req);
	check_names(text, data[0] & 1, (size_t)data[1] << 8 | data[2], (char)(data[3] ? data[3] : 'x'));
	return 0;
}
