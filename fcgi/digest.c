/* digest.c: computing digests, and reading those that a client sent. */
#include "digest.h"

#include <openssl/crypto.h>

#include "base64.h"
#include "structured.h"

/* ---- what the client sent ---- */

static struct slice trim(struct slice s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = slice_make(s.ptr + 1, s.len - 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The dictionary's last sha-256. False: malformed. */
static bool read_sha256(struct slice value, bool *found, unsigned char sha256[static SHA256_SIZE])
{
	bool good = true;
	*found = false;
	struct structured it = structured_dictionary(trim(value));
	while (structured_next(&it)) {
		if (!slice_eq_str(it.key, "sha-256"))
			continue;
		*found = true;
		good = it.is_bytes && base64_read_exactly(it.bytes, sha256, SHA256_SIZE);
	}
	return good && !it.malformed;
}

static bool add_sha256(struct digest_wanted *w, const char *header, struct slice value)
{
	bool found;
	unsigned char sha256[SHA256_SIZE];
	if (!read_sha256(value, &found, sha256))
		return false;
	if (!found)
		return true;
	if (w->has_sha256)
		return memcmp(w->sha256, sha256, SHA256_SIZE) == 0;
	memcpy(w->sha256, sha256, SHA256_SIZE);
	w->has_sha256 = true;
	w->sha256_header = header;
	return true;
}

const char *digest_wanted_parse(struct digest_wanted *w, struct slice repr_digest, struct slice content_digest,
				struct slice content_md5)
{
	*w = (struct digest_wanted){ 0 };
	if (!add_sha256(w, "Repr-Digest", repr_digest))
		return "Repr-Digest";
	if (!add_sha256(w, "Content-Digest", content_digest))
		return "Content-Digest";
	struct slice md5 = trim(content_md5);
	w->has_md5 = md5.len > 0;
	return w->has_md5 && !base64_read_exactly(md5, w->md5, MD5_SIZE) ? "Content-MD5" : NULL;
}

/* ---- computing ---- */

static EVP_MD_CTX *begin(const EVP_MD *algorithm)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (context && !EVP_DigestInit_ex(context, algorithm, NULL)) {
		EVP_MD_CTX_free(context);
		return NULL;
	}
	return context;
}

bool digest_begin(struct digest *d, bool with_md5)
{
	*d = (struct digest){ .sha256 = begin(EVP_sha256()), .md5 = with_md5 ? begin(EVP_md5()) : NULL };
	return d->sha256 && (d->md5 || !with_md5);
}

bool digest_add(struct digest *d, const void *p, size_t n)
{
	return EVP_DigestUpdate(d->sha256, p, n) && (!d->md5 || EVP_DigestUpdate(d->md5, p, n));
}

bool digest_end(struct digest *d, const struct digest_wanted *wanted, unsigned char sha256[static SHA256_SIZE],
		const char **mismatch)
{
	unsigned char md5[MD5_SIZE];
	*mismatch = NULL;
	if (!EVP_DigestFinal_ex(d->sha256, sha256, NULL))
		return false;
	if (wanted->has_sha256 && CRYPTO_memcmp(sha256, wanted->sha256, SHA256_SIZE) != 0)
		*mismatch = wanted->sha256_header;
	if (!wanted->has_md5)
		return true;
	if (!d->md5 || !EVP_DigestFinal_ex(d->md5, md5, NULL))
		return false;
	if (!*mismatch && CRYPTO_memcmp(md5, wanted->md5, MD5_SIZE) != 0)
		*mismatch = "Content-MD5";
	return true;
}

void digest_free(struct digest *d)
{
	EVP_MD_CTX_free(d->sha256);
	EVP_MD_CTX_free(d->md5);
	*d = (struct digest){ 0 };
}
