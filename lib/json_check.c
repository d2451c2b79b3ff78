/* json_check.c: is it JSON (RFC 8259)? One pass, no recursion. */
#include "json_scan.h"

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* p is behind the opening quote; returns what follows the closing one, or NULL. */
static const char *check_string(const char *p, const char *end)
{
	for (;;) {
		p = skip_plain(p, end);
		if (p == end || (unsigned char)*p < 0x20)
			return NULL;
		if (*p == '"')
			return p + 1;
		if (end - p < 2)
			return NULL;
		if (p[1] == 'u') {
			if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5]))
				return NULL;
			p += 6;
		} else {
			if (p[1] == '\0' || !strchr("\"\\/bfnrt", p[1]))
				return NULL;
			p += 2;
		}
	}
}

static const char *check_digits(const char *p, const char *end)
{
	if (p == end || !is_digit(*p))
		return NULL;
	while (p < end && is_digit(*p))
		p++;
	return p;
}

static const char *check_number(const char *p, const char *end)
{
	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if (!(p = check_digits(p, end)))
		return NULL;
	if (p < end && *p == '.' && !(p = check_digits(p + 1, end)))
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = check_digits(p, end);
	}
	return p;
}

static const char *check_word(const char *p, const char *end, const char *word, size_t len)
{
	return (size_t)(end - p) >= len && memcmp(p, word, len) == 0 ? p + len : NULL;
}

static const char *check_scalar(const char *p, const char *end)
{
	switch (*p) {
	case '"':
		return check_string(p + 1, end);
	case 't':
		return check_word(p, end, "true", 4);
	case 'f':
		return check_word(p, end, "false", 5);
	case 'n':
		return check_word(p, end, "null", 4);
	default:
		return *p == '-' || is_digit(*p) ? check_number(p, end) : NULL;
	}
}

/* The open containers, one bit each: set for an object. */
struct nesting {
	struct buf bits;
	size_t depth, deepest;
};

static void nesting_push(struct nesting *n, bool object)
{
	if (n->depth / 8 >= n->bits.len)
		buf_add_char(&n->bits, 0);
	char *byte = &n->bits.data[n->depth / 8];
	char mask = (char)(1u << (n->depth % 8));
	*byte = (char)(object ? *byte | mask : *byte & ~mask);
	if (++n->depth > n->deepest)
		n->deepest = n->depth;
}

static bool nesting_in_object(const struct nesting *n)
{
	size_t i = n->depth - 1;
	return ((unsigned char)n->bits.data[i / 8] >> (i % 8)) & 1;
}

/* A member's name and its colon; returns where the value starts. */
static const char *check_name(const char *p, const char *end)
{
	if (p == end || *p != '"' || !(p = check_string(p + 1, end)))
		return NULL;
	p = skip_space(p, end);
	if (p == end || *p != ':')
		return NULL;
	return skip_space(p + 1, end);
}

/* Opens containers until a scalar or an empty container was read; returns what follows it. */
static const char *check_descend(const char *p, const char *end, struct nesting *n)
{
	for (;;) {
		if (!p || p == end)
			return NULL;
		if (*p != '{' && *p != '[')
			return check_scalar(p, end);
		bool object = *p == '{';
		nesting_push(n, object);
		p = skip_space(p + 1, end);
		if (p == end)
			return NULL;
		if (*p == (object ? '}' : ']')) {
			n->depth--;
			return p + 1;
		}
		if (object)
			p = check_name(p, end);
	}
}

static bool check_value(struct slice text, struct nesting *n)
{
	const char *p = text.ptr, *end = text.ptr + text.len;
	p = skip_space(p, end);
	while ((p = check_descend(p, end, n))) {
		/* Behind a value: close containers up to a comma or the end. */
		for (;;) {
			p = skip_space(p, end);
			if (n->depth == 0)
				return p == end;
			if (p == end)
				return false;
			if (*p == ',')
				break;
			if (*p != (nesting_in_object(n) ? '}' : ']'))
				return false;
			n->depth--;
			p++;
		}
		p = skip_space(p + 1, end);
		if (nesting_in_object(n))
			p = check_name(p, end);
	}
	return false;
}

bool json_check(struct slice text, size_t *depth)
{
	struct nesting n = { 0 };
	bool ok = text.len > 0 && check_value(text, &n);
	if (depth)
		*depth = n.deepest;
	buf_free(&n.bits);
	return ok;
}
