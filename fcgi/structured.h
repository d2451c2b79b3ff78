/* structured.h: dictionaries of structured fields (RFC 8941 section 3.2). */
#ifndef CRAFT_FCGI_STRUCTURED_H
#define CRAFT_FCGI_STRUCTURED_H

#include "buf.h"

/* Walks the members of a dictionary: while (structured_next(&it)) … it.key …; then !it.malformed says that all of the
 * text was a dictionary. A key that comes twice counts with its last value: that is the caller's to do. */
struct structured {
	const char *p, *end;
	bool begun, malformed;
	struct slice key;
	bool is_bytes;	    /* the value is a byte sequence: */
	struct slice bytes; /* what stands between its colons, base64 whose alphabet alone was checked */
};

struct structured structured_dictionary(struct slice text);
bool structured_next(struct structured *it);

#endif
