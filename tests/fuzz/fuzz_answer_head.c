/* fuzz_answer_head.c: any bytes as the head of a server's answer: what the client gets is a well-formed head that ends
 * where it should, says in one way how long the body is, and holds no secret, cookie or field of the other connection.
 * In the input, the byte 1 stands for the secret. */
#include <assert.h>
#include <ctype.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "sandbox/gateway/answer_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "sk-ant-5ec4e7"

static bool is_field(struct slice line, const char *name)
{
	size_t n = strlen(name);
	return line.len > n && line.ptr[n] == ':' && strncasecmp(line.ptr, name, n) == 0;
}

static struct slice take_line(struct slice *rest)
{
	const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
	assert(end);
	struct slice line = slice_make(rest->ptr, (size_t)(end - rest->ptr));
	*rest = slice_make(end + 2, rest->len - line.len - 2);
	return line;
}

static void check_line(struct slice line)
{
	static const char *const never[] = { "set-cookie",	   "keep-alive",       "upgrade", "trailer",
					     "proxy-authenticate", "www-authenticate", "alt-svc" };
	const char *colon = memchr(line.ptr, ':', line.len);
	assert(colon && colon > line.ptr);
	for (const char *c = line.ptr; c < colon; c++)
		assert(isalnum((unsigned char)*c) || (*c && strchr("!#$%&'*+-.^_`|~", *c)));
	for (size_t i = 0; i < line.len; i++)
		assert((unsigned char)line.ptr[i] >= 0x20 || line.ptr[i] == '\t');
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		assert(!is_field(line, never[i]));
	if (is_field(line, "content-length"))
		for (size_t i = strlen("content-length: "); i < line.len; i++)
			assert(isdigit((unsigned char)line.ptr[i]) && line.len > strlen("content-length: "));
}

static void check_head(const struct answer_head *a, struct slice head, bool close)
{
	unsigned lengths = 0, codings = 0, connections = 0;
	struct slice line = take_line(&head);
	assert(line.len == strlen("HTTP/1.1 200 ") && memcmp(line.ptr, "HTTP/1.1 ", 9) == 0);
	while ((line = take_line(&head)).len) {
		check_line(line);
		lengths += is_field(line, "content-length");
		codings += is_field(line, "transfer-encoding");
		connections += is_field(line, "connection");
	}
	assert(head.len == 0 && lengths + codings <= 1 && codings == a->chunked && connections == close);
	assert(lengths + codings == 1 || a->status == 204 || a->status == 304);
}

/* As libcurl does: a line at a time, with its end. False: there is no whole head. */
static bool feed(struct answer_head *a, struct slice text, struct slice secret)
{
	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t n = end ? (size_t)(end - text.ptr) + 1 : text.len;
		/* An exact copy, so that reading beyond the end is seen. */
		autofree char *copy = xmalloc(n);
		memcpy(copy, text.ptr, n);
		enum answer_head_result result = answer_head_add(a, slice_make(copy, n), secret);
		if (result != ANSWER_HEAD_MORE)
			return result == ANSWER_HEAD_WHOLE;
		text = slice_make(text.ptr + n, text.len - n);
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_head a = { 0 };
	autobuf text = { 0 }, out = { 0 };
	for (size_t i = 1; i < size; i++) {
		if (data[i] == 1)
			buf_add_str(&text, SECRET);
		else
			buf_add_char(&text, (char)data[i]);
	}
	if (text.len && feed(&a, buf_slice(&text), SLICE_LIT(SECRET))) {
		answer_head_write(&a, &out, data[0] & 1);
		assert(a.status >= 200 && a.status <= 999 && !memmem(out.data, out.len, SECRET, strlen(SECRET)));
		check_head(&a, buf_slice(&out), data[0] & 1);
	}
	answer_head_free(&a);
	return 0;
}
