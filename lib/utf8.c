/* utf8.c: the UTF-8 validator: ASCII 32 bytes at a time, everything else through a table of states. */
#include "utf8.h"

#include <string.h>

/* The states, as bit offsets into a table entry: an entry holds, for one byte, the next state of each
 * state in six bits, so that a step is one load and one shift (a "shift-based DFA"). */
enum {
	START = 0, /* between characters */
	BAD = 6,
	LEFT1 = 12, /* one continuation byte is missing */
	LEFT2 = 18,
	LEFT3 = 24,
	AFTER_E0 = 30, /* next A0..BF: no overlong forms */
	AFTER_ED = 36, /* next 80..9F: no surrogates */
	AFTER_F0 = 42, /* next 90..BF: no overlong forms */
	AFTER_F4 = 48, /* next 80..8F: nothing above U+10FFFF */
};

#define ROW(start, left1, left2, left3, e0, ed, f0, f4)                                                                \
	((uint64_t)(start) << START | (uint64_t)BAD << BAD | (uint64_t)(left1) << LEFT1 | (uint64_t)(left2) << LEFT2 | \
	 (uint64_t)(left3) << LEFT3 | (uint64_t)(e0) << AFTER_E0 | (uint64_t)(ed) << AFTER_ED |                        \
	 (uint64_t)(f0) << AFTER_F0 | (uint64_t)(f4) << AFTER_F4)
#define LEAD(next) ROW(next, BAD, BAD, BAD, BAD, BAD, BAD, BAD)

static const uint64_t table[256] = {
	[0x00 ... 0x7f] = LEAD(START),
	[0x80 ... 0x8f] = ROW(BAD, START, LEFT1, LEFT2, BAD, LEFT1, BAD, LEFT2),
	[0x90 ... 0x9f] = ROW(BAD, START, LEFT1, LEFT2, BAD, LEFT1, LEFT2, BAD),
	[0xa0 ... 0xbf] = ROW(BAD, START, LEFT1, LEFT2, LEFT1, BAD, LEFT2, BAD),
	[0xc0 ... 0xc1] = LEAD(BAD),
	[0xc2 ... 0xdf] = LEAD(LEFT1),
	[0xe0] = LEAD(AFTER_E0),
	[0xe1 ... 0xec] = LEAD(LEFT2),
	[0xed] = LEAD(AFTER_ED),
	[0xee ... 0xef] = LEAD(LEFT2),
	[0xf0] = LEAD(AFTER_F0),
	[0xf1 ... 0xf3] = LEAD(LEFT3),
	[0xf4] = LEAD(AFTER_F4),
	[0xf5 ... 0xff] = LEAD(BAD),
};

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define STEP 16 /* bytes that go through the table before ASCII is looked for again */

/* The first of the n bytes that isn't ASCII, or close before it. */
static const uint8_t *skip_ascii(const uint8_t *p, size_t n)
{
	uint64_t w[4];
	for (; n >= sizeof(w); p += sizeof(w), n -= sizeof(w)) {
		memcpy(w, p, sizeof(w));
		if ((w[0] | w[1] | w[2] | w[3]) & HIGH_BITS)
			break;
	}
	for (; n >= sizeof(w[0]); p += sizeof(w[0]), n -= sizeof(w[0])) {
		memcpy(w, p, sizeof(w[0]));
		if (w[0] & HIGH_BITS)
			break;
	}
	return p;
}

bool utf8_feed(struct utf8 *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t state = s->state;
	while (n > 0 && state != BAD) {
		if (state == START) {
			const uint8_t *q = skip_ascii(p, n);
			n -= (size_t)(q - p);
			p = q;
		}
		size_t step = n < STEP ? n : STEP;
		for (size_t i = 0; i < step; i++)
			state = table[p[i]] >> state & 63;
		p += step;
		n -= step;
	}
	s->state = (uint8_t)state;
	return state != BAD;
}

bool utf8_valid(const void *p, size_t n)
{
	struct utf8 s = { 0 };
	return utf8_feed(&s, p, n) && utf8_complete(&s);
}
