/* universal_hash.c: libcrypto's Poly1305, one context for all. */
#include "universal_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

/* In a library context of its own: whatever the machine's openssl.cnf takes away, as this protects nothing outside. */
static EVP_MAC_CTX *context(void)
{
	static EVP_MAC_CTX *ctx;
	if (!ctx) {
		OSSL_LIB_CTX *library = OSSL_LIB_CTX_new(); /* for the life of the process */
		EVP_MAC *mac = library ? EVP_MAC_fetch(library, "POLY1305", NULL) : NULL;
		ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
		if (!ctx)
			abort();
		EVP_MAC_free(mac); /* the context has it */
	}
	return ctx;
}

void universal_hash_keyed(const unsigned char key[UNIVERSAL_HASH_KEY], struct slice text,
			  unsigned char out[UNIVERSAL_HASH_BYTES])
{
	EVP_MAC_CTX *ctx = context();
	size_t n;
	if (!EVP_MAC_init(ctx, key, UNIVERSAL_HASH_KEY, NULL) ||
	    !EVP_MAC_update(ctx, (const unsigned char *)(text.len ? text.ptr : ""), text.len) ||
	    !EVP_MAC_final(ctx, out, &n, UNIVERSAL_HASH_BYTES) || n != UNIVERSAL_HASH_BYTES)
		abort();
}

void universal_hash(struct slice text, unsigned char out[UNIVERSAL_HASH_BYTES])
{
	static unsigned char key[UNIVERSAL_HASH_KEY];
	static bool has_key;
	if (!has_key && getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		abort();
	has_key = true;
	universal_hash_keyed(key, text, out);
}
