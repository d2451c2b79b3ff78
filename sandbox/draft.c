/* draft.c: messages encoded a piece at a time. */
#include "draft.h"

#include "lib/json.h"
#include "lib/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define MOST 6 /* bytes that one becomes */

/* ---- any bytes as text ---- */

/* The length of the valid text at the beginning. */
static size_t valid_prefix(struct slice bytes)
{
	struct utf8 state = { 0 };
	size_t whole = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		if (!utf8_feed(&state, bytes.ptr + i, 1))
			return whole;
		if (utf8_complete(&state))
			whole = i + 1;
	}
	return whole;
}

void draft_clean(struct buf *out, struct slice bytes)
{
	if (utf8_valid(bytes.ptr, bytes.len)) {
		json_encode_piece(out, bytes);
		return;
	}
	while (bytes.len) {
		size_t n = valid_prefix(bytes);
		json_encode_piece(out, slice_make(bytes.ptr, n));
		if (n == bytes.len)
			break;
		buf_add_str(out, REPLACEMENT);
		bytes = slice_make(bytes.ptr + n + 1, bytes.len - n - 1);
	}
}

static bool continues(char byte)
{
	return ((unsigned char)byte & 0xC0) == 0x80;
}

/* At most n bytes, that don't end inside a character. */
static size_t whole_characters(struct slice bytes, size_t n)
{
	if (n >= bytes.len)
		return bytes.len;
	for (size_t back = 0; back < 4 && back < n; back++) {
		if (!continues(bytes.ptr[n - back]))
			return n - back;
	}
	return n;
}

/* ---- how much fits ---- */

/* Of bytes that are no UTF-8 any may become three. */
static size_t cost_of(unsigned char byte, bool utf8)
{
	return byte >= 0x80 && !utf8 ? strlen(REPLACEMENT) : json_encoded_size(byte);
}

size_t draft_fits(struct slice bytes, size_t max)
{
	if (bytes.len <= max / MOST)
		return bytes.len;
	bool utf8 = utf8_valid(bytes.ptr, bytes.len);
	size_t n = 0;
	for (size_t left = max; n < bytes.len; n++) {
		size_t cost = cost_of((unsigned char)bytes.ptr[n], utf8);
		if (cost > left)
			return whole_characters(bytes, n);
		left -= cost;
	}
	return n;
}

size_t draft_fits_end(struct slice bytes, size_t max)
{
	bool utf8 = utf8_valid(bytes.ptr, bytes.len);
	size_t n = 0;
	for (size_t left = max; n < bytes.len; n++) {
		size_t cost = cost_of((unsigned char)bytes.ptr[bytes.len - n - 1], utf8);
		if (cost > left)
			break;
		left -= cost;
	}
	for (size_t skipped = 0; n < bytes.len && n && skipped < 3 && continues(bytes.ptr[bytes.len - n]); skipped++)
		n--;
	return n;
}

/* ---- the parts ---- */

static void add_part(struct draft *d, struct slice bytes, bool text)
{
	struct draft_part *part = &d->parts[d->first + d->count++];
	*part = (struct draft_part){ .text = text };
	buf_add_slice(&part->bytes, bytes);
}

void draft_json(struct draft *d, struct slice json)
{
	if (d->count)
		add_part(d, json, false);
	else
		buf_add_slice(&d->out, json);
}

void draft_text(struct draft *d, struct slice bytes)
{
	if (d->count || bytes.len > DRAFT_PIECE) {
		add_part(d, bytes, true);
		return;
	}
	buf_add_char(&d->out, '"');
	draft_clean(&d->out, bytes);
	buf_add_char(&d->out, '"');
}

static void end_part(struct draft *d)
{
	buf_free(&d->parts[d->first].bytes);
	d->first++;
	d->count--;
}

static void encode_text(struct draft *d, struct draft_part *part)
{
	struct slice left = slice_make(part->bytes.data + part->at, part->bytes.len - part->at);
	size_t n = whole_characters(left, DRAFT_PIECE);
	if (part->at == 0) {
		/* Most texts become a little longer. */
		(void)buf_reserve(&d->out, part->bytes.len + part->bytes.len / 8);
		buf_add_char(&d->out, '"');
	}
	draft_clean(&d->out, slice_make(left.ptr, n));
	part->at += n;
	if (part->at < part->bytes.len)
		return;
	buf_add_char(&d->out, '"');
	end_part(d);
}

static void take_json(struct draft *d)
{
	while (d->count && !d->parts[d->first].text) {
		buf_add_slice(&d->out, buf_slice(&d->parts[d->first].bytes));
		end_part(d);
	}
}

bool draft_step(struct draft *d)
{
	/* The first one is a text: JSON before it was taken at once, or with the text before. */
	if (d->count)
		encode_text(d, &d->parts[d->first]);
	take_json(d);
	return draft_done(d);
}

bool draft_done(const struct draft *d)
{
	return d->count == 0;
}

size_t draft_size(const struct draft *d)
{
	size_t size = d->out.len;
	for (size_t i = d->first; i < d->first + d->count; i++)
		size += d->parts[i].bytes.len - d->parts[i].at;
	return size;
}

void draft_free(struct draft *d)
{
	while (d->count)
		end_part(d);
	buf_free(&d->out);
	buf_free(&d->instead);
	*d = (struct draft){ 0 };
}
