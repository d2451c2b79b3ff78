/* etag.c: comparing entity tags. */
#include "etag.h"

bool etag_valid(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f || text.ptr[i] == '"')
			return false;
	}
	return text.len > 0;
}

static const char *skip_separators(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
		p++;
	return p;
}

bool etag_matches(struct slice if_none_match, struct slice text)
{
	if (if_none_match.len == 0)
		return false;
	const char *p = skip_separators(if_none_match.ptr, if_none_match.ptr + if_none_match.len);
	const char *end = if_none_match.ptr + if_none_match.len;
	if (p < end && *p == '*')
		return true;
	while (p < end) {
		/* nginx makes weak tags of ours when it compresses. */
		if (end - p > 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if (*p != '"')
			return false;
		const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
		if (!close)
			return false;
		if (slice_eq(slice_make(p + 1, (size_t)(close - p - 1)), text))
			return true;
		p = skip_separators(close + 1, end);
	}
	return false;
}
