/* http_head.c: the strict reader of request heads. */
#include "http_head.h"

#include <strings.h>

#define MAX_LENGTH_DIGITS 18

bool http_same(struct slice text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_token_char(text.ptr[i]))
			return false;
	return text.len > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice http_trim(struct slice text)
{
	for (; text.len > 0 && is_blank(text.ptr[0]); text.len--)
		text.ptr++;
	while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

/* Cuts what stands before the first c off *rest, and the c itself; all of it where there is none. */
static struct slice cut(struct slice *rest, char c)
{
	const char *at = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
	struct slice head = { rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len };
	size_t gone = head.len + (at ? 1 : 0);
	*rest = slice_make(rest->ptr + gone, rest->len - gone);
	return head;
}

bool http_list_has(struct slice list, struct slice word)
{
	while (list.len > 0) {
		struct slice item = http_trim(cut(&list, ','));
		if (item.len == word.len && item.len > 0 && strncasecmp(item.ptr, word.ptr, item.len) == 0)
			return true;
	}
	return false;
}

bool http_head_get(const struct http_head *head, const char *name, struct slice *value)
{
	for (size_t i = 0; i < head->count; i++) {
		if (!http_same(head->fields[i].name, name))
			continue;
		*value = head->fields[i].value;
		return true;
	}
	return false;
}

static bool connection_names(const struct http_head *head, struct slice name)
{
	for (size_t i = 0; i < head->count; i++)
		if (http_same(head->fields[i].name, "connection") && http_list_has(head->fields[i].value, name))
			return true;
	return false;
}

bool http_head_hop_by_hop(const struct http_head *head, struct slice name)
{
	static const char *const names[] = {
		"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (http_same(name, names[i]))
			return true;
	if (name.len >= 6 && http_same(slice_make(name.ptr, 6), "proxy-"))
		return true;
	return head && connection_names(head, name);
}

/* ---- lines ---- */

/* The next line without its CR LF, of bytes that end in a line feed. False: there is none, or one of both stands alone.
 */
static bool next_line(struct slice *rest, struct slice *line)
{
	struct slice whole = cut(rest, '\n');
	if (whole.len == 0 || whole.ptr[whole.len - 1] != '\r')
		return false;
	*line = slice_make(whole.ptr, whole.len - 1);
	return !line->len || !memchr(line->ptr, '\r', line->len);
}

static bool target_valid(struct slice target)
{
	for (size_t i = 0; i < target.len; i++)
		if (target.ptr[i] <= 0x20 || target.ptr[i] >= 0x7f || target.ptr[i] == '#')
			return false;
	return target.len > 0;
}

static bool parse_request_line(struct slice line, struct http_head *head)
{
	head->method = cut(&line, ' ');
	head->target = cut(&line, ' ');
	head->old = slice_eq_str(line, "HTTP/1.0");
	return http_token(head->method) && target_valid(head->target) && (head->old || slice_eq_str(line, "HTTP/1.1"));
}

static bool value_valid(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* A folded line begins with a blank, which is in no name. */
static bool parse_field(struct slice line, struct http_field *field)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	if (!colon)
		return false;
	field->name = cut(&line, ':');
	field->value = http_trim(line);
	return http_token(field->name) && value_valid(line);
}

/* ---- what the fields mean for the framing ---- */

static bool parse_length(struct slice digits, uint64_t *length)
{
	*length = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
		*length = *length * 10 + (uint64_t)(digits.ptr[i] - '0');
	}
	return digits.len > 0 && digits.len <= MAX_LENGTH_DIGITS;
}

struct seen {
	unsigned hosts, lengths, codings;
	bool close;
};

static bool note_field(const struct http_field *field, struct http_head *head, struct seen *seen)
{
	if (http_same(field->name, "host"))
		return ++seen->hosts == 1;
	if (http_same(field->name, "content-length")) {
		head->has_length = true;
		return ++seen->lengths == 1 && parse_length(field->value, &head->length);
	}
	if (http_same(field->name, "transfer-encoding")) {
		head->chunked = true;
		return ++seen->codings == 1 && !head->old && http_same(field->value, "chunked");
	}
	if (http_same(field->name, "connection") && http_list_has(field->value, SLICE_LIT("close")))
		seen->close = true;
	if (http_same(field->name, "expect") && http_same(field->value, "100-continue"))
		head->expects_continue = !head->old;
	return true;
}

static bool parse_fields(struct slice rest, struct http_head *head)
{
	struct slice line;
	struct seen seen = { 0 };
	while (next_line(&rest, &line)) {
		if (line.len == 0) {
			head->keep_alive = !seen.close && !head->old;
			return rest.len == 0 && !(head->chunked && head->has_length) && (seen.hosts == 1 || head->old);
		}
		if (head->count == HTTP_HEAD_MAX_FIELDS)
			return false;
		struct http_field *field = &head->fields[head->count++];
		if (!parse_field(line, field) || !note_field(field, head, &seen))
			return false;
	}
	return false;
}

/* A line feed without its CR can't become right by more bytes. */
static bool has_bare_feed(struct slice bytes)
{
	const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		if (at == bytes.ptr || at[-1] != '\r')
			return true;
		at++;
	}
	return false;
}

enum http_head_result http_head_parse(struct slice bytes, struct http_head *head, size_t *used)
{
	struct slice line;
	if (bytes.len == 0)
		return HTTP_HEAD_MORE;
	size_t searched = bytes.len < HTTP_HEAD_MAX ? bytes.len : HTTP_HEAD_MAX;
	const char *end = memmem(bytes.ptr, searched, "\r\n\r\n", 4);
	if (!end) {
		if (has_bare_feed(slice_make(bytes.ptr, searched)))
			return HTTP_HEAD_BAD;
		return searched == HTTP_HEAD_MAX ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_MORE;
	}
	*used = (size_t)(end - bytes.ptr) + 4;
	struct slice rest = slice_make(bytes.ptr, *used);
	head->count = 0;
	head->chunked = head->has_length = head->expects_continue = head->keep_alive = false;
	head->length = 0;
	if (!next_line(&rest, &line) || !parse_request_line(line, head) || !parse_fields(rest, head))
		return HTTP_HEAD_BAD;
	return HTTP_HEAD_OK;
}
