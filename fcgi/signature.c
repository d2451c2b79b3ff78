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

bool signature_is(const char *key, struct slice path, const struct signature *signature)
{
	autobuf want = { 0 };
	return signature_make(key, path, signature->expires, &want) && want.len == signature->hex.len &&
	       CRYPTO_memcmp(want.data, signature->hex.ptr, want.len) == 0;
}

bool signature_is_ours(const struct auth_keys *keys, struct slice path, const struct signature *signature)
{
	bool current = signature_is(keys->current, path, signature);
	bool previous = keys->previous && signature_is(keys->previous, path, signature);
	return current || previous;
}

enum signature_result signature_read(struct slice query, int64_t now, struct signature *out)
{
	struct slice exp;
	/* Raw: what we write there needs no escapes. */
	size_t exp_count = uri_query_find(query, "exp", &exp);
	size_t sig_count = uri_query_find(query, "sig", &out->hex);
	if (exp_count == 0 && sig_count == 0)
		return SIGNATURE_NONE;
	if (exp_count != 1 || sig_count != 1 || !parse_expires(exp, &out->expires))
		return SIGNATURE_BAD;
	return out->hex.len == (size_t)2 * SIGNATURE_BYTES && now <= out->expires ? SIGNATURE_OK : SIGNATURE_BAD;
}

enum signature_result signature_check(const struct auth_keys *keys, struct slice path, struct slice query, int64_t now)
{
	struct signature signature;
	enum signature_result result = signature_read(query, now, &signature);
	if (result == SIGNATURE_OK && !signature_is_ours(keys, path, &signature))
		return SIGNATURE_BAD;
	return result;
}
