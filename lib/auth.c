/* auth.c: the API keys. */
#include "auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>

#include "api_key.h"
#include "uri.h"

/* Digests are compared, so that neither length nor content of the key shows in the time taken. */
static bool same_key(const char *api_key, struct slice given)
{
	unsigned char want[32], got[32];
	if (!EVP_Digest(api_key, strlen(api_key), want, NULL, EVP_sha256(), NULL) ||
	    !EVP_Digest(given.ptr, given.len, got, NULL, EVP_sha256(), NULL))
		return false;
	return CRYPTO_memcmp(want, got, sizeof(want)) == 0;
}

/* All keys are compared, whichever matches. */
static enum auth_result compare(const struct auth_keys *keys, struct slice given)
{
	bool current = same_key(keys->current, given);
	bool previous = keys->previous && same_key(keys->previous, given);
	struct slice id;
	if (current || previous)
		return AUTH_OK;
	return api_key_id(given, &id) ? AUTH_WORKSPACE : AUTH_WRONG;
}

/* The token of "Bearer <token>"; false for another scheme. */
static bool bearer_token(struct slice header, struct slice *token)
{
	static const char scheme[] = "Bearer";
	size_t n = sizeof(scheme) - 1;
	if (header.len < n || strncasecmp(header.ptr, scheme, n) != 0)
		return false;
	if (header.len > n && header.ptr[n] != ' ' && header.ptr[n] != '\t')
		return false;
	while (n < header.len && (header.ptr[n] == ' ' || header.ptr[n] == '\t'))
		n++;
	*token = slice_make(header.ptr + n, header.len - n);
	while (token->len && (token->ptr[token->len - 1] == ' ' || token->ptr[token->len - 1] == '\t'))
		token->len--;
	return true;
}

enum auth_result auth_check(const struct auth_keys *keys, struct slice authorization, struct slice query)
{
	struct slice token;
	if (bearer_token(authorization, &token))
		return compare(keys, token);
	autowiped key = { 0 };
	if (!uri_query_get(query, "apiKey", &key))
		return AUTH_NONE;
	return compare(keys, slice_make(key.data ? key.data : "", key.len));
}

void auth_given(struct slice authorization, struct slice query, struct buf *key)
{
	struct slice token;
	if (bearer_token(authorization, &token))
		buf_add_slice(key, token);
	else
		(void)uri_query_get(query, "apiKey", key);
}
