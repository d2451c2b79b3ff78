/* git_ref.c: names of git's branches. */
#include "git_ref.h"

static bool is_bad(char c)
{
	return (unsigned char)c < ' ' || c == 127 || strchr(" ~^:?*[\\", c);
}

/* What stands between slashes. */
static bool component_valid(struct slice s)
{
	static const char lock[] = ".lock";
	size_t n = sizeof(lock) - 1;
	return s.len > 0 && s.ptr[0] != '.' && !(s.len >= n && memcmp(s.ptr + s.len - n, lock, n) == 0);
}

static bool components_valid(struct slice name)
{
	const char *end = name.ptr + name.len;
	for (const char *at = name.ptr; at <= end;) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		const char *stop = slash ? slash : end;
		if (!component_valid(slice_make(at, (size_t)(stop - at))))
			return false;
		at = stop + 1;
	}
	return true;
}

bool branch_valid(struct slice name)
{
	if (name.len == 0 || name.len > BRANCH_MAX || name.ptr[0] == '-' || name.ptr[name.len - 1] == '.')
		return false;
	if (slice_eq_str(name, "@") || slice_eq_str(name, "HEAD"))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i], next = i + 1 < name.len ? name.ptr[i + 1] : 'x';
		if (is_bad(c) || (c == '.' && next == '.') || (c == '@' && next == '{'))
			return false;
	}
	return components_valid(name);
}
