/* client_key.h: keys that clients encrypt with the API key before they send them (PROTOCOL section 7): AES-256-GCM
 * under PBKDF2-HMAC-SHA256 (RFC 8018) of the API key, 100,000 iterations, with a salt made of the workspace's slug. */
#ifndef CRAFT_CLIENT_KEY_H
#define CRAFT_CLIENT_KEY_H

#include "auth.h"
#include "seal.h"

/* How the salts are made: as the app does, and as the public documentation says. */
enum client_key_salt { CLIENT_KEY_SALT_APP, CLIENT_KEY_SALT_SLUG, CLIENT_KEY_SALTS };

/* Derives the key of one workspace; takes some 20 ms of CPU. False: OpenSSL failed. */
bool client_key_derive(const char *api_key, enum client_key_salt salt, struct slice slug, struct seal_key *out);

/* Keys that were derived before, so that a workspace's second message costs nothing. Not for two threads at once. */
struct client_keys;
struct client_keys *client_keys_new(const struct auth_keys *api_keys); /* api_keys must outlive it */
void client_keys_free(struct client_keys *keys);		       /* wipes them */

/* Appends the plaintext; the buffer's memory is the caller's to wipe. False: neither salt with neither API key opens
 * it, which includes text that isn't encrypted at all. */
bool client_keys_open(struct client_keys *keys, struct slice slug, struct slice base64, struct buf *plain);
/* The same with another key than those: a workspace's (api_key.h). */
bool client_keys_open_with(struct client_keys *keys, const char *api_key, struct slice slug, struct slice base64,
			   struct buf *plain);

#endif
