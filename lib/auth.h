/* auth.h: does a request carry the API key? (PROTOCOL: Authorization: Bearer, or ?apiKey=, the header wins.) */
#ifndef CRAFT_AUTH_H
#define CRAFT_AUTH_H

#include "buf.h"

/* The keys that open everything. The configuration's. */
struct auth_keys {
	const char *current;
	const char *previous; /* still good while a rotation lasts; NULL: none */
};

enum auth_result {
	AUTH_NONE,	/* no key was sent */
	AUTH_WRONG,	/* a key was sent, and it isn't ours */
	AUTH_WORKSPACE, /* one was sent that looks like a workspace's (api_key.h): the database knows */
	AUTH_OK
};

/* authorization: the header's value, empty when there is none (another scheme than Bearer counts as none).
 * query: the target's query. Keys are compared in constant time. */
enum auth_result auth_check(const struct auth_keys *keys, struct slice authorization, struct slice query);

/* The key that such a request came with, appended: for AUTH_WORKSPACE. Its memory is the caller's to wipe. */
void auth_given(struct slice authorization, struct slice query, struct buf *key);

#endif
