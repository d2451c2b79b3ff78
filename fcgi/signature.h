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

struct signature {
	int64_t expires;  /* seconds since 1970; the last good second */
	struct slice hex; /* 64 bytes; in the query */
};

/* Takes a signature out of a query (raw). SIGNATURE_OK: it is well-formed and good at `now`, whoever made it. exp is 1
 * to 12 digits without a leading zero, sig 64 lower-case hex digits, neither of them percent-encoded. */
enum signature_result signature_read(struct slice query, int64_t now, struct signature *out);

/* Was it made with this key for path? In constant time. */
bool signature_is(const char *key, struct slice path, const struct signature *signature);
/* With either of these? Both are tried, whichever it was. */
bool signature_is_ours(const struct auth_keys *keys, struct slice path, const struct signature *signature);

/* Both steps: does the query hold a signature for path, by either key, that is good at `now`? */
enum signature_result signature_check(const struct auth_keys *keys, struct slice path, struct slice query, int64_t now);

#endif
