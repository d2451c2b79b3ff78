/* byte_range.c: reading Range. */
#include "byte_range.h"

#include <strings.h>

#define UNIT "bytes="

/* Takes digits off. A number beyond what a file can have is as good as any other such. False: there are none. */
static bool take_number(struct slice *s, uint64_t *number)
{
	size_t i = 0;
	*number = 0;
	for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
		if (*number < UINT64_MAX / 20)
			*number = *number * 10 + (uint64_t)(s->ptr[i] - '0');
		else
			*number = UINT64_MAX / 2;
	}
	*s = slice_make(s->ptr + i, s->len - i);
	return i > 0;
}

static struct slice trim(struct slice s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = slice_make(s.ptr + 1, s.len - 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* "-n": the last n bytes. */
static enum byte_range_result parse_suffix(struct slice s, uint64_t size, uint64_t *first, uint64_t *last)
{
	uint64_t n;
	if (!take_number(&s, &n) || s.len)
		return BYTE_RANGE_ALL;
	if (n == 0 || size == 0)
		return BYTE_RANGE_BEYOND;
	*first = n < size ? size - n : 0;
	*last = size - 1;
	return BYTE_RANGE_PART;
}

enum byte_range_result byte_range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last)
{
	const size_t unit = sizeof(UNIT) - 1;
	value = trim(value);
	if (value.len < unit || strncasecmp(value.ptr, UNIT, unit) != 0)
		return BYTE_RANGE_ALL;
	struct slice s = trim(slice_make(value.ptr + unit, value.len - unit));
	if (s.len && *s.ptr == '-')
		return parse_suffix(slice_make(s.ptr + 1, s.len - 1), size, first, last);
	if (!take_number(&s, first) || !s.len || *s.ptr != '-')
		return BYTE_RANGE_ALL;
	s = slice_make(s.ptr + 1, s.len - 1);
	bool open = !take_number(&s, last);
	if (s.len || (!open && *last < *first))
		return BYTE_RANGE_ALL;
	if (*first >= size)
		return BYTE_RANGE_BEYOND;
	if (open || *last >= size)
		*last = size - 1;
	return BYTE_RANGE_PART;
}
