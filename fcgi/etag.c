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

static void skip_separators(struct etag_iter *it)
{
	while (it->at < it->end && (*it->at == ' ' || *it->at == '\t' || *it->at == ','))
		it->at++;
}

struct etag_iter etag_iter(struct slice value)
{
	struct etag_iter it = { .at = value.ptr, .end = value.ptr + value.len };
	skip_separators(&it);
	return it;
}

static bool take_any(struct etag_iter *it)
{
	it->text = slice_make(it->at, 1);
	it->any = true;
	it->at = it->end;
	return true;
}

bool etag_next(struct etag_iter *it)
{
	bool first = !it->text.ptr;
	if (it->at >= it->end)
		return false;
	if (first && *it->at == '*')
		return take_any(it);
	it->weak = it->end - it->at > 2 && it->at[0] == 'W' && it->at[1] == '/';
	if (it->weak)
		it->at += 2;
	const char *close = *it->at == '"' ? memchr(it->at + 1, '"', (size_t)(it->end - it->at - 1)) : NULL;
	if (!close) {
		it->at = it->end;
		return false;
	}
	it->text = slice_make(it->at + 1, (size_t)(close - it->at - 1));
	it->at = close + 1;
	skip_separators(it);
	return true;
}

/* nginx makes weak tags of ours when it compresses. */
static bool names(struct slice header, struct slice text, bool strongly)
{
	struct etag_iter it = etag_iter(header);
	while (etag_next(&it)) {
		if (it.any || (slice_eq(it.text, text) && !(strongly && it.weak)))
			return true;
	}
	return false;
}

bool etag_matches(struct slice if_none_match, struct slice text)
{
	return names(if_none_match, text, false);
}

bool etag_matches_strongly(struct slice if_match, struct slice text)
{
	return names(if_match, text, true);
}
