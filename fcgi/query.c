/* query.c: parameters of a request's query. */
#include "query.h"

#include "utf8.h"

static bool decode(struct slice raw, struct buf *out)
{
	autobuf spaced = { 0 };
	size_t start = out->len;
	buf_add_slice(&spaced, raw);
	for (size_t i = 0; i < spaced.len; i++) {
		if (spaced.data[i] == '+')
			spaced.data[i] = ' ';
	}
	if (!uri_decode(buf_slice(&spaced), out))
		return false;
	size_t len = out->len - start;
	return len == 0 || (!memchr(out->data + start, '\0', len) && utf8_valid(out->data + start, len));
}

enum query_result query_once(const struct request *req, const char *name, struct buf *value)
{
	struct slice raw = slice_make("", 0);
	size_t start = value->len;
	if (uri_query_find(uri_query(req->target), name, &raw) > 1)
		return QUERY_REPEATED;
	if (!decode(raw, value))
		return QUERY_MALFORMED;
	return value->len > start ? QUERY_OK : QUERY_MISSING;
}
