/* sha256.h: SHA-256 of texts, many a second. */
#ifndef CRAFT_SHA256_H
#define CRAFT_SHA256_H

#include "buf.h"

#define SHA256_BYTES 32

/* SHA-256 (FIPS 180-4) of the parts one after the other. Ends the process when there is no memory. Not for threads:
 * there is one context for all calls, as making one takes longer than hashing a short text. */
void sha256(const struct slice *parts, size_t count, unsigned char out[SHA256_BYTES]);

#endif
