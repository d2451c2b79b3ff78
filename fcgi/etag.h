/* etag.h: entity tags in conditional requests (RFC 9110 sections 8.8.3 and 13.1). */
#ifndef CRAFT_FCGI_ETAG_H
#define CRAFT_FCGI_ETAG_H

#include "buf.h"

/* May the text stand between the quotes of an entity tag? */
bool etag_valid(struct slice text);

/* Walks the tags of an If-Match or If-None-Match.
 *     struct etag_iter it = etag_iter(value);
 *     while (etag_next(&it)) … it.text (without quotes), it.weak …
 * A "*" in front is the only element: it.any, with the text "*". It ends at a malformed element. */
struct etag_iter {
	struct slice text;
	bool weak, any;
	const char *at, *end;
};
struct etag_iter etag_iter(struct slice value);
bool etag_next(struct etag_iter *it);

/* Does the value of If-None-Match name the entity tag whose text (without quotes) is given, compared weakly?
 * "*" names any. A malformed value names what stands before the fault. */
bool etag_matches(struct slice if_none_match, struct slice text);
/* The same for If-Match: compared strongly, weak tags name nothing. */
bool etag_matches_strongly(struct slice if_match, struct slice text);

#endif
