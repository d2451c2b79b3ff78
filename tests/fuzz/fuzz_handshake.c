/* fuzz_handshake.c: any bytes into the handshake parser: the same verdict however they come, slices
 * inside the request, and answers that are well-formed. */
#include <assert.h>
#include <stdlib.h>

#include "ws-bridge/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(struct slice s, const char *data, size_t head_len)
{
	if (!s.ptr)
		return;
	assert(s.ptr >= data && s.ptr + s.len <= data + head_len);
	for (size_t i = 0; i < s.len; i++)
		assert(s.ptr[i] != '\r' && s.ptr[i] != '\n' && s.ptr[i] != '\0');
}

static void check_request(const struct handshake *hs, const char *data, size_t len)
{
	assert(hs->head_len >= 4 && hs->head_len <= len && hs->head_len <= HANDSHAKE_HEAD_MAX);
	assert(memcmp(data + hs->head_len - 4, "\r\n\r\n", 4) == 0);
	assert(hs->method.len > 0 && hs->host.len > 0);
	assert(hs->target.len > 0 && hs->target.ptr[0] == '/' && !memchr(hs->target.ptr, ' ', hs->target.len));
	assert(!hs->deflate_window || hs->deflate);
	const struct slice all[] = { hs->method,  hs->target,	  hs->host, hs->authorization, hs->origin,
				     hs->real_ip, hs->request_id, hs->key,  hs->version,       hs->content_length };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check_slice(all[i], data, hs->head_len);
}

static void check_answer(enum handshake_result rc, const struct handshake *hs)
{
	autobuf out = { 0 };
	if (rc == HANDSHAKE_OK) {
		assert(hs->key.len == 24);
		assert(handshake_accept(hs, &out));
	} else {
		assert(hs->status >= 400 && hs->status < 600 && hs->error);
		handshake_error(&out, hs->status, hs->error);
		assert(strstr(buf_cstr(&out), "\r\n\r\n{\"error\":\""));
	}
	assert(strncmp(buf_cstr(&out), "HTTP/1.1 ", 9) == 0);
}

/* Parses bytes that come in pieces, each time from a block of exactly their size; the caller frees it. */
static enum handshake_result parse(struct handshake *hs, const uint8_t *data, size_t size, size_t step, char **block)
{
	enum handshake_result rc = HANDSHAKE_MORE;
	*block = NULL;
	for (size_t len = 0; rc == HANDSHAKE_MORE && len < size;) {
		len += step < size - len ? step : size - len;
		free(*block);
		*block = malloc(len);
		if (!*block)
			abort();
		memcpy(*block, data, len);
		rc = handshake_parse(hs, *block, len);
		if (rc == HANDSHAKE_OK)
			check_request(hs, *block, len);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct handshake whole = { 0 };
	struct handshake cut = { 0 };
	char *whole_block = NULL;
	char *cut_block = NULL;
	enum handshake_result rc = parse(&whole, data + 1, size - 1, size, &whole_block);
	/* quadratic, so not by single bytes when it is long */
	size_t step = 1U + data[0] + size / 64;
	enum handshake_result cut_rc =
		parse(&cut, data + 1, size - 1, size < 500 ? 1U + data[0] % 16U : step, &cut_block);
	assert(cut_rc == rc);
	assert(whole.status == cut.status && whole.head_len == cut.head_len && whole.deflate == cut.deflate);
	assert((whole.error == NULL) == (cut.error == NULL) && (!whole.error || strcmp(whole.error, cut.error) == 0));
	if (rc == HANDSHAKE_OK)
		rc = handshake_verify(&whole);
	if (rc != HANDSHAKE_MORE)
		check_answer(rc, &whole);
	free(whole_block);
	free(cut_block);
	return 0;
}
