/* utf8.h: an incremental UTF-8 validator (RFC 3629): text that comes in chunks is checked as it comes,
 * and refused at the first byte that no valid continuation can repair. */
#ifndef CRAFT_UTF8_H
#define CRAFT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a character the text stands. All zero is the start of a text. */
struct utf8 {
	uint8_t state;
};

/* Takes the next n bytes of the text; p may be NULL when n is 0. Returns false as soon as the bytes
 * seen so far can't be the start of any valid text: overlong forms, surrogates (U+D800..DFFF), above
 * U+10FFFF, stray or missing continuation bytes. Once false, always false. */
bool utf8_feed(struct utf8 *s, const void *p, size_t n);

/* True when the text fed so far is valid and doesn't end inside a character. */
static inline bool utf8_complete(const struct utf8 *s)
{
	return s->state == 0;
}

/* True when the n bytes are a valid text as they stand. */
bool utf8_valid(const void *p, size_t n);

#endif
