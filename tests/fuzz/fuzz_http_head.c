/* fuzz_http_head.c: any bytes as the head of a request, as a chunked body, as hosts: the same verdict however they
 * come, slices inside the bytes, and nothing that can be read in two ways. */
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "sandbox/gateway/allow.h"
#include "sandbox/gateway/http_chunked.h"
#include "sandbox/gateway/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(struct slice s, struct slice bytes)
{
	assert(s.ptr >= bytes.ptr && s.ptr + s.len <= bytes.ptr + bytes.len);
	for (size_t i = 0; i < s.len; i++)
		assert(s.ptr[i] != '\r' && s.ptr[i] != '\n' && s.ptr[i] != '\0');
}

static void check_head(const struct http_head *head, struct slice bytes)
{
	unsigned lengths = 0, codings = 0, hosts = 0;
	assert(bytes.len >= 4 && bytes.len <= HTTP_HEAD_MAX && memcmp(bytes.ptr + bytes.len - 4, "\r\n\r\n", 4) == 0);
	/* The head ends at the first empty line. */
	assert(memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4) == bytes.ptr + bytes.len - 4);
	check_slice(head->method, bytes);
	check_slice(head->target, bytes);
	assert(head->method.len > 0 && head->target.len > 0 && !memchr(head->target.ptr, ' ', head->target.len));
	for (size_t i = 0; i < head->count; i++) {
		check_slice(head->fields[i].name, bytes);
		check_slice(head->fields[i].value, bytes);
		assert(http_token(head->fields[i].name));
		lengths += http_same(head->fields[i].name, "content-length");
		codings += http_same(head->fields[i].name, "transfer-encoding");
		hosts += http_same(head->fields[i].name, "host");
	}
	assert(lengths + codings <= 1 && hosts <= 1 && (hosts == 1 || head->old));
	assert(head->has_length == (lengths == 1) && head->chunked == (codings == 1));
	assert(!(head->chunked && head->old));
}

/* Is name an item of a Connection field? By a second reading, of a C string. */
static bool is_listed(const struct http_head *head, struct slice name)
{
	bool found = false;
	autofree char *want = slice_dup(name);
	for (size_t i = 0; i < head->count; i++) {
		autofree char *value = slice_dup(head->fields[i].value);
		char *rest = value;
		for (char *item; http_same(head->fields[i].name, "connection") && (item = strsep(&rest, ","));) {
			item += strspn(item, " \t");
			for (size_t n = strlen(item); n && strchr(" \t", item[n - 1]); n--)
				item[n - 1] = '\0';
			found = found || (*item && strcasecmp(item, want) == 0);
		}
	}
	return found;
}

/* What is listed stays on this connection, and so do fields that are there always. */
static void check_connection(const struct http_head *head)
{
	for (size_t i = 0; i < head->count; i++) {
		struct slice name = head->fields[i].name, value;
		autofree char *text = slice_dup(name);
		assert(http_head_get(head, text, &value) && value.ptr <= head->fields[i].value.ptr);
		bool hop = http_head_hop_by_hop(head, name);
		assert(!is_listed(head, name) || hop);
		assert(hop || !http_head_hop_by_hop(NULL, name));
		assert(!hop || is_listed(head, name) || http_head_hop_by_hop(NULL, name));
	}
}

/* More bytes can make a whole head, but no other one. */
static void check_prefixes(struct slice bytes, enum http_head_result whole, size_t used)
{
	struct http_head head;
	for (size_t n = 0; n < bytes.len && n < 300; n++) {
		autofree char *part = xmalloc(n + !n);
		size_t part_used;
		memcpy(part, bytes.ptr, n);
		enum http_head_result result = http_head_parse(slice_make(part, n), &head, &part_used);
		if (result == HTTP_HEAD_OK)
			assert(whole == HTTP_HEAD_OK && part_used == used);
		else if (result == HTTP_HEAD_BAD)
			assert(whole == HTTP_HEAD_BAD);
	}
}

static enum http_chunked_result decode(struct slice in, size_t step, struct buf *out, size_t *at)
{
	struct http_chunked c = { 0 };
	enum http_chunked_result result = HTTP_CHUNKED_MORE;
	*at = 0;
	while (*at < in.len && result != HTTP_CHUNKED_END && result != HTTP_CHUNKED_BAD) {
		size_t used, n = in.len - *at < step ? in.len - *at : step;
		struct slice data, piece = slice_make(in.ptr + *at, n);
		result = http_chunked_read(&c, piece, &used, &data);
		assert(used <= n && (used > 0 || result == HTTP_CHUNKED_BAD));
		if (result == HTTP_CHUNKED_DATA) {
			check_slice(slice_make(data.ptr, 0), piece);
			assert(data.len > 0 && data.ptr + data.len <= piece.ptr + n);
			buf_add_slice(out, data);
		}
		*at += used;
	}
	return result;
}

static void check_chunked(struct slice in)
{
	autobuf whole = { 0 }, parts = { 0 };
	size_t used, used_by_parts;
	enum http_chunked_result a = decode(in, in.len, &whole, &used);
	enum http_chunked_result b = decode(in, 1, &parts, &used_by_parts);
	assert((a == HTTP_CHUNKED_END) == (b == HTTP_CHUNKED_END) &&
	       (a == HTTP_CHUNKED_BAD) == (b == HTTP_CHUNKED_BAD));
	assert(slice_eq(buf_slice(&whole), buf_slice(&parts)) && used == used_by_parts);
}

static void check_hosts(struct slice text)
{
	struct host host, again;
	unsigned port;
	struct allow_list list = { 0 };
	autobuf error = { 0 };
	if (host_port_parse(text, 0, &host, &port)) {
		assert(port >= 1 && port <= 65535 && strlen(host.name) <= HOST_MAX && host.name[0]);
		for (const char *c = host.name; *c; c++)
			assert(*c > 0x20 && *c < 0x7f && *c != '/' && *c != '@' && (host.literal || *c != ':'));
		/* What is asked of the name server is what was checked. */
		if (!host.literal)
			assert(host_parse(slice_of(host.name), &again) && strcmp(again.name, host.name) == 0);
		else
			assert(address_parse(host.name, &again.address) &&
			       address_equal(&again.address, &host.address));
		assert(allow_name(&list, &host, port) == ALLOW_NO);
	}
	(void)allow_list_add(&list, text, &error);
	allow_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice bytes = slice_make(copy, size);
	struct http_head head;
	size_t used = 0;
	enum http_head_result result = http_head_parse(bytes, &head, &used);
	if (result == HTTP_HEAD_OK) {
		check_head(&head, slice_make(copy, used));
		check_connection(&head);
	}
	check_prefixes(bytes, result, used);
	check_chunked(bytes);
	check_hosts(bytes);
	return 0;
}
