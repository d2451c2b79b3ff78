/* answer_head.c: cleans the heads of answers. */
#include "answer_head.h"

#include "http_head.h"

static struct slice without_line_end(struct slice line)
{
	while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	return line;
}

static bool has_controls(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
			return true;
	return false;
}

static bool is_status_line(struct slice line)
{
	return line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0;
}

/* "HTTP/1.1 200 OK" begins a new head: one before it was provisional. */
static void begin(struct answer_head *a, struct slice line)
{
	const char *blank = memchr(line.ptr, ' ', line.len);
	size_t at = blank ? (size_t)(blank - line.ptr) + 1 : line.len;
	answer_head_free(a);
	for (; at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9' && a->status < 100; at++)
		a->status = a->status * 10 + (line.ptr[at] - '0');
}

static const char *find(struct slice text, struct slice secret)
{
	return secret.len && text.len ? memmem(text.ptr, text.len, secret.ptr, secret.len) : NULL;
}

static void add_masked(struct buf *out, struct slice value, struct slice secret)
{
	const char *at;
	while ((at = find(value, secret))) {
		size_t before = (size_t)(at - value.ptr);
		buf_add(out, value.ptr, before);
		buf_add_str(out, "***");
		value = slice_make(at + secret.len, value.len - before - secret.len);
	}
	buf_add_slice(out, value);
}

static bool is_passed(struct slice name)
{
	return http_token(name) && !http_head_hop_by_hop(NULL, name) && !http_same(name, "set-cookie") &&
	       !http_same(name, "set-cookie2") && !http_same(name, "www-authenticate") && !http_same(name, "alt-svc") &&
	       !http_same(name, "strict-transport-security");
}

/* A number that libcurl reads in its own way ("12abc") is none to be passed on: then the body goes in chunks. */
static void set_length(struct answer_head *a, struct slice value)
{
	buf_clear(&a->length);
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return;
	buf_add_slice(&a->length, value);
}

static void add_field(struct answer_head *a, struct slice line, struct slice secret)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	if (!colon || has_controls(line))
		return;
	struct slice name = slice_make(line.ptr, (size_t)(colon - line.ptr));
	struct slice value = http_trim(slice_make(colon + 1, line.len - name.len - 1));
	if (http_same(name, "transfer-encoding"))
		a->coded = true;
	if (http_same(name, "content-length")) {
		set_length(a, value);
		return;
	}
	if (!is_passed(name) || find(name, secret) || (a->status == 401 && http_same(name, "x-should-retry")))
		return;
	buf_add_slice(&a->fields, name);
	buf_add_str(&a->fields, ": ");
	add_masked(&a->fields, value, secret);
	buf_add_str(&a->fields, "\r\n");
}

enum answer_head_result answer_head_add(struct answer_head *a, struct slice line, struct slice secret)
{
	line = without_line_end(line);
	if (a->fields.len + line.len > ANSWER_HEAD_MAX)
		return ANSWER_HEAD_TOO_LARGE;
	if (line.len == 0)
		return a->status >= 200 ? ANSWER_HEAD_WHOLE : ANSWER_HEAD_MORE;
	if (is_status_line(line))
		begin(a, line);
	else
		add_field(a, line, secret);
	return ANSWER_HEAD_MORE;
}

void answer_head_write(struct answer_head *a, struct buf *out, bool close)
{
	bool bodyless = a->status == 204 || a->status == 304;
	bool sized = a->length.len > 0 && !a->coded && !bodyless;
	a->chunked = !sized && !bodyless;
	buf_addf(out, "HTTP/1.1 %ld \r\n", a->status);
	/* The box has no other key to try: without this Claude Code asks ten times, over minutes. */
	if (a->status == 401)
		buf_add_str(out, "x-should-retry: false\r\n");
	buf_add_slice(out, buf_slice(&a->fields));
	if (sized)
		buf_addf(out, "Content-Length: %s\r\n", buf_cstr(&a->length));
	if (a->chunked)
		buf_add_str(out, "Transfer-Encoding: chunked\r\n");
	if (close)
		buf_add_str(out, "Connection: close\r\n");
	buf_add_str(out, "\r\n");
}

void answer_head_free(struct answer_head *a)
{
	buf_free(&a->length);
	buf_free(&a->fields);
	*a = (struct answer_head){ 0 };
}
