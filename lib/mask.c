/* mask.c: keys in what is about to be logged. */
#include "mask.h"

static struct {
	char *secrets[MASK_SECRETS];
	size_t count;
	bool begins[256]; /* the first bytes of all that is looked for, so that others cost next to nothing */
} known = { .begins = { ['%'] = true, ['c'] = true, ['C'] = true, ['a'] = true, ['A'] = true } };

/* What begins a key, or stands before one: from the first byte of this on nothing is shown, or from behind it on. */
static const struct {
	const char *text;
	bool shown;
} forms[] = { { "cak_", false }, { "apikey=", true } };
#define FORMS (sizeof(forms) / sizeof(*forms))

void mask_secret(const char *text)
{
	if (!text || !*text || known.count == MASK_SECRETS)
		return;
	known.secrets[known.count++] = slice_dup(slice_of(text));
	known.begins[(unsigned char)*text] = true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that stands at i, and how many it is written with: %63 is a c, and so is %2563, which was encoded twice. */
static size_t decode(struct slice text, size_t i, char *c)
{
	size_t at = i + 1;
	*c = text.ptr[i];
	if (*c != '%')
		return 1;
	while (at + 4 <= text.len && text.ptr[at] == '2' && text.ptr[at + 1] == '5' &&
	       hex_digit(text.ptr[at + 2]) >= 0 && hex_digit(text.ptr[at + 3]) >= 0)
		at += 2;
	if (at + 2 > text.len || hex_digit(text.ptr[at]) < 0 || hex_digit(text.ptr[at + 1]) < 0)
		return 1;
	*c = (char)(hex_digit(text.ptr[at]) << 4 | hex_digit(text.ptr[at + 1]));
	return at + 2 - i;
}

/* How many bytes at i are this word, encoded or not, of either case; 0: they aren't. */
static size_t match(struct slice text, size_t i, const char *word, bool either_case)
{
	size_t at = i;
	for (; *word; word++) {
		char c;
		if (at >= text.len)
			return 0;
		at += decode(text, at, &c);
		if (c != *word && !(either_case && c >= 'A' && c <= 'Z' && (c | 0x20) == *word))
			return 0;
	}
	return at - i;
}

/* Where what begins at i ends: no key has one of these in it. */
static size_t end_of_key(struct slice text, size_t i)
{
	while (i < text.len && !strchr("/ ?#&,;\"'", text.ptr[i]))
		i++;
	return i;
}

/* What is to be masked at i: *from is where that begins, the result where it ends; 0: nothing. */
static size_t key_at(struct slice text, size_t i, size_t *from)
{
	size_t n;
	*from = i;
	for (size_t k = 0; k < known.count; k++) {
		if ((n = match(text, i, known.secrets[k], false)))
			return i + n;
	}
	for (size_t k = 0; k < FORMS; k++) {
		if (!(n = match(text, i, forms[k].text, true)))
			continue;
		*from = forms[k].shown ? i + n : i;
		return end_of_key(text, i + n);
	}
	return 0;
}

void mask_keys(struct buf *out, struct slice text)
{
	size_t i = 0, from = 0;
	while (i < text.len) {
		size_t end = known.begins[(unsigned char)text.ptr[i]] ? key_at(text, i, &from) : 0;
		if (!end) {
			buf_add_char(out, text.ptr[i++]);
			continue;
		}
		buf_add(out, text.ptr + i, from - i);
		if (end > from)
			buf_add_str(out, MASK);
		i = end;
	}
}
