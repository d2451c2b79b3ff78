/* base64.h: RFC 4648: base64 (section 4) and base64url (section 5). */
#ifndef CRAFT_BASE64_H
#define CRAFT_BASE64_H

#include "buf.h"

enum base64_alphabet {
	BASE64_STANDARD, /* with + and /, padded */
	BASE64_URL	 /* with - and _, without padding */
};

/* Appends the text of the bytes. */
void base64_add(struct buf *out, enum base64_alphabet alphabet, const void *bytes, size_t n);

/* Appends the bytes of a text that is exactly as base64_add() writes it: padded or not as the alphabet says, no
 * characters of another alphabet, no bits set behind the last byte. False: it isn't; nothing is appended. */
bool base64_read(struct slice text, enum base64_alphabet alphabet, struct buf *out);

/* Reads exactly n bytes of the standard alphabet into out, with padding or, as RFC 8941 section 4.2.7 has it, without
 * any; bits behind the last byte are ignored. */
bool base64_read_exactly(struct slice text, unsigned char *out, size_t n);

#endif
