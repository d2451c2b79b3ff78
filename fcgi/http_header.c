/* http_header.c: the table of header fields. */
#include "http_header.h"

#include <assert.h>

enum {
	ALLOW = 1, /* a page must be allowed to send it: we honour it, and browsers ask before (Fetch standard, 4.8) */
	EXPOSE = 2 /* a page may have to read it, and browsers hide it unless told */
};

/* What has neither is sent by browsers themselves, can be read by every page, or stays between nginx and craft-fcgi. */
static const struct {
	const char *name, *param;
	unsigned pages;
} table[HEADER_COUNT] = {
	[HEADER_AUTHORIZATION] = { "Authorization", "HTTP_AUTHORIZATION", ALLOW },
	[HEADER_CONTENT_TYPE] = { "Content-Type", "CONTENT_TYPE", ALLOW },
	[HEADER_CONTENT_LENGTH] = { "Content-Length", "CONTENT_LENGTH", 0 },
	[HEADER_CONTENT_ENCODING] = { "Content-Encoding", "HTTP_CONTENT_ENCODING", ALLOW },
	[HEADER_CONTENT_RANGE] = { "Content-Range", "HTTP_CONTENT_RANGE", ALLOW | EXPOSE },
	[HEADER_CONTENT_DIGEST] = { "Content-Digest", "HTTP_CONTENT_DIGEST", ALLOW },
	[HEADER_CONTENT_MD5] = { "Content-MD5", "HTTP_CONTENT_MD5", ALLOW },
	[HEADER_REPR_DIGEST] = { "Repr-Digest", "HTTP_REPR_DIGEST", ALLOW },
	[HEADER_IF_MATCH] = { "If-Match", "HTTP_IF_MATCH", ALLOW },
	[HEADER_IF_NONE_MATCH] = { "If-None-Match", "HTTP_IF_NONE_MATCH", ALLOW },
	[HEADER_IF_MODIFIED_SINCE] = { "If-Modified-Since", "HTTP_IF_MODIFIED_SINCE", ALLOW },
	[HEADER_IF_UNMODIFIED_SINCE] = { "If-Unmodified-Since", "HTTP_IF_UNMODIFIED_SINCE", ALLOW },
	/* nginx honours these two as well. */
	[HEADER_IF_RANGE] = { "If-Range", "HTTP_IF_RANGE", ALLOW },
	[HEADER_RANGE] = { "Range", "HTTP_RANGE", ALLOW },
	[HEADER_HOST] = { "Host", "HTTP_HOST", 0 },
	[HEADER_TRANSFER_ENCODING] = { "Transfer-Encoding", "HTTP_TRANSFER_ENCODING", 0 },
	/* The client's own: CONTENT_LENGTH is nginx's, which has counted. */
	[HEADER_SENT_LENGTH] = { "Content-Length", "HTTP_CONTENT_LENGTH", 0 },
	[HEADER_VIA] = { "Via", "HTTP_VIA", 0 },
	[HEADER_FORWARDED] = { "Forwarded", "HTTP_FORWARDED", 0 },
	[HEADER_X_FORWARDED_FOR] = { "X-Forwarded-For", "HTTP_X_FORWARDED_FOR", 0 },
	[HEADER_SEC_FETCH_DEST] = { "Sec-Fetch-Dest", "HTTP_SEC_FETCH_DEST", 0 },
	[HEADER_SEC_FETCH_MODE] = { "Sec-Fetch-Mode", "HTTP_SEC_FETCH_MODE", 0 },
	/* Browsers of all times for what nobody has opened yet; no page sends them. */
	[HEADER_SEC_PURPOSE] = { "Sec-Purpose", "HTTP_SEC_PURPOSE", 0 },
	[HEADER_PURPOSE] = { "Purpose", "HTTP_PURPOSE", 0 },
	[HEADER_X_PURPOSE] = { "X-Purpose", "HTTP_X_PURPOSE", 0 },
	[HEADER_X_MOZ] = { "X-Moz", "HTTP_X_MOZ", 0 },
	[HEADER_COOKIE] = { "Cookie", "HTTP_COOKIE", 0 },
	/* Libraries send these by themselves: harmless, and a page that sends them must not fail for it. */
	[HEADER_CACHE_CONTROL] = { "Cache-Control", "HTTP_CACHE_CONTROL", ALLOW },
	[HEADER_X_REQUESTED_WITH] = { "X-Requested-With", "HTTP_X_REQUESTED_WITH", ALLOW },

	[HEADER_ACCEPT_RANGES] = { "Accept-Ranges", NULL, EXPOSE },
	[HEADER_ALLOW] = { "Allow", NULL, EXPOSE },
	[HEADER_CONTENT_DISPOSITION] = { "Content-Disposition", NULL, EXPOSE },
	[HEADER_CONTENT_SECURITY_POLICY] = { "Content-Security-Policy", NULL, 0 },
	[HEADER_ETAG] = { "ETag", NULL, EXPOSE },
	[HEADER_LAST_MODIFIED] = { "Last-Modified", NULL, EXPOSE },
	[HEADER_LINK] = { "Link", NULL, EXPOSE },
	[HEADER_LOCATION] = { "Location", NULL, EXPOSE },
	[HEADER_REFERRER_POLICY] = { "Referrer-Policy", NULL, 0 },
	[HEADER_SET_COOKIE] = { "Set-Cookie", NULL, 0 },
	[HEADER_RETRY_AFTER] = { "Retry-After", NULL, EXPOSE },
	[HEADER_VARY] = { "Vary", NULL, 0 },
	[HEADER_X_FRAME_OPTIONS] = { "X-Frame-Options", NULL, 0 },
	[HEADER_WWW_AUTHENTICATE] = { "WWW-Authenticate", NULL, EXPOSE },
	[HEADER_X_REQUEST_ID] = { "X-Request-Id", NULL, EXPOSE },

	[HEADER_X_ACCEL_REDIRECT] = { "X-Accel-Redirect", NULL, 0 },
	[HEADER_CRAFT_REFUSAL] = { "Craft-Refusal", NULL, 0 },
	[HEADER_CRAFT_REFUSAL_TEXT] = { "Craft-Refusal-Text", NULL, 0 },
};

const char *http_header_name(enum http_header header)
{
	assert(header < HEADER_COUNT && table[header].name);
	return table[header].name;
}

const char *http_header_param(enum http_header header)
{
	assert(header < HEADER_COUNT && table[header].param);
	return table[header].param;
}

void http_headers_print(FILE *out)
{
	for (int i = 0; i < HEADER_COUNT; i++) {
		if (table[i].pages & ALLOW)
			(void)fprintf(out, "allow\t%s\n", table[i].name);
		if (table[i].pages & EXPOSE)
			(void)fprintf(out, "expose\t%s\n", table[i].name);
	}
}
