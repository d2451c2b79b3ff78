/* json.c: checking, walking and splicing JSON text without rewriting it. */
#include "json.h"

#include <xxhash.h>

#include "cleanup.h"

/* ---- checking ---- */

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* Non-zero when one of the eight bytes ends a run of plain string bytes: a control byte, '"' or '\'. */
static inline uint64_t special_bytes(uint64_t w)
{
	uint64_t quote = w ^ (ONES * '"'), slash = w ^ (ONES * '\\');
	uint64_t low = (w - ONES * 0x20) & ~w;
	return (low | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) & HIGHS;
}

static const char *skip_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		if (special_bytes(w))
			break;
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
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

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
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

/* ---- walking checked text ---- */

struct slice json_trim(struct slice text)
{
	const char *p = skip_space(text.ptr, text.ptr + text.len), *end = text.ptr + text.len;
	while (end > p && is_space(end[-1]))
		end--;
	return slice_make(p, (size_t)(end - p));
}

enum json_kind json_kind_of(struct slice value)
{
	switch (value.ptr[0]) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* p is behind an opening quote of checked text; memchr does the work, escaped quotes are stepped over. */
static const char *skip_string(const char *p, const char *end)
{
	for (;;) {
		const char *quote = memchr(p, '"', (size_t)(end - p));
		const char *back = quote;
		while (back > p && back[-1] == '\\')
			back--;
		if ((quote - back) % 2 == 0)
			return quote + 1;
		p = quote + 1;
	}
}

static const char *skip_value(const char *p, const char *end)
{
	size_t depth = 0;
	if (*p != '"' && *p != '{' && *p != '[') {
		while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
			p++;
		return p;
	}
	do {
		char c = *p++;
		if (c == '"')
			p = skip_string(p, end);
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
	} while (depth);
	return p;
}

struct json_iter json_iter(struct slice container)
{
	struct slice c = json_trim(container);
	return (struct json_iter){ .at = c.ptr + 1, .end = c.ptr + c.len - 1, .object = c.ptr[0] == '{' };
}

bool json_next(struct json_iter *it)
{
	const char *p = skip_space(it->at, it->end);
	if (p < it->end && *p == ',')
		p = skip_space(p + 1, it->end);
	if (p >= it->end)
		return false;
	it->key = slice_make(p, 0);
	if (it->object) {
		const char *after = skip_string(p + 1, it->end);
		it->key.len = (size_t)(after - p);
		p = skip_space(skip_space(after, it->end) + 1, it->end);
	}
	it->at = skip_value(p, it->end);
	it->value = slice_make(p, (size_t)(it->at - p));
	return true;
}

/* ---- strings ---- */

static unsigned hex4(const char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(is_digit(p[i]) ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

static void add_utf8(struct buf *out, unsigned cp)
{
	char b[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		b[i] = (char)(0x80 | (cp & 0x3F));
	b[0] = (char)(lead[n] | cp);
	buf_add(out, b, n);
}

/* One escape of checked text at p; *cp gets the code point, or a surrogate that has no partner. Returns its end. */
static const char *read_escape(const char *p, unsigned *cp)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (p[1] != 'u') {
		*cp = (unsigned char)to[strchr(from, p[1]) - from];
		return p + 2;
	}
	*cp = hex4(p + 2);
	if ((*cp & 0xFC00) == 0xD800 && p[6] == '\\' && p[7] == 'u') {
		unsigned low = hex4(p + 8);
		if ((low & 0xFC00) == 0xDC00) {
			*cp = 0x10000 + ((*cp & 0x3FF) << 10) + (low & 0x3FF);
			return p + 12;
		}
	}
	return p + 6;
}

static bool is_unstorable(unsigned cp)
{
	return cp == 0 || (cp & 0xFFFFF800) == 0xD800;
}

bool json_decode(struct slice string, struct buf *out)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	while (p < end) {
		const char *plain = skip_plain(p, end);
		buf_add(out, p, (size_t)(plain - p));
		if (plain == end)
			return true;
		unsigned cp;
		p = read_escape(plain, &cp);
		if (is_unstorable(cp))
			return false;
		add_utf8(out, cp);
	}
	return true;
}

static size_t utf8_length(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

void json_decode_lossy(struct slice string, struct buf *out, size_t max)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	size_t start = out->len;
	while (p < end) {
		size_t before = out->len;
		if (*p == '\\') {
			unsigned cp;
			p = read_escape(p, &cp);
			add_utf8(out, is_unstorable(cp) ? 0xFFFD : cp);
		} else {
			size_t n = utf8_length((unsigned char)*p);
			buf_add(out, p, n);
			p += n;
		}
		if (out->len - start > max) {
			out->len = before;
			return;
		}
	}
}

void json_encode(struct buf *out, struct slice utf8)
{
	const char *p = utf8.ptr, *end = utf8.ptr + utf8.len;
	buf_add_char(out, '"');
	while (p < end) {
		const char *plain = skip_plain(p, end);
		buf_add(out, p, (size_t)(plain - p));
		if (plain == end)
			break;
		if (*plain == '"' || *plain == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, *plain);
		} else {
			buf_addf(out, "\\u%04x", (unsigned)(unsigned char)*plain);
		}
		p = plain + 1;
	}
	buf_add_char(out, '"');
}

void json_prefix(struct slice string, size_t max, struct buf *out)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1;
	size_t units = 0;
	while (p < end) {
		const char *next;
		size_t cost = 1;
		if (*p == '\\') {
			unsigned cp;
			next = read_escape(p, &cp);
			cost = cp > 0xFFFF ? 2 : 1;
		} else {
			size_t n = utf8_length((unsigned char)*p);
			cost = n == 4 ? 2 : 1;
			next = p + n;
		}
		if ((units += cost) > max)
			break;
		p = next;
	}
	buf_add(out, string.ptr, (size_t)(p - string.ptr));
	buf_add_char(out, '"');
}

