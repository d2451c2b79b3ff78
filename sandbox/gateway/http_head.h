/* http_head.h: the head of an HTTP/1.x request (RFC 9112), read strictly: whatever two readers could take for two
 * different requests is refused. Pure. */
#ifndef CRAFT_GATEWAY_HTTP_HEAD_H
#define CRAFT_GATEWAY_HTTP_HEAD_H

#include "lib/buf.h"

#define HTTP_HEAD_MAX 65536 /* bytes, the empty line included */
#define HTTP_HEAD_MAX_FIELDS 128

struct http_field {
	struct slice name, value; /* the value without the blanks around it; no control characters but tabs */
};

/* Slices lie in the bytes that were parsed. */
struct http_head {
	struct slice method, target; /* target: visible ASCII */
	bool old;		     /* HTTP/1.0 */
	struct http_field fields[HTTP_HEAD_MAX_FIELDS];
	size_t count;
	bool chunked, has_length; /* never both */
	uint64_t length;	  /* of the body; 0 without has_length */
	bool keep_alive;	  /* the client takes another answer on this connection */
	bool expects_continue;
};

enum http_head_result { HTTP_HEAD_OK, HTTP_HEAD_MORE, HTTP_HEAD_BAD, HTTP_HEAD_TOO_LARGE };

/* Parses the head that the bytes begin with. HTTP_HEAD_OK: *used is its length. HTTP_HEAD_BAD: bare line feeds, folded
 * lines, blanks before a colon, control characters, no or several Host fields, several lengths, a length beside a
 * transfer coding, a coding that isn't "chunked", any coding in HTTP/1.0, versions that aren't 1.0 or 1.1. */
enum http_head_result http_head_parse(struct slice bytes, struct http_head *head, size_t *used);

/* Value of the first field of that name (in any case). False: there is none. */
bool http_head_get(const struct http_head *head, const char *name, struct slice *value);
/* Does a field of that name concern this connection only (RFC 9110 section 7.6.1)? head: also those that its Connection
 * fields name; NULL: the well-known ones. */
bool http_head_hop_by_hop(const struct http_head *head, struct slice name);

/* Are they the same word, letters' case aside? */
bool http_same(struct slice text, const char *word);
/* Is it a token (RFC 9110 section 5.6.2)? */
bool http_token(struct slice text);
/* The text without the blanks around it. */
struct slice http_trim(struct slice text);
/* Does a comma-separated list name the word, in any case? */
bool http_list_has(struct slice list, struct slice word);

#endif
