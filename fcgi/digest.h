/* digest.h: digests of a body while it passes, and those that the client sent to compare: Repr-Digest and
 * Content-Digest (RFC 9530, sha-256), Content-MD5 (RFC 1864). */
#ifndef CRAFT_FCGI_DIGEST_H
#define CRAFT_FCGI_DIGEST_H

#include <openssl/evp.h>

#include "buf.h"

#define SHA256_SIZE 32
#define MD5_SIZE 16

/* What the client says the body's digests are. */
struct digest_wanted {
	bool has_sha256, has_md5;
	const char *sha256_header; /* where it came from */
	unsigned char sha256[SHA256_SIZE], md5[MD5_SIZE];
};

/* Reads the headers' values (empty: not sent). Other algorithms than sha-256 are passed over. NULL, or the name of the
 * header that is malformed or contradicts another. */
const char *digest_wanted_parse(struct digest_wanted *w, struct slice repr_digest, struct slice content_digest,
				struct slice content_md5);

/* Computing. */
struct digest {
	EVP_MD_CTX *sha256, *md5; /* md5 NULL: not wanted */
};
/* False: OpenSSL failed. Free it in any case. */
bool digest_begin(struct digest *d, bool with_md5);
bool digest_add(struct digest *d, const void *p, size_t n);
/* Ends it: the SHA-256. *mismatch: the name of the header that says otherwise, or NULL. */
bool digest_end(struct digest *d, const struct digest_wanted *wanted, unsigned char sha256[static SHA256_SIZE],
		const char **mismatch);
void digest_free(struct digest *d);

#endif
