/* universal_hash.h: tells texts apart much faster than SHA-256, inside of one process: a keyed hash whose key is random
 * and whose values never leave it. */
#ifndef CRAFT_UNIVERSAL_HASH_H
#define CRAFT_UNIVERSAL_HASH_H

#include "buf.h"

#define UNIVERSAL_HASH_BYTES 16

/* Poly1305 (RFC 8439) under a key that the process drew at its first call and uses for all texts: the value of a
 * polynomial, whose coefficients are the text's, at a secret point.
 *
 * Two different texts of at most n bytes, whoever chose them, have the same value at 8 * ceil(n / 16) of the 2^106
 * points at most: of 1 GB, with a probability of 2^-77. To find two one has to know the point, or at least some value;
 * so none may be stored, sent or logged. All that anybody can see is whether two texts were taken for the same, which
 * says "no" until somebody has guessed right, and each "no" rules out no more points than that. As an authenticator it
 * is no good: that needs a new key for each text.
 *
 * Ends the process when there is no memory. Not for threads: there is one context for all calls. */
void universal_hash(struct slice text, unsigned char out[UNIVERSAL_HASH_BYTES]);

/* The same under a key that is given: what the tests compare with the RFC. */
#define UNIVERSAL_HASH_KEY 32
void universal_hash_keyed(const unsigned char key[UNIVERSAL_HASH_KEY], struct slice text,
			  unsigned char out[UNIVERSAL_HASH_BYTES]);

#endif
