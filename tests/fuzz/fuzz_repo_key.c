/* fuzz_repo_key.c: any bytes as a repository's key and URL; what is taken needs no escapes anywhere, and the forms that
 * are made from a good key name it. */
#include <assert.h>

#include "fcgi/repo_key.h"
#include "lib/cleanup.h"
#include "lib/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char github[] = "https://github.example:8443/base";

static void check_key(struct slice key)
{
	static const char *const forms[] = {
		"https://github.example:8443/base/KEY", "https://github.example:8443/base/KEY.git/",
		"git@github.example:KEY.git",		"ssh://git@github.example/KEY.git",
		"ssh://git@github.example:2222/KEY",
	};
	autobuf escaped = { 0 };
	uri_encode(&escaped, key);
	/* Only the slash is escaped. */
	assert(key.len >= 3 && key.len <= 140 && escaped.len == key.len + 2 && key.ptr[0] != '-' && key.ptr[0] != '.');
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		autobuf url = { 0 };
		const char *hole = strstr(forms[i], "KEY");
		buf_add(&url, forms[i], (size_t)(hole - forms[i]));
		buf_add_slice(&url, key);
		buf_add_str(&url, hole + 3);
		assert(repo_url_names(buf_slice(&url), github, key));
		assert(!repo_url_names(buf_slice(&url), github, slice_make(key.ptr, key.len - 1)));
		assert(!repo_url_names(buf_slice(&url), "https://github.com", key));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice text = slice_make(copy, size);
	const struct slice key = SLICE_LIT("octo-org/Hello.World");
	if (repo_key_valid(text))
		check_key(text);
	if (repo_url_names(text, github, key)) {
		assert(memchr(copy, '/', size) && !memchr(copy, '%', size) && !memchr(copy, '?', size));
		for (size_t i = 0; i < size; i++)
			assert(copy[i] > 0x20 && copy[i] < 0x7f);
	}
	return 0;
}
