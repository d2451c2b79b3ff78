/* uri.h: request targets (RFC 3986, RFC 9112 section 3.2): split first, then decode each part once. */
#ifndef CRAFT_URI_H
#define CRAFT_URI_H

#include "buf.h"

#define URI_MAX_SEGMENTS 520 /* an asset's path of 1,024 bytes can have 512 */

/* The segments of a path, decoded; ids in them may hold any UTF-8 but NUL. */
struct uri_path {
	struct slice seg[URI_MAX_SEGMENTS];
	size_t count;
	bool trailing_slash; /* an empty last segment, which is not counted */
	struct buf text;     /* where the segments lie */
};

/* Appends the percent-decoded bytes. False: a malformed escape. */
bool uri_decode(struct slice in, struct buf *out);

/* Splits "/a/b%2Fc/?q" into {"a","b/c"}. `target` may be in absolute form (http://host/path). False: no leading
 * slash, a malformed escape, NUL or invalid UTF-8 in a segment, or more than URI_MAX_SEGMENTS. Free it in any case. */
bool uri_path_parse(struct slice target, struct uri_path *path);
void uri_path_free(struct uri_path *path);
/* Appends the segments from this one on, decoded as they are, with slashes between them; nothing when there are none.
 */
void uri_path_join(const struct uri_path *path, size_t from, struct buf *out);

/* The query of a target, without the '?'; empty when there is none. */
struct slice uri_query(struct slice target);
/* Appends text percent-encoded so that it is one segment of a path, or one value of a query: all but RFC 3986's
 * unreserved characters. */
void uri_encode(struct buf *out, struct slice text);
/* How often a parameter called name is there. *value: the first one's raw value, unchanged when there is none. */
size_t uri_query_find(struct slice query, const char *name, struct slice *value);
/* Value of the first parameter called name, decoded behind what out holds ('+' stays '+'). False: not there, or
 * malformed. */
bool uri_query_get(struct slice query, const char *name, struct buf *out);

#endif
