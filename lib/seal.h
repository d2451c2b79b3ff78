/* seal.h: secrets at rest (PROTOCOL section 5): AES-256-GCM under ENCRYPTION_KEY, and keys derived from it. */
#ifndef CRAFT_SEAL_H
#define CRAFT_SEAL_H

#include "buf.h"

#define SEAL_KEY_SIZE 32
#define SEAL_IV_SIZE 12
#define SEAL_TAG_SIZE 16
#define SEAL_MAX_PLAIN ((size_t)1 << 20) /* bytes of a secret */

/* Wipe it with OPENSSL_cleanse when it is no longer needed. */
struct seal_key {
	unsigned char bytes[SEAL_KEY_SIZE];
};

/* Reads 64 hex digits, of either case, and nothing else. False: *out is unchanged. hex may not be NULL. */
bool seal_key_parse(const char *hex, struct seal_key *out);

/* Appends base64(IV ‖ ciphertext ‖ tag) under a random IV. False: too long, or OpenSSL failed; nothing is
 * appended. */
bool seal(const struct seal_key *k, struct slice plain, struct buf *base64_out);
/* The same under a given IV, which may never be used twice with a key: for test vectors. */
bool seal_with_iv(const struct seal_key *k, const unsigned char iv[static SEAL_IV_SIZE], struct slice plain,
		  struct buf *base64_out);

/* Appends the plaintext; the buffer's memory is the caller's to wipe. False: malformed, not sealed with this key, or
 * OpenSSL failed; nothing is appended. */
bool unseal(const struct seal_key *k, struct slice base64, struct buf *plain);

/* ---- bound to a place ----
 * The newer form: "2:" before base64(IV ‖ ciphertext ‖ tag), with what the text is for and where it belongs as
 * associated data (purpose, workspace and item, each behind its length in 4 bytes, most first). Who may write rows, but
 * hasn't the key, can't have a secret used in another place than its own. The older form, without that, stays readable.
 * Which one is written is the database's to say (api.seal_form()), because the daemons of the release before read the
 * older one only. */

#define SEAL_BOUND_PREFIX "2:"
enum seal_form { SEAL_UNBOUND = 1, SEAL_BOUND = 2 };

#define SEAL_CREDENTIAL "github credential" /* item: owner/repo in lower case */
#define SEAL_API_KEY "api key"		    /* no item: the key's id is in its text */

struct seal_place {
	const char *purpose;
	struct slice workspace; /* its slug */
	struct slice item;	/* may be empty */
};

bool seal_is_bound(struct slice text);
/* As seal(), in the form that is asked for. */
bool seal_at(const struct seal_key *k, enum seal_form form, const struct seal_place *place, struct slice plain,
	     struct buf *out);
/* As unseal(), of either form. False also: it was sealed for another place. */
bool unseal_at(const struct seal_key *k, const struct seal_place *place, struct slice text, struct buf *plain);

/* A key for another purpose: HKDF-SHA256 (RFC 5869) of the key, empty salt, info = label. False: OpenSSL failed. */
bool seal_derive(const struct seal_key *k, const char *label, unsigned char out[static SEAL_KEY_SIZE]);

#endif
