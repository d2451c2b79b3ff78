/* unescape.c: the incremental JSON string decoder. */
#include "unescape.h"

#define REPLACEMENT 0xFFFD

static void add_utf8(struct buf *out, unsigned cp)
{
	if (cp < 0x80) {
		buf_add_char(out, (char)cp);
	} else if (cp < 0x800) {
		buf_add_char(out, (char)(0xC0 | cp >> 6));
		buf_add_char(out, (char)(0x80 | (cp & 0x3F)));
	} else if (cp < 0x10000) {
		buf_add_char(out, (char)(0xE0 | cp >> 12));
		buf_add_char(out, (char)(0x80 | (cp >> 6 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (cp & 0x3F)));
	} else {
		buf_add_char(out, (char)(0xF0 | cp >> 18));
		buf_add_char(out, (char)(0x80 | (cp >> 12 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (cp >> 6 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (cp & 0x3F)));
	}
}

/* A high surrogate that turned out to have no partner. */
static void drop_high(struct unescape *u, struct buf *out)
{
	if (u->high)
		add_utf8(out, REPLACEMENT);
	u->high = 0;
}

/* One \uXXXX is complete. */
static void take_unit(struct unescape *u, struct buf *out)
{
	if ((u->unit & 0xFC00) == 0xDC00 && u->high) {
		add_utf8(out, 0x10000 + ((u->high & 0x3FF) << 10) + (u->unit & 0x3FF));
		u->high = 0;
		return;
	}
	drop_high(u, out);
	if ((u->unit & 0xFC00) == 0xD800)
		u->high = u->unit;
	else
		add_utf8(out, (u->unit & 0xF800) == 0xD800 ? REPLACEMENT : u->unit);
}

static void take_escape(struct unescape *u, char c, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (c == 'u') {
		u->state = UNESCAPE_HEX;
		u->digits = 0;
		u->unit = 0;
		return;
	}
	const char *at = c ? strchr(from, c) : NULL;
	drop_high(u, out);
	buf_add_char(out, at ? to[at - from] : c);
	u->state = UNESCAPE_TEXT;
}

static void take_digit(struct unescape *u, char c, struct buf *out)
{
	u->unit = u->unit << 4 | (unsigned)(c >= '0' && c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10) & 15);
	if (++u->digits == 4) {
		u->state = UNESCAPE_TEXT;
		take_unit(u, out);
	}
}

/* Copies up to the next backslash or quote; returns what follows it. */
static const char *take_text(struct unescape *u, const char *p, const char *end, struct buf *out)
{
	const char *stop = p;
	while (stop < end && *stop != '\\' && *stop != '"')
		stop++;
	if (stop > p || (stop < end && *stop == '"'))
		drop_high(u, out);
	buf_add(out, p, (size_t)(stop - p));
	if (stop == end)
		return end;
	u->state = *stop == '"' ? UNESCAPE_AFTER : UNESCAPE_BACKSLASH;
	return stop + 1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool unescape_feed(struct unescape *u, struct slice piece, struct buf *out)
{
	const char *p = piece.ptr, *end = piece.ptr + piece.len;
	while (p < end) {
		switch (u->state) {
		case UNESCAPE_TEXT:
			p = take_text(u, p, end, out);
			break;
		case UNESCAPE_BACKSLASH:
			take_escape(u, *p++, out);
			break;
		case UNESCAPE_HEX:
			take_digit(u, *p++, out);
			break;
		case UNESCAPE_BEFORE:
		case UNESCAPE_AFTER:
			if (u->state == UNESCAPE_BEFORE && *p == '"')
				u->state = UNESCAPE_TEXT;
			else if (!is_space(*p))
				return false;
			p++;
			break;
		}
	}
	return true;
}

bool unescape_complete(const struct unescape *u)
{
	return u->state == UNESCAPE_AFTER;
}
