/* oauth_page.c: pages on the way to GitHub and back. */
#include "oauth_page.h"

#include <openssl/rand.h>

#include "base64.h"
#include "log.h"
#include "oauth_consent.h"
#include "utf8.h"

#define TYPE_HTML "text/html; charset=utf-8"

static const char style[] =
	"body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f5f5f4;color:#1c1917}"
	"main{max-width:34rem;margin:4rem auto;padding:2rem;background:#fff;border:1px solid #d6d3d1;border-radius:8px}"
	"h1{font-size:1.25rem;margin-top:0}dt{color:#57534e}dd{margin:0 0 1rem;font-weight:600;overflow-wrap:anywhere}"
	"a.go{display:inline-block;padding:.6rem 1.2rem;background:#1f883d;color:#fff;border-radius:6px;"
	"text-decoration:none}";

/* ---- names as text ---- */

/* Characters that can't be seen, or turn others around: shown by their number, so that a name looks like itself only.
 */
static bool is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = { { 0, 0x1f },	   { 0x7f, 0x9f },     { 0xad, 0xad },	    { 0x61c, 0x61c },
		       { 0x115f, 0x1160 }, { 0x180e, 0x180e }, { 0x200b, 0x200f },  { 0x2028, 0x202e },
		       { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },  { 0xfeff, 0xfeff },
		       { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0xe0000, 0xe0fff } };
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

/* The character at s, which is valid UTF-8, and its bytes. */
static uint32_t character(const char *s, size_t *n)
{
	const unsigned char *b = (const unsigned char *)s;
	*n = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	uint32_t c = *n == 1 ? b[0] : b[0] & (0xffU >> (*n + 1));
	for (size_t i = 1; i < *n; i++)
		c = c << 6 | (b[i] & 0x3f);
	return c;
}

static void add_text(struct buf *html, struct slice text)
{
	size_t n;
	if (!utf8_valid(text.ptr, text.len))
		return;
	for (size_t i = 0; i < text.len; i += n) {
		uint32_t c = character(text.ptr + i, &n);
		if (is_hidden(c))
			buf_addf(html, "[U+%04X]", c);
		else if (n == 1 && strchr("&<>\"'`", (int)c))
			buf_addf(html, "&#%u;", c);
		else
			buf_add(html, text.ptr + i, n);
	}
}

/* In a direction of its own, which ends with it. */
static void add_entry(struct buf *html, const char *what, struct slice text)
{
	buf_addf(html, "<dt>%s</dt><dd><bdi>", what);
	add_text(html, text);
	buf_add_str(html, "</bdi></dd>");
}

static void add_link(struct buf *html, struct slice url, const char *text)
{
	buf_add_str(html, "<p><a class=\"go\" rel=\"noreferrer\" href=\"");
	add_text(html, url);
	buf_addf(html, "\">%s</a></p>", text);
}

/* ---- the answer ---- */

static enum status begin(struct request *req, struct response *res, int http, struct buf *html, const char *title)
{
	unsigned char raw[16];
	autobuf nonce = { 0 }, policy = { 0 };
	if (RAND_bytes(raw, sizeof(raw)) != 1) {
		log_error(req->id, "no random bytes for a page");
		return STATUS_INTERNAL;
	}
	base64_add(&nonce, BASE64_STANDARD, raw, sizeof(raw));
	buf_addf(&policy,
		 "default-src 'none'; style-src 'nonce-%s'; base-uri 'none'; form-action 'none'; "
		 "frame-ancestors 'none'",
		 buf_cstr(&nonce));
	response_begin(res, http, TYPE_HTML);
	response_header(res, HEADER_CONTENT_SECURITY_POLICY, buf_slice(&policy));
	response_header(res, HEADER_X_FRAME_OPTIONS, SLICE_LIT("DENY"));
	response_header(res, HEADER_CACHE_CONTROL, SLICE_LIT("no-store"));
	response_header(res, HEADER_REFERRER_POLICY, SLICE_LIT("no-referrer"));
	buf_addf(html,
		 "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		 "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>"
		 "<style nonce=\"%s\">%s</style></head>\n<body><main><h1>%s</h1>\n",
		 title, buf_cstr(&nonce), style, title);
	return STATUS_OK;
}

static void end(struct response *res, struct buf *html)
{
	buf_add_str(html, "</main></body></html>\n");
	(void)response_write(res, buf_slice(html));
}

static void add_names(struct buf *html, const struct oauth_grant *grant)
{
	buf_add_str(html, "<dl>");
	add_entry(html, "Workspace", grant->workspace);
	add_entry(html, "Repository", grant->repo_key);
	add_entry(html, "Afterwards your browser goes to", grant->redirect_uri);
	buf_add_str(html, "</dl>\n");
}

enum status oauth_page_consent(struct request *req, struct response *res, const struct oauth_grant *grant,
			       struct slice url, struct slice browser, bool granted)
{
	autobuf html = { 0 };
	enum status status = begin(req, res, 200, &html, "Let a workspace use your GitHub repository?");
	if (status == STATUS_OK)
		status = oauth_consent_cookie(req, res, browser);
	if (status != STATUS_OK)
		return status;
	buf_add_str(&html,
		    "<p>Everybody who works in this workspace will read this repository with your GitHub account's "
		    "access, until you take it away.</p>\n");
	add_names(&html, grant);
	add_link(&html, url, granted ? "Yes, store the access" : "Continue to GitHub");
	buf_add_str(&html, "<p>If you didn't ask for this in the app yourself, or don't know the workspace, close this "
			   "page: nothing has been stored.</p>\n");
	end(res, &html);
	return STATUS_OK;
}

enum status oauth_page_used(struct request *req, struct response *res, const struct oauth_grant *grant,
			    const struct buf *outcome)
{
	autobuf html = { 0 };
	enum status status = begin(req, res, 400, &html, "This link was used already");
	if (status != STATUS_OK)
		return status;
	buf_add_str(&html, outcome->len
				   ? "<p>What it was for is over. You can go back to where it led, or close this page. "
				     "If something went wrong, begin again in the app.</p>\n"
				   : "<p>Another page is at work with it, or was. Look into the app whether it is "
				     "ready; if it isn't, begin again there.</p>\n");
	add_names(&html, grant);
	if (outcome->len)
		add_link(&html, buf_slice(outcome), "Back to the app");
	end(res, &html);
	return STATUS_OK;
}

void oauth_redirect(struct response *res, const struct buf *target)
{
	response_begin(res, 302, NULL);
	response_header(res, HEADER_LOCATION, buf_slice(target));
	response_header(res, HEADER_CACHE_CONTROL, SLICE_LIT("no-store"));
	response_header(res, HEADER_REFERRER_POLICY, SLICE_LIT("no-referrer"));
}
