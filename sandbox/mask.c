/* mask.c: secrets taken out of text. */
#include "mask.h"

static const char *const prefixes[] = { "sk-ant-", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_" };

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static const char *prefix_at(struct slice text)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (text.len >= n && memcmp(text.ptr, prefixes[i], n) == 0)
			return prefixes[i];
	}
	return NULL;
}

void mask_secrets(struct buf *out, struct slice text)
{
	while (text.len) {
		const char *prefix = prefix_at(text);
		size_t n = 1;
		if (prefix) {
			for (n = strlen(prefix); n < text.len && is_word(text.ptr[n]);)
				n++;
			buf_addf(out, "%s***", prefix);
		} else {
			buf_add_char(out, *text.ptr);
		}
		text = slice_make(text.ptr + n, text.len - n);
	}
}
