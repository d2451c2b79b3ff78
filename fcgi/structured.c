/* structured.c: reading dictionaries of structured fields. Values of other types than a byte sequence are passed over.
 */
#include "structured.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool in_key(char c)
{
	return is_lower(c) || is_digit(c) || (c && strchr("_-.*", c));
}

static bool in_token(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~:/", c));
}

static bool in_base64(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("+/=", c));
}

static bool take(struct structured *it, char c)
{
	if (it->p == it->end || *it->p != c)
		return false;
	it->p++;
	return true;
}

/* Passes over the characters of a class; returns how many. */
static size_t run(struct structured *it, bool (*in)(char c))
{
	const char *start = it->p;
	while (it->p < it->end && in(*it->p))
		it->p++;
	return (size_t)(it->p - start);
}

static void spaces(struct structured *it, bool tabs)
{
	while (it->p < it->end && (*it->p == ' ' || (tabs && *it->p == '\t')))
		it->p++;
}

static bool take_key(struct structured *it, struct slice *key)
{
	if (it->p == it->end || (!is_lower(*it->p) && *it->p != '*'))
		return false;
	const char *start = it->p;
	*key = slice_make(start, run(it, in_key));
	return true;
}

static bool take_string(struct structured *it)
{
	while (it->p < it->end) {
		char c = *it->p++;
		if (c == '"')
			return true;
		if (c == '\\' && !take(it, '"') && !take(it, '\\'))
			return false;
		if (c < 0x20 || c > 0x7E)
			return false;
	}
	return false;
}

/* An integer of at most 15 digits, or a decimal of at most 12 and 3. */
static bool take_number(struct structured *it)
{
	(void)take(it, '-');
	size_t whole = run(it, is_digit);
	if (!take(it, '.'))
		return whole >= 1 && whole <= 15;
	size_t part = run(it, is_digit);
	return whole >= 1 && whole <= 12 && part >= 1 && part <= 3;
}

static bool take_bytes(struct structured *it, struct slice *bytes)
{
	const char *start = it->p;
	*bytes = slice_make(start, run(it, in_base64));
	return take(it, ':');
}

static bool take_bare_item(struct structured *it, bool *is_bytes, struct slice *bytes)
{
	*is_bytes = take(it, ':');
	if (*is_bytes)
		return take_bytes(it, bytes);
	if (take(it, '"'))
		return take_string(it);
	if (take(it, '?'))
		return take(it, '0') || take(it, '1');
	if (it->p < it->end && (is_alpha(*it->p) || *it->p == '*'))
		return run(it, in_token) > 0;
	return take_number(it);
}

static bool skip_bare_item(struct structured *it)
{
	bool is_bytes;
	struct slice bytes;
	return take_bare_item(it, &is_bytes, &bytes);
}

static bool skip_parameters(struct structured *it)
{
	struct slice key;
	while (take(it, ';')) {
		spaces(it, false);
		if (!take_key(it, &key) || (take(it, '=') && !skip_bare_item(it)))
			return false;
	}
	return true;
}

static bool skip_inner_list(struct structured *it)
{
	for (;;) {
		spaces(it, false);
		if (take(it, ')'))
			return true;
		if (!skip_bare_item(it) || !skip_parameters(it))
			return false;
		if (it->p == it->end || (*it->p != ' ' && *it->p != ')'))
			return false;
	}
}

static bool take_member(struct structured *it)
{
	it->is_bytes = false;
	if (!take_key(it, &it->key))
		return false;
	if (take(it, '=') && !(take(it, '(') ? skip_inner_list(it) : take_bare_item(it, &it->is_bytes, &it->bytes)))
		return false;
	return skip_parameters(it);
}

struct structured structured_dictionary(struct slice text)
{
	while (text.len && text.ptr[text.len - 1] == ' ')
		text.len--;
	if (text.len == 0)
		return (struct structured){ 0 };
	struct structured it = { .p = text.ptr, .end = text.ptr + text.len };
	spaces(&it, false);
	return it;
}

bool structured_next(struct structured *it)
{
	if (it->p == it->end)
		return false;
	if (it->begun) {
		spaces(it, true);
		it->malformed = !take(it, ',');
		spaces(it, true);
	}
	it->begun = true;
	it->malformed = it->malformed || !take_member(it);
	if (it->malformed)
		it->p = it->end;
	return !it->malformed;
}
