/* presentation.c: Content-Type, Content-Security-Policy and Content-Disposition of users' files. */
#include "presentation.h"

#include <strings.h>

#include "media_type.h"

#define POLICY "sandbox; default-src 'none'"

/* ---- who asks (Fetch Metadata: Sec-Fetch-Dest) ---- */

static bool is_one_of(struct slice dest, const char *const *names)
{
	for (; *names; names++) {
		if (slice_eq_str(dest, *names))
			return true;
	}
	return false;
}

/* An image or a script's fetch runs nothing; a document would. */
static bool is_embedded(const struct request *req)
{
	static const char *const names[] = { "image", "empty", NULL };
	return is_one_of(request_header(req, HEADER_SEC_FETCH_DEST), names);
}

/* A tab or a frame: the browser makes a page of it. */
static bool is_page(const struct request *req)
{
	static const char *const names[] = { "document", "iframe", "frame", "embed", "object", NULL };
	return is_one_of(request_header(req, HEADER_SEC_FETCH_DEST), names);
}

/* A page, or a signed link that is opened by something that doesn't say. With a key come programs, which get what is
 * stored to the letter. */
static bool is_looked_at(const struct request *req)
{
	return is_page(req) || (!req->has_key && request_header(req, HEADER_SEC_FETCH_DEST).len == 0);
}

/* ---- what it is ---- */

static bool is_of(struct slice type, const char *prefix)
{
	size_t n = strlen(prefix);
	return type.len >= n && strncasecmp(type.ptr, prefix, n) == 0;
}

static bool names_charset(struct slice type)
{
	static const char word[] = "charset";
	for (size_t n = sizeof(word) - 1, i = 0; i + n <= type.len; i++) {
		if (strncasecmp(type.ptr + i, word, n) == 0)
			return true;
	}
	return false;
}

/* The page that a browser makes of a video or a sound loads the file once more, and has a style; nothing of it is the
 * file's. Images, text and PDFs show without. */
static const char *policy_of(struct slice type)
{
	bool media = is_of(type, "video/") || is_of(type, "audio/");
	return media ? POLICY "; media-src 'self'; style-src 'unsafe-inline'" : POLICY;
}

/* ---- headers ---- */

void presentation_type(const struct request *req, struct slice media_type, struct buf *out)
{
	if (!media_type_storable(media_type)) {
		buf_add_str(out, MEDIA_TYPE_DEFAULT);
		return;
	}
	buf_add_slice(out, media_type);
	if (is_of(media_type, "text/") && !media_type_active(media_type) && is_looked_at(req) &&
	    !names_charset(media_type))
		buf_add_str(out, "; charset=utf-8");
}

void presentation_vary(const struct request *req, struct slice media_type, struct response *res)
{
	if (media_type_active(media_type) || request_header(req, HEADER_SEC_FETCH_DEST).len)
		response_header(res, HEADER_VARY, SLICE_LIT("Sec-Fetch-Dest"));
}

void presentation_headers(const struct request *req, struct slice media_type, struct slice name, struct response *res)
{
	autobuf value = { 0 };
	bool active = media_type_active(media_type);
	const char *policy = is_page(req) && !active ? policy_of(media_type) : POLICY;
	presentation_vary(req, media_type, res);
	response_header(res, HEADER_CONTENT_SECURITY_POLICY, slice_of(policy));
	if (!active || is_embedded(req))
		return;
	media_type_attachment(&value, name);
	response_header(res, HEADER_CONTENT_DISPOSITION, buf_slice(&value));
}
