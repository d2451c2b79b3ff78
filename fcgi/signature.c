/* signature.c: making and checking the signatures of URLs. */
#include "signature.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "uri.h"

#define SIGNATURE_BYTES 32
#define EXPIRES_DIGITS 12

bool signature_make(const char *key, struct slice path, int64_t expires, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = sizeof(bytes);
	autobuf message = { 0 };
	buf_add_slice(&message, path);
	buf_add_char(&message, ':');
	buf_add_i64(&message, expires);
	if (!HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)message.data, message.len, bytes, &len) ||
	    len != SIGNATURE_BYTES)
		return false;
	for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
		buf_add_char(out, hex[bytes[i] >> 4]);
		buf_add_char(out, hex[bytes[i] & 15]);
	}
	return true;
}

/* No sign, no space and no leading zero: one number has one spelling, the one that was signed. */
static bool parse_expires(struct slice text, int64_t *expires)
{
	if (text.len == 0 || text.len > EXPIRES_DIGITS || text.ptr[0] == '0')
		return false;
	*expires = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*expires = *expires * 10 + (text.ptr[i] - '0');
	}
	return true;
}

static bool signed_with(const char *key, struct slice path, int64_t expires, struct slice signature)
{
	autobuf want = { 0 };
	return signature_make(key, path, expires, &want) && want.len == signature.len &&
	       CRYPTO_memcmp(want.data, signature.ptr, want.len) == 0;
}

enum signature_result signature_check(const struct auth_keys *keys, struct slice path, struct slice query, int64_t now)
{
	struct slice exp, sig;
	int64_t expires;
	/* Raw: what we write there needs no escapes. */
	size_t exp_count = uri_query_find(query, "exp", &exp);
	size_t sig_count = uri_query_find(query, "sig", &sig);
	if (exp_count == 0 && sig_count == 0)
		return SIGNATURE_NONE;
	if (exp_count != 1 || sig_count != 1 || !parse_expires(exp, &expires))
		return SIGNATURE_BAD;
	/* Both keys are tried, whichever it was. */
	bool current = signed_with(keys->current, path, expires, sig);
	bool previous = keys->previous && signed_with(keys->previous, path, expires, sig);
	return (current || previous) && now <= expires ? SIGNATURE_OK : SIGNATURE_BAD;
}