/* ---- keys ---- */

/* A key's characters: decoded into scratch only when it holds escapes. Unpaired surrogates are encoded like
 * other code points there, so that different keys stay different. */
static struct slice key_text(struct slice key, struct buf *scratch)
{
	struct slice inner = slice_make(key.ptr + 1, key.len - 2);
	if (inner.len == 0 || !memchr(inner.ptr, '\\', inner.len))
		return inner;
	size_t start = scratch->len;
	const char *p = inner.ptr, *end = inner.ptr + inner.len;
	while (p < end) {
		if (*p == '\\') {
			unsigned cp;
			p = read_escape(p, &cp);
			add_utf8(scratch, cp);
		} else {
			buf_add_char(scratch, *p++);
		}
	}
	return slice_make(scratch->data + start, scratch->len - start);
}

bool json_get(struct slice object, const char *name, struct slice *value)
{
	autobuf scratch = { 0 };
	bool found = false;
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		buf_clear(&scratch);
		if (slice_eq_str(key_text(it.key, &scratch), name)) {
			*value = it.value;
			found = true;
		}
	}
	return found;
}

/* ---- merging ---- */

struct member {
	struct slice key, value;
	size_t name_at, name_len; /* the decoded key in names */
};

/* Members by decoded key: an open-addressing table of indices into list, in order of first appearance. */
struct members {
	struct member *list;
	size_t count, cap;
	size_t *table; /* index + 1; 0 is free */
	size_t slots;
	struct buf names, scratch;
};

static void members_free(struct members *m)
{
	free(m->list);
	free(m->table);
	buf_free(&m->names);
	buf_free(&m->scratch);
}

static size_t *members_slot(struct members *m, struct slice name)
{
	size_t i = (size_t)XXH3_64bits(name.ptr ? name.ptr : "", name.len) & (m->slots - 1);
	for (; m->table[i]; i = (i + 1) & (m->slots - 1)) {
		const struct member *e = &m->list[m->table[i] - 1];
		if (slice_eq(slice_make(m->names.data + e->name_at, e->name_len), name))
			break;
	}
	return &m->table[i];
}

static void members_grow(struct members *m)
{
	m->slots = m->slots ? m->slots * 2 : 64;
	m->cap = m->slots / 2;
	m->list = xrealloc(m->list, m->cap * sizeof(*m->list));
	free(m->table);
	m->table = xcalloc(m->slots, sizeof(*m->table));
	for (size_t i = 0; i < m->count; i++)
		*members_slot(m, slice_make(m->names.data + m->list[i].name_at, m->list[i].name_len)) = i + 1;
}

static void members_add(struct members *m, struct slice object)
{
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		if (m->count == m->cap)
			members_grow(m);
		buf_clear(&m->scratch);
		struct slice name = key_text(it.key, &m->scratch);
		size_t *slot = members_slot(m, name);
		if (*slot) {
			m->list[*slot - 1].value = it.value;
			continue;
		}
		m->list[m->count++] = (struct member){ it.key, it.value, m->names.len, name.len };
		*slot = m->count;
		buf_add_slice(&m->names, name);
	}
}

void json_merge(struct buf *out, struct slice base, struct slice updates)
{
	autocall(members_free) struct members m = { 0 };
	members_add(&m, base);
	members_add(&m, updates);
	buf_add_char(out, '{');
	for (size_t i = 0; i < m.count; i++) {
		if (i)
			buf_add_char(out, ',');
		buf_add_slice(out, m.list[i].key);
		buf_add_char(out, ':');
		buf_add_slice(out, m.list[i].value);
	}
	buf_add_char(out, '}');
}
