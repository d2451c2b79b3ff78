/* fuzz_digest.c: any bytes as the headers with digests; what is accepted means the same in another spelling. */
#include <assert.h>
#include <openssl/evp.h>

#include "fcgi/digest.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_text(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if ((data[i] < 0x20 && data[i] != '\t') || data[i] > 0x7E)
			return false;
	}
	return true;
}

/* The same digests written by us are read as the same. */
static void check_spelling(const struct digest_wanted *w)
{
	struct digest_wanted again;
	unsigned char sha256[64], md5[32];
	autobuf repr = { 0 };
	(void)EVP_EncodeBlock(sha256, w->sha256, SHA256_SIZE);
	(void)EVP_EncodeBlock(md5, w->md5, MD5_SIZE);
	buf_addf(&repr, "sha-256=:%s:", (const char *)sha256);
	assert(!digest_wanted_parse(&again, buf_slice(&repr), SLICE_LIT(""), slice_of((const char *)md5)));
	assert(memcmp(again.sha256, w->sha256, SHA256_SIZE) == 0 && memcmp(again.md5, w->md5, MD5_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest_wanted w;
	const struct slice none = SLICE_LIT("");
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice text = slice_make(copy, size);
	const char *fault = digest_wanted_parse(&w, text, none, none);
	if (!fault) {
		assert(is_text(data, size) && !w.has_md5 && w.has_sha256 == (w.sha256_header != NULL));
		check_spelling(&w);
		assert(!digest_wanted_parse(&w, text, text, none));
		autobuf twice = { 0 };
		buf_addf(&twice, "%.*s%s%.*s", (int)size, copy, w.has_sha256 ? "," : "", w.has_sha256 ? (int)size : 0,
			 copy);
		assert(!digest_wanted_parse(&w, buf_slice(&twice), none, none));
	}
	if (!digest_wanted_parse(&w, none, none, text)) {
		assert(!w.has_sha256);
		check_spelling(&w);
	}
	return 0;
}
