/* query.c: parameters of a request's query. */
#include "query.h"

#include "utf8.h"

/* Next "name=value" off the query. */
static bool next_pair(struct slice *query, struct slice *name, struct slice *value)
{
	if (query->len == 0)
		return false;
	const char *amp = memchr(query->ptr, '&', query->len);
	size_t len = amp ? (size_t)(amp - query->ptr) : query->len;
	const char *equals = memchr(query->ptr, '=', len);
	size_t name_len = equals ? (size_t)(equals - query->ptr) : len;
	*name = slice_make(query->ptr, name_len);
	*value = equals ? slice_make(equals + 1, len - name_len - 1) : slice_make(query->ptr + len, 0);
	*query = slice_make(query->ptr + len + (amp != NULL), query->len - len - (amp != NULL));
	return true;
}

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
	struct slice query = uri_query(req->target), found_name, found, raw = slice_make("", 0);
	size_t count = 0, start = value->len;
	while (next_pair(&query, &found_name, &found)) {
		if (slice_eq_str(found_name, name)) {
			raw = found;
			count++;
		}
	}
	if (count > 1)
		return QUERY_REPEATED;
	if (!decode(raw, value))
		return QUERY_MALFORMED;
	return value->len > start ? QUERY_OK : QUERY_MISSING;
}
