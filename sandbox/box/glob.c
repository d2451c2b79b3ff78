/* glob.c: matching paths against glob patterns. */
#include "glob.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "cleanup.h"

#define MAX_PATTERN 8192 /* bytes: expanding braces keeps a copy for each group of them */
#define MAX_ALTERNATIVES 1000
#define MAX_NAME 256

/* ---- braces ---- */

/* Behind the brace at p: the one that closes it, or NULL. *comma: is there one between? */
static const char *closing(const char *p, bool *comma)
{
	int depth = 0;
	*comma = false;
	for (; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '{')
			depth++;
		else if (*p == ',' && depth == 1)
			*comma = true;
		else if (*p == '}' && --depth == 0)
			return p;
	}
	return NULL;
}

/* The first brace that stands for alternatives, or NULL. */
static const char *opening(const char *p, const char **close)
{
	for (; *p; p++) {
		bool comma;
		if (*p == '\\' && p[1]) {
			p++;
			continue;
		}
		if (*p == '{' && (*close = closing(p, &comma)) && comma)
			return p;
	}
	return NULL;
}

/* The end of the alternative that begins at p. */
static const char *alternative_end(const char *p, const char *close)
{
	for (int depth = 0; p < close; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '{')
			depth++;
		else if (*p == '}')
			depth--;
		else if (*p == ',' && depth == 0)
			break;
	}
	return p < close ? p : close;
}

static bool add_pattern(struct glob *g, const char *pattern);

static bool expand(struct glob *g, const char *pattern)
{
	const char *close, *open = opening(pattern, &close);
	if (!open)
		return add_pattern(g, pattern);
	for (const char *p = open + 1; p <= close;) {
		const char *end = alternative_end(p, close);
		autobuf one = { 0 };
		buf_add(&one, pattern, (size_t)(open - pattern));
		buf_add(&one, p, (size_t)(end - p));
		buf_add_str(&one, close + 1);
		if (!expand(g, buf_cstr(&one)))
			return false;
		p = end + 1;
	}
	return true;
}

/* ---- names ---- */

static size_t count_names(const char *pattern)
{
	size_t n = 1;
	for (; *pattern; pattern++)
		n += *pattern == '/';
	return n;
}

static bool add_pattern(struct glob *g, const char *pattern)
{
	if (g->count == MAX_ALTERNATIVES)
		return false;
	bool anywhere = !strchr(pattern, '/');
	char **names = xcalloc(count_names(pattern) + 2, sizeof(*names));
	size_t n = 0;
	if (anywhere)
		names[n++] = xstrdup("**");
	for (const char *p = pattern; *p;) {
		size_t length = strcspn(p, "/");
		bool again = n && length == 2 && memcmp(p, "**", 2) == 0 && strcmp(names[n - 1], "**") == 0;
		if (length && !again && !(length == 1 && *p == '.'))
			names[n++] = slice_dup(slice_make(p, length));
		p += length + (p[length] == '/');
	}
	g->patterns = xrealloc(g->patterns, (g->count + 1) * sizeof(*g->patterns));
	g->patterns[g->count++] = names;
	return true;
}

bool glob_compile(struct glob *g, const char *pattern)
{
	*g = (struct glob){ 0 };
	return strlen(pattern) <= MAX_PATTERN && expand(g, pattern);
}

void glob_free(struct glob *g)
{
	for (size_t i = 0; i < g->count; i++) {
		for (char **name = g->patterns[i]; *name; name++)
			free(*name);
		free(g->patterns[i]);
	}
	free(g->patterns);
}

/* ---- matching ---- */

static bool match_name(const char *pattern, const char *path, size_t length)
{
	char name[MAX_NAME];
	if (length >= sizeof(name))
		return false;
	(void)memcpy(name, path, length);
	name[length] = '\0';
	return fnmatch(pattern, name, 0) == 0;
}

/* The name behind the first one, or the end. */
static const char *next_name(const char *path)
{
	size_t n = strcspn(path, "/");
	return path + n + (path[n] == '/');
}

/* As for "*" in strings: only the last "**" needs to be tried again. */
static bool match(char **names, const char *path)
{
	char **again = NULL;
	const char *again_path = NULL;
	while (*path) {
		if (*names && strcmp(*names, "**") == 0) {
			again = ++names;
			again_path = path;
			/* At its end it stands for anything that follows. */
			if (!*again)
				return true;
		} else if (*names && match_name(*names, path, strcspn(path, "/"))) {
			names++;
			path = next_name(path);
		} else if (again) {
			names = again;
			path = again_path = next_name(again_path);
		} else {
			return false;
		}
	}
	return !*names;
}

bool glob_match(const struct glob *g, const char *path)
{
	for (size_t i = 0; i < g->count; i++)
		if (match(g->patterns[i], path))
			return true;
	return false;
}
