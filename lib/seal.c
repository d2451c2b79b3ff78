/* seal.c: sealing secrets, and deriving keys. */
#include "seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base64.h"
#include "cleanup.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const char *hex, unsigned char *out)
{
	if (strlen(hex) != (size_t)2 * SEAL_KEY_SIZE)
		return false;
	for (size_t i = 0; i < SEAL_KEY_SIZE; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

bool seal_key_parse(const char *hex, struct seal_key *out)
{
	struct seal_key key = { 0 };
	bool ok = parse_hex(hex, key.bytes);
	if (ok)
		*out = key;
	OPENSSL_cleanse(&key, sizeof(key));
	return ok;
}

/* ---- AES-256-GCM ---- */

static void free_cipher(EVP_CIPHER_CTX **ctx)
{
	/* It wipes the key. */
	EVP_CIPHER_CTX_free(*ctx);
}
#define autocipher autocall(free_cipher) EVP_CIPHER_CTX

static const unsigned char *bytes_of(struct slice s)
{
	return (const unsigned char *)s.ptr;
}

/* Writes the ciphertext and the tag. aad may be empty. */
static bool encrypt(const struct seal_key *k, const unsigned char *iv, struct slice aad, struct slice plain,
		    unsigned char *out)
{
	int len;
	autocipher *ctx = EVP_CIPHER_CTX_new();
	return ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, iv) == 1 &&
	       (!aad.len || EVP_EncryptUpdate(ctx, NULL, &len, bytes_of(aad), (int)aad.len) == 1) &&
	       EVP_EncryptUpdate(ctx, out, &len, (const unsigned char *)plain.ptr, (int)plain.len) == 1 &&
	       EVP_EncryptFinal_ex(ctx, out + plain.len, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, out + plain.len) == 1;
}

/* Writes the plaintext of n bytes; what stands there is worth nothing unless it returns true. */
static bool decrypt(const struct seal_key *k, const unsigned char *iv, struct slice aad, const unsigned char *in,
		    size_t n, unsigned char *out)
{
	int len;
	unsigned char tag[SEAL_TAG_SIZE];
	autocipher *ctx = EVP_CIPHER_CTX_new();
	memcpy(tag, in + n, SEAL_TAG_SIZE);
	return ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, iv) == 1 &&
	       (!aad.len || EVP_DecryptUpdate(ctx, NULL, &len, bytes_of(aad), (int)aad.len) == 1) &&
	       EVP_DecryptUpdate(ctx, out, &len, in, (int)n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, out + n, &len) == 1;
}

static bool seal_raw(const struct seal_key *k, const unsigned char *iv, struct slice aad, struct slice plain,
		     const char *prefix, struct buf *out)
{
	autobuf raw = { 0 };
	if (plain.len > SEAL_MAX_PLAIN)
		return false;
	buf_add(&raw, iv, SEAL_IV_SIZE);
	unsigned char *at = (unsigned char *)buf_reserve(&raw, plain.len + SEAL_TAG_SIZE);
	if (!encrypt(k, iv, aad, plain, at))
		return false;
	raw.len += plain.len + SEAL_TAG_SIZE;
	buf_add_str(out, prefix);
	base64_add(out, BASE64_STANDARD, raw.data, raw.len);
	return true;
}

bool seal_with_iv(const struct seal_key *k, const unsigned char iv[static SEAL_IV_SIZE], struct slice plain,
		  struct buf *base64_out)
{
	return seal_raw(k, iv, slice_make(NULL, 0), plain, "", base64_out);
}

bool seal(const struct seal_key *k, struct slice plain, struct buf *base64_out)
{
	unsigned char iv[SEAL_IV_SIZE];
	return RAND_bytes(iv, sizeof(iv)) == 1 && seal_with_iv(k, iv, plain, base64_out);
}

static bool unseal_raw(const struct seal_key *k, struct slice aad, struct slice base64, struct buf *plain)
{
	autobuf raw = { 0 };
	const size_t around = SEAL_IV_SIZE + SEAL_TAG_SIZE;
	if (base64.len > (SEAL_MAX_PLAIN + around) / 3 * 4 + 4 || !base64_read(base64, BASE64_STANDARD, &raw) ||
	    raw.len < around)
		return false;
	const unsigned char *in = (const unsigned char *)raw.data;
	size_t n = raw.len - around;
	unsigned char *out = (unsigned char *)buf_reserve(plain, n + 1);
	if (!decrypt(k, in, aad, in + SEAL_IV_SIZE, n, out)) {
		OPENSSL_cleanse(out, n);
		return false;
	}
	plain->len += n;
	return true;
}

bool unseal(const struct seal_key *k, struct slice base64, struct buf *plain)
{
	return unseal_raw(k, slice_make(NULL, 0), base64, plain);
}

/* ---- bound to a place ---- */

/* Each text behind its length, so that none runs into the next. */
static void add_place(struct buf *aad, const struct seal_place *place)
{
	const struct slice texts[] = { slice_of(place->purpose), place->workspace, place->item };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		for (int shift = 24; shift >= 0; shift -= 8)
			buf_add_char(aad, (char)(texts[i].len >> shift & 0xff));
		buf_add_slice(aad, texts[i]);
	}
}

bool seal_is_bound(struct slice text)
{
	return text.len > strlen(SEAL_BOUND_PREFIX) &&
	       memcmp(text.ptr, SEAL_BOUND_PREFIX, strlen(SEAL_BOUND_PREFIX)) == 0;
}

bool seal_at(const struct seal_key *k, enum seal_form form, const struct seal_place *place, struct slice plain,
	     struct buf *out)
{
	unsigned char iv[SEAL_IV_SIZE];
	autobuf aad = { 0 };
	if (form != SEAL_BOUND)
		return seal(k, plain, out);
	add_place(&aad, place);
	return RAND_bytes(iv, sizeof(iv)) == 1 && seal_raw(k, iv, buf_slice(&aad), plain, SEAL_BOUND_PREFIX, out);
}

bool unseal_at(const struct seal_key *k, const struct seal_place *place, struct slice text, struct buf *plain)
{
	autobuf aad = { 0 };
	if (!seal_is_bound(text))
		return unseal(k, text, plain);
	add_place(&aad, place);
	size_t n = strlen(SEAL_BOUND_PREFIX);
	return unseal_raw(k, buf_slice(&aad), slice_make(text.ptr + n, text.len - n), plain);
}

/* ---- HKDF ---- */

static void free_kdf(EVP_KDF **kdf)
{
	EVP_KDF_free(*kdf);
}

static void free_kdf_ctx(EVP_KDF_CTX **ctx)
{
	EVP_KDF_CTX_free(*ctx);
}

bool seal_derive(const struct seal_key *k, const char *label, unsigned char out[static SEAL_KEY_SIZE])
{
	char digest[] = "SHA256";
	struct seal_key key = *k;
	autofree char *info = xstrdup(label);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.bytes, sizeof(key.bytes)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	autocall(free_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	autocall(free_kdf_ctx) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, out, SEAL_KEY_SIZE, params) == 1;
	OPENSSL_cleanse(&key, sizeof(key));
	return ok;
}
