/* client_key.c: keys that clients encrypt with the API key. */
#include "client_key.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "api_key.h"
#include "map.h"

#define ITERATIONS 100000
#define APP_PREFIX "craft-agent-sandbox:"
#define MAX_KEPT 512 /* then all are forgotten, and derived again when they are needed */

bool client_key_derive(const char *api_key, enum client_key_salt salt, struct slice slug, struct seal_key *out)
{
	autobuf text = { 0 };
	if (salt == CLIENT_KEY_SALT_APP)
		buf_add_str(&text, APP_PREFIX);
	buf_add_slice(&text, slug);
	return PKCS5_PBKDF2_HMAC(api_key, (int)strlen(api_key), (const unsigned char *)buf_cstr(&text), (int)text.len,
				 ITERATIONS, EVP_sha256(), SEAL_KEY_SIZE, out->bytes) == 1;
}

struct client_keys {
	const struct auth_keys *api_keys;
	struct map derived; /* "<0, 1 or cak_id><salt><slug>" -> struct seal_key */
};

struct client_keys *client_keys_new(const struct auth_keys *api_keys)
{
	struct client_keys *keys = xcalloc(1, sizeof(*keys));
	keys->api_keys = api_keys;
	return keys;
}

static void wipe_one(void *value, void *arg)
{
	(void)arg;
	OPENSSL_cleanse(value, sizeof(struct seal_key));
	free(value);
}

static void forget_all(struct client_keys *keys)
{
	map_each(&keys->derived, wipe_one, NULL);
	map_free(&keys->derived);
	keys->derived = (struct map){ 0 };
}

void client_keys_free(struct client_keys *keys)
{
	forget_all(keys);
	free(keys);
}

/* `name` says which API key it is, and is no secret. */
static const struct seal_key *find(struct client_keys *keys, struct slice name, const char *api_key,
				   enum client_key_salt salt, struct slice slug)
{
	autobuf place = { 0 };
	buf_add_slice(&place, name);
	buf_addf(&place, "%d", (int)salt);
	buf_add_slice(&place, slug);
	struct seal_key *key = map_get(&keys->derived, buf_slice(&place));
	if (key)
		return key;
	if (keys->derived.count >= MAX_KEPT)
		forget_all(keys);
	key = xcalloc(1, sizeof(*key));
	if (!client_key_derive(api_key, salt, slug, key)) {
		free(key);
		return NULL;
	}
	map_put(&keys->derived, buf_slice(&place), key);
	return key;
}

static bool open_by(struct client_keys *keys, struct slice name, const char *api_key, struct slice slug,
		    struct slice base64, struct buf *plain)
{
	for (int salt = 0; salt < CLIENT_KEY_SALTS; salt++) {
		const struct seal_key *key = find(keys, name, api_key, (enum client_key_salt)salt, slug);
		if (key && unseal(key, base64, plain))
			return true;
	}
	return false;
}

bool client_keys_open_with(struct client_keys *keys, const char *api_key, struct slice slug, struct slice base64,
			   struct buf *plain)
{
	struct slice id;
	if (!api_key_id(slice_of(api_key), &id))
		return false;
	/* "cak_<id>": no name of those below begins like it. */
	return open_by(keys, slice_make(api_key, (size_t)(id.ptr - api_key) + id.len), api_key, slug, base64, plain);
}

bool client_keys_open(struct client_keys *keys, struct slice slug, struct slice base64, struct buf *plain)
{
	const struct auth_keys *ours = keys->api_keys;
	return open_by(keys, SLICE_LIT("0"), ours->current, slug, base64, plain) ||
	       (ours->previous && open_by(keys, SLICE_LIT("1"), ours->previous, slug, base64, plain));
}
