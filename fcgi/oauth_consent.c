/* oauth_consent.c: consent that is bound to a browser by a cookie. */
#include "oauth_consent.h"

#include <strings.h>

#include <openssl/rand.h>

#include "base64.h"
#include "clock.h"
#include "log.h"
#include "origin.h"
#include "redirect_uri.h"

#define BROWSER_SIZE 18 /* random bytes */
/* A cookie of this name can't be set by another host of the domain, or over plain http. */
#define SECURE_NAME "__Host-craft-oauth"
#define PLAIN_NAME "craft-oauth"

bool oauth_is_browser(const struct request *req)
{
	return slice_eq_str(request_header(req, HEADER_SEC_FETCH_MODE), "navigate");
}

static bool says(const struct request *req, enum http_header header, const char *word)
{
	struct slice value = request_header(req, header);
	for (size_t i = 0, n = strlen(word); i + n <= value.len; i++) {
		if (strncasecmp(value.ptr + i, word, n) == 0)
			return true;
	}
	return false;
}

bool oauth_is_ahead(const struct request *req)
{
	return says(req, HEADER_SEC_PURPOSE, "prefetch") || says(req, HEADER_SEC_PURPOSE, "prerender") ||
	       says(req, HEADER_PURPOSE, "prefetch") || says(req, HEADER_PURPOSE, "preview") ||
	       says(req, HEADER_X_PURPOSE, "preview") || says(req, HEADER_X_PURPOSE, "prefetch") ||
	       says(req, HEADER_X_MOZ, "prefetch");
}

/* ---- the cookie ---- */

static enum status is_secure(struct request *req, bool *secure)
{
	autobuf origin = { 0 };
	enum status status = origin_add(req, &origin);
	*secure = status == STATUS_OK && strncmp(buf_cstr(&origin), "https://", 8) == 0;
	return status;
}

enum status oauth_consent_cookie(struct request *req, struct response *res, struct slice value)
{
	bool secure;
	autobuf cookie = { 0 };
	enum status status = is_secure(req, &secure);
	if (status != STATUS_OK)
		return status;
	buf_addf(&cookie, "%s=", secure ? SECURE_NAME : PLAIN_NAME);
	buf_add_slice(&cookie, value);
	buf_addf(&cookie, "; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", OAUTH_STATE_TIME, secure ? "; Secure" : "");
	response_header(res, HEADER_SET_COOKIE, buf_slice(&cookie));
	return STATUS_OK;
}

/* The value of a cookie in "a=b; c=d"; empty when there is none. */
static struct slice find_cookie(struct slice cookies, const char *name)
{
	size_t n = strlen(name);
	while (cookies.len) {
		const char *end = memchr(cookies.ptr, ';', cookies.len);
		size_t len = end ? (size_t)(end - cookies.ptr) : cookies.len;
		if (len > n && memcmp(cookies.ptr, name, n) == 0 && cookies.ptr[n] == '=')
			return slice_make(cookies.ptr + n + 1, len - n - 1);
		len += end != NULL;
		while (len < cookies.len && cookies.ptr[len] == ' ')
			len++;
		cookies = slice_make(cookies.ptr + len, cookies.len - len);
	}
	return slice_make("", 0);
}

static struct slice cookie_of(const struct request *req)
{
	struct slice cookies = request_header(req, HEADER_COOKIE);
	struct slice secure = find_cookie(cookies, SECURE_NAME);
	bool tls = slice_eq_str(request_param(req, "REQUEST_SCHEME"), "https");
	return secure.len || tls ? secure : find_cookie(cookies, PLAIN_NAME);
}

/* ---- consent ---- */

enum status oauth_consent_add(struct request *req, const struct oauth_grant *grant, struct buf *url,
			      struct buf *browser)
{
	unsigned char raw[BROWSER_SIZE];
	autobuf consent = { 0 };
	bool made = RAND_bytes(raw, sizeof(raw)) == 1;
	if (made) {
		base64_add(browser, BASE64_URL, raw, sizeof(raw));
		made = oauth_consent_make(&req->service->seal_keys[0], grant, buf_slice(browser),
					  clock_wall_s() + OAUTH_STATE_TIME, &consent);
	}
	if (!made) {
		log_error(req->id, "making an OAuth consent failed");
		return STATUS_INTERNAL;
	}
	redirect_uri_add(url, "consent", buf_slice(&consent));
	return STATUS_OK;
}

bool oauth_consent_given(const struct request *req, const struct oauth_grant *grant, const struct buf *consent)
{
	return consent->len && oauth_consent_check(req->service->seal_keys, req->service->seal_key_count, grant,
						   cookie_of(req), buf_slice(consent), clock_wall_s());
}

enum status oauth_consent_prove(struct request *req, struct response *res, struct slice state)
{
	autobuf proof = { 0 };
	if (oauth_proof_make(&req->service->seal_keys[0], state, &proof))
		return oauth_consent_cookie(req, res, buf_slice(&proof));
	log_error(req->id, "making an OAuth proof failed");
	return STATUS_INTERNAL;
}

bool oauth_consent_proved(const struct request *req, struct slice state)
{
	return oauth_proof_check(req->service->seal_keys, req->service->seal_key_count, state, cookie_of(req));
}
