/* json.h: JSON as text (RFC 8259). Values are slices of somebody's text and are never rewritten: what is
 * stored and sent on is the client's own bytes. Everything but json_check() expects checked text. */
#ifndef CRAFT_JSON_H
#define CRAFT_JSON_H

#include "buf.h"

/* Deepest nesting that is stored: PostgreSQL's own parser gives up at some thousands. */
#define JSON_MAX_DEPTH 1000

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Is the text one JSON value (white space around it allowed)? Time is linear, memory one bit per level.
 * *depth (may be NULL) gets the deepest nesting: 0 for a scalar. Bytes above 127 are not looked at: check
 * UTF-8 beside it. */
bool json_check(struct slice text, size_t *depth);

/* The value without the white space around it. */
struct slice json_trim(struct slice text);
enum json_kind json_kind_of(struct slice value);

/* Walks the elements of an array or the members of an object.
 *     struct json_iter it = json_iter(value);
 *     while (json_next(&it)) … it.key (raw, with its quotes; empty in arrays), it.value … */
struct json_iter {
	struct slice key, value;
	const char *at, *end;
	bool object;
};
struct json_iter json_iter(struct slice container);
bool json_next(struct json_iter *it);

/* Value of the member called name (compared decoded; of several the last, as JSON.parse does). False: none. */
bool json_get(struct slice object, const char *name, struct slice *value);

/* Decodes a JSON string (raw, with quotes) to UTF-8 behind what out holds. False, when it holds a NUL or
 * an unpaired surrogate; what was decoded so far stays in out. */
bool json_decode(struct slice string, struct buf *out);
/* The same, but NULs and unpaired surrogates become U+FFFD, and it stops before max bytes, at a character's end. */
void json_decode_lossy(struct slice string, struct buf *out, size_t max);
/* Appends UTF-8 text as a JSON string with quotes. */
void json_encode(struct buf *out, struct slice utf8);
/* The same without the quotes: a piece of a string. */
void json_encode_piece(struct buf *out, struct slice utf8);
/* How many bytes of a JSON string the byte takes (above 127: as a part of UTF-8). */
size_t json_encoded_size(unsigned char byte);
/* The first max UTF-16 units of a JSON string as a JSON string, escapes as they stand, never half of an escape. */
void json_prefix(struct slice string, size_t max, struct buf *out);

/* Top-level merge as JavaScript's {...base, ...updates}: each key at its first place, the last value wins.
 * Both are objects; values are copied as they stand. */
void json_merge(struct buf *out, struct slice base, struct slice updates);

#endif
