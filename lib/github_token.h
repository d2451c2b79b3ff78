/* github_token.h: the access token inside a sealed GitHub credential (PROTOCOL section 5). */
#ifndef CRAFT_GITHUB_TOKEN_H
#define CRAFT_GITHUB_TOKEN_H

#include "seal.h"

/* Appends the token of a sealed credential, opened with the first of the keys that fits. The buffer's memory is the
 * caller's to wipe. False: no key opens it, or there is no token in it. */
bool github_token_open(const struct seal_key *keys, size_t count, struct slice sealed, struct buf *token);

#endif
