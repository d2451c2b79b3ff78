/* etag.h: conditional requests (RFC 9110 sections 8.8.3 and 13.1.2). */
#ifndef CRAFT_FCGI_ETAG_H
#define CRAFT_FCGI_ETAG_H

#include "buf.h"

/* May the text stand between the quotes of an entity tag? */
bool etag_valid(struct slice text);

/* Does the value of If-None-Match name the entity tag whose text (without quotes) is given, compared weakly?
 * "*" names any. A malformed value names what stands before the fault. */
bool etag_matches(struct slice if_none_match, struct slice text);

#endif
