/* fuzz_glob.c: any pattern and path: they match if and only if a plain matcher that tries everything says so, and a
 * path with all its characters quoted matches itself only. */
#include <assert.h>
#include <fnmatch.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "sandbox/box/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PATTERN 40 /* bytes for the plain matcher, which takes time exponential in some of them */
#define MAX_ALTERNATIVES 1000

/* ---- a plain matcher ---- */

struct plain {
	const char *path;
	bool matched;
	size_t alternatives;
};

/* Names of both, each with a slash behind it. */
static bool match_names(const char *names, const char *path)
{
	size_t n = strcspn(names, "/"), m = strcspn(path, "/");
	if (!*names || !*path)
		return !*names && !*path;
	if (n == 2 && memcmp(names, "**", 2) == 0)
		return !names[3] || match_names(names + 3, path) || match_names(names, path + m + 1);
	autofree char *pattern = slice_dup(slice_make(names, n)), *name = slice_dup(slice_make(path, m));
	return fnmatch(pattern, name, 0) == 0 && match_names(names + n + 1, path + m + 1);
}

/* Without braces. */
static void match_simple(struct plain *p, const char *pattern)
{
	autobuf names = { 0 }, path = { 0 };
	p->alternatives++;
	if (!strchr(pattern, '/'))
		buf_add_str(&names, "**/");
	for (const char *at = pattern; *at;) {
		size_t n = strcspn(at, "/");
		if (n && !(n == 1 && *at == '.')) {
			buf_add(&names, at, n);
			buf_add_char(&names, '/');
		}
		at += n + (at[n] == '/');
	}
	buf_addf(&path, "%s/", p->path);
	p->matched = p->matched || match_names(buf_cstr(&names), buf_cstr(&path));
}

/* Where the group of braces at p ends; its commas. NULL: it is no group. */
static const char *group_end(const char *p, const char *commas[MAX_PATTERN], size_t *count)
{
	int depth = 0;
	*count = 0;
	for (; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '{')
			depth++;
		else if (*p == '}' && --depth == 0)
			return *count ? p : NULL;
		else if (*p == ',' && depth == 1)
			commas[(*count)++] = p;
	}
	return NULL;
}

static void match_braces(struct plain *p, const char *pattern)
{
	const char *commas[MAX_PATTERN + 1], *end = NULL, *open = pattern;
	size_t count = 0;
	for (; *open && !(*open == '{' && (end = group_end(open, commas, &count))); open++)
		open += *open == '\\' && open[1];
	if (!end) {
		match_simple(p, pattern);
		return;
	}
	const char *from = open + 1;
	commas[count] = end;
	for (size_t i = 0; i <= count && p->alternatives <= MAX_ALTERNATIVES; i++) {
		autobuf one = { 0 };
		buf_add(&one, pattern, (size_t)(open - pattern));
		buf_add(&one, from, (size_t)(commas[i] - from));
		buf_add_str(&one, end + 1);
		match_braces(p, buf_cstr(&one));
		from = commas[i] + 1;
	}
}

/* ---- checks ---- */

/* As the search makes them: names with single slashes between them. */
static bool is_path(const char *path)
{
	if (!*path || strlen(path) > 200)
		return false;
	for (const char *at = path;; at++) {
		size_t n = strcspn(at, "/");
		if (n == 0 || (n == 1 && *at == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += n;
		if (!*at)
			return true;
	}
}

static void check_plain(const char *pattern, const char *path)
{
	struct plain plain = { .path = path };
	struct glob g;
	match_braces(&plain, pattern);
	bool few = plain.alternatives <= MAX_ALTERNATIVES;
	assert(glob_compile(&g, pattern) == few);
	assert(!few || glob_match(&g, path) == plain.matched);
	glob_free(&g);
}

static void check_quoted(const char *path, const char *other)
{
	autobuf pattern = { 0 };
	struct glob g;
	buf_add_char(&pattern, '/');
	for (const char *c = path; *c; c++) {
		if (*c != '/')
			buf_add_char(&pattern, '\\');
		buf_add_char(&pattern, *c);
	}
	assert(glob_compile(&g, buf_cstr(&pattern)) && glob_match(&g, path));
	assert(!is_path(other) || glob_match(&g, other) == (strcmp(path, other) == 0));
	glob_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct glob g;
	(void)setlocale(LC_ALL, "C.UTF-8");
	autofree char *pattern = slice_dup(slice_make((const char *)data, size));
	const char *path = strlen(pattern) < size ? pattern + strlen(pattern) + 1 : "a/b";
	if (!is_path(path))
		return 0;
	if (glob_compile(&g, pattern))
		(void)glob_match(&g, path);
	glob_free(&g);
	if (strlen(pattern) <= MAX_PATTERN)
		check_plain(pattern, path);
	check_quoted(path, pattern);
	return 0;
}
