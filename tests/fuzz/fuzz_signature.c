/* fuzz_signature.c: any path and query: without the key nothing opens, and what is made opens its own path only. */
#include <assert.h>

#include "fcgi/signature.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1767225600

/* Not those that seeds are signed with. */
static const struct auth_keys keys = { "fuzz-api-key-1", "fuzz-api-key-0" };

static void check_own(struct slice path, struct slice rest)
{
	autobuf query = { 0 }, other = { 0 };
	buf_addf(&query, "exp=%d&sig=", NOW);
	assert(signature_make(keys.previous, path, NOW, &query));
	assert(signature_check(&keys, path, buf_slice(&query), NOW) == SIGNATURE_OK);
	assert(signature_check(&keys, path, buf_slice(&query), NOW + 1) == SIGNATURE_BAD);
	buf_add_slice(&other, path);
	buf_add_char(&other, 'x');
	assert(signature_check(&keys, buf_slice(&other), buf_slice(&query), NOW) == SIGNATURE_BAD);
	/* What stands behind can spoil it, by a second of the two, but never hides it. */
	buf_add_char(&query, '&');
	buf_add_slice(&query, rest);
	assert(signature_check(&keys, path, buf_slice(&query), NOW) != SIGNATURE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* Exact copies, so that reading beyond the end is seen. */
	size_t path_len = data[0] < size ? data[0] : size - 1, query_len = size - 1 - path_len;
	autofree char *path = xmalloc(path_len + !path_len), *query = xmalloc(query_len + !query_len);
	memcpy(path, data + 1, path_len);
	memcpy(query, data + 1 + path_len, query_len);
	struct slice p = slice_make(path, path_len), q = slice_make(query, query_len);
	enum signature_result result = signature_check(&keys, p, q, NOW);
	assert(result == SIGNATURE_NONE || result == SIGNATURE_BAD);
	check_own(p, q);
	return 0;
}
