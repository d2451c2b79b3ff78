/* signature.h: URLs that open one file for a while without the API key (PROTOCOL section 4):
 *   sig = hex(HMAC-SHA256(API key, "<path>:<exp>")), exp in seconds since 1970. */
#ifndef CRAFT_FCGI_SIGNATURE_H
#define CRAFT_FCGI_SIGNATURE_H

#include "auth.h"
#include "buf.h"

#define SIGNATURE_DEFAULT_TIME 900 /* seconds */
#define SIGNATURE_MAX_TIME 604800

/* Appends the 64 hex digits for path (decoded, without the leading slash). False: OpenSSL failed. */
bool signature_make(const char *key, struct slice path, int64_t expires, struct buf *out);

enum signature_result {
	SIGNATURE_NONE, /* the query has neither exp nor sig */
	SIGNATURE_BAD,	/* one is missing, empty, malformed or there twice; or expired; or not ours for this path */
	SIGNATURE_OK
};

/* Does the query (raw) hold a signature for path, by either key, that is good at `now` (seconds since 1970; exp itself
 * is the last good second)? exp is 1 to 12 digits without a leading zero, sig 64 lower-case hex digits, neither of them
 * percent-encoded; the signature is compared in constant time. */
enum signature_result signature_check(const struct auth_keys *keys, struct slice path, struct slice query, int64_t now);

#endif
