/* api_key.c: the text of workspaces' keys. */
#include "api_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define PREFIX "cak_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)
#define RANDOM ((API_KEY_ID + API_KEY_SECRET) / 2)

static void add_hex(struct buf *out, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		buf_add_char(out, digits[bytes[i] >> 4]);
		buf_add_char(out, digits[bytes[i] & 15]);
	}
}

bool api_key_make(struct buf *out)
{
	unsigned char bytes[RANDOM];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	/* Room for all of it at once: no copy is left behind when the buffer grows. */
	(void)buf_reserve(out, API_KEY_LENGTH + 1);
	buf_add_str(out, PREFIX);
	add_hex(out, bytes, API_KEY_ID / 2);
	buf_add_char(out, '_');
	add_hex(out, bytes + API_KEY_ID / 2, API_KEY_SECRET / 2);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return true;
}

static bool is_hex(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	}
	return true;
}

bool api_key_id(struct slice text, struct slice *id)
{
	if (text.len != API_KEY_LENGTH || memcmp(text.ptr, PREFIX, PREFIX_LENGTH) != 0)
		return false;
	const char *digits = text.ptr + PREFIX_LENGTH;
	if (digits[API_KEY_ID] != '_' || !is_hex(digits, API_KEY_ID) ||
	    !is_hex(digits + API_KEY_ID + 1, API_KEY_SECRET))
		return false;
	*id = slice_make(digits, API_KEY_ID);
	return true;
}

bool api_key_hash(struct slice text, unsigned char out[static API_KEY_HASH])
{
	return EVP_Digest(text.ptr, text.len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool api_key_is(const unsigned char given[static API_KEY_HASH], struct slice hash)
{
	return hash.len == API_KEY_HASH && CRYPTO_memcmp(given, hash.ptr, API_KEY_HASH) == 0;
}
