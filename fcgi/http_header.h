/* http_header.h: the header fields that craft-fcgi reads and sends, in one table. Whoever reads or sends one names it
 * by its row, so what nginx tells browsers (Access-Control-Allow-Headers, -Expose-Headers) can be held against the
 * table. */
#ifndef CRAFT_FCGI_HTTP_HEADER_H
#define CRAFT_FCGI_HTTP_HEADER_H

#include <stdio.h>

/* In the order of the table in http_header.c. */
enum http_header {
	HEADER_AUTHORIZATION,
	HEADER_CONTENT_TYPE,
	HEADER_CONTENT_LENGTH,
	HEADER_CONTENT_ENCODING,
	HEADER_CONTENT_RANGE,
	HEADER_CONTENT_DIGEST,
	HEADER_CONTENT_MD5,
	HEADER_REPR_DIGEST,
	HEADER_IF_MATCH,
	HEADER_IF_NONE_MATCH,
	HEADER_IF_MODIFIED_SINCE,
	HEADER_IF_UNMODIFIED_SINCE,
	HEADER_IF_RANGE,
	HEADER_RANGE,
	HEADER_HOST,
	HEADER_TRANSFER_ENCODING,
	HEADER_SENT_LENGTH,
	HEADER_VIA,
	HEADER_FORWARDED,
	HEADER_X_FORWARDED_FOR,
	HEADER_SEC_FETCH_DEST,
	HEADER_SEC_FETCH_MODE,
	HEADER_SEC_PURPOSE,
	HEADER_PURPOSE,
	HEADER_X_PURPOSE,
	HEADER_X_MOZ,
	HEADER_COOKIE,
	HEADER_CACHE_CONTROL,
	HEADER_X_REQUESTED_WITH,
	HEADER_ACCEPT_RANGES,
	HEADER_ALLOW,
	HEADER_CONTENT_DISPOSITION,
	HEADER_CONTENT_SECURITY_POLICY,
	HEADER_ETAG,
	HEADER_LAST_MODIFIED,
	HEADER_LINK,
	HEADER_LOCATION,
	HEADER_REFERRER_POLICY,
	HEADER_RETRY_AFTER,
	HEADER_SET_COOKIE,
	HEADER_VARY,
	HEADER_WWW_AUTHENTICATE,
	HEADER_X_FRAME_OPTIONS,
	HEADER_X_REQUEST_ID,
	HEADER_X_ACCEL_REDIRECT,
	HEADER_CRAFT_REFUSAL,
	HEADER_CRAFT_REFUSAL_TEXT,
	HEADER_COUNT
};

/* Its name, for an answer. */
const char *http_header_name(enum http_header header);
/* The FastCGI parameter in which nginx hands on what the client sent. */
const char *http_header_param(enum http_header header);

/* For --list-headers: lines "allow NAME" for what pages may send, "expose NAME" for what they may read. */
void http_headers_print(FILE *out);

#endif
