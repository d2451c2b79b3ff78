/* api_key.h: keys that open one workspace (craft-cloud key add), as text: "cak_<id>_<secret>". The id, 16 hex digits,
 * finds the key's row in the database; the secret is 256 random bits in hex. So the text's SHA-256 opens nothing, and
 * comparing that is enough. */
#ifndef CRAFT_API_KEY_H
#define CRAFT_API_KEY_H

#include "buf.h"

#define API_KEY_ID 16 /* digits */
#define API_KEY_SECRET 64
#define API_KEY_LENGTH (4 + API_KEY_ID + 1 + API_KEY_SECRET)
#define API_KEY_HASH 32
#define API_KEYS_MAX 100 /* of a workspace that aren't revoked; see api.key_add */

/* Appends a new one. False: no random bytes are to be had; nothing is appended. */
bool api_key_make(struct buf *out);

/* The id of a text that looks like one; false: it doesn't. The id lies in the text. */
bool api_key_id(struct slice text, struct slice *id);

/* False: OpenSSL failed. */
bool api_key_hash(struct slice text, unsigned char out[static API_KEY_HASH]);

/* In constant time. hash: API_KEY_HASH bytes, else it is none. */
bool api_key_is(const unsigned char given[static API_KEY_HASH], struct slice hash);

/* Why a request with a key that is right doesn't get what it asks for. */
#define API_KEY_OTHER_WORKSPACE "This key is for another workspace"
#define API_KEY_READ_ONLY "This key is read-only: nothing was changed"

#endif
