/* deb_version.c: deb-version(7)'s sorting algorithm. */
#include "deb_version.h"

struct version {
	struct slice epoch, upstream, revision;
};

static struct version split(struct slice text)
{
	struct version v = { .epoch = slice_make("0", 1), .upstream = text, .revision = slice_make("0", 1) };
	const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
	if (colon) {
		v.epoch = slice_make(text.ptr, (size_t)(colon - text.ptr));
		v.upstream = slice_make(colon + 1, text.len - v.epoch.len - 1);
	}
	const char *hyphen = v.upstream.len ? memrchr(v.upstream.ptr, '-', v.upstream.len) : NULL;
	if (hyphen) {
		size_t n = (size_t)(hyphen - v.upstream.ptr);
		v.revision = slice_make(hyphen + 1, v.upstream.len - n - 1);
		v.upstream = slice_make(v.upstream.ptr, n);
	}
	return v;
}

static bool is_digit(struct slice s, size_t at)
{
	return at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9';
}

/* A tilde sorts before everything, even the end; letters before all others. A digit counts as an end. */
static int order(struct slice s, size_t at)
{
	if (at >= s.len || is_digit(s, at))
		return 0;
	unsigned char c = (unsigned char)s.ptr[at];
	if (c == '~')
		return -1;
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? c : c + 256;
}

/* Numbers at *i and *j, of any length; both move behind them. */
static int compare_numbers(struct slice a, size_t *i, struct slice b, size_t *j)
{
	int first = 0;
	while (*i < a.len && a.ptr[*i] == '0')
		++*i;
	while (*j < b.len && b.ptr[*j] == '0')
		++*j;
	for (; is_digit(a, *i) && is_digit(b, *j); ++*i, ++*j) {
		if (!first)
			first = a.ptr[*i] - b.ptr[*j];
	}
	if (is_digit(a, *i))
		return 1;
	return is_digit(b, *j) ? -1 : first;
}

static int compare_part(struct slice a, struct slice b)
{
	size_t i = 0, j = 0;
	while (i < a.len || j < b.len) {
		while ((i < a.len && !is_digit(a, i)) || (j < b.len && !is_digit(b, j))) {
			int difference = order(a, i) - order(b, j);
			if (difference)
				return difference;
			i++;
			j++;
		}
		int difference = compare_numbers(a, &i, b, &j);
		if (difference)
			return difference;
	}
	return 0;
}

int deb_version_compare(struct slice a, struct slice b)
{
	struct version left = split(a), right = split(b);
	int difference = compare_part(left.epoch, right.epoch);
	if (!difference)
		difference = compare_part(left.upstream, right.upstream);
	return difference ? difference : compare_part(left.revision, right.revision);
}
