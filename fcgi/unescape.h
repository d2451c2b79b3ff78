/* unescape.h: decodes a JSON string (RFC 8259 section 7) that comes in pieces to UTF-8. */
#ifndef CRAFT_FCGI_UNESCAPE_H
#define CRAFT_FCGI_UNESCAPE_H

#include "buf.h"

/* Where in the string the text stands. All zero is before the opening quote. */
struct unescape {
	enum { UNESCAPE_BEFORE, UNESCAPE_TEXT, UNESCAPE_BACKSLASH, UNESCAPE_HEX, UNESCAPE_AFTER } state;
	unsigned digits; /* hex digits of \uXXXX read so far */
	unsigned unit;	 /* and their value */
	unsigned high;	 /* a high surrogate that waits for its partner; 0: none */
};

/* Takes the next piece of the JSON text (checked JSON; white space around the string is skipped) and appends what
 * it stands for, never more bytes than it took plus 5. NULs come out as NUL bytes, unpaired surrogates as U+FFFD.
 * False: the text is no string. */
bool unescape_feed(struct unescape *u, struct slice piece, struct buf *out);

/* Has the closing quote come? */
bool unescape_complete(const struct unescape *u);

#endif
