/* git_diff_look.c: the look at a working tree before its diff. */
#include "git_diff_look.h"

#include "git_error.h"

static char present;

void git_diff_look_free(struct git_diff_look *look)
{
	map_free(&look->nested);
	buf_free(&look->excluded);
	buf_free(&look->large);
	buf_free(&look->fifo);
}

/* Records "g PATH" (a .git), "f SIZE PATH" (a large file), "p PATH" (a FIFO). */
void git_diff_look_find(const char *size, const char *args[static 40])
{
	const char *const all[] = { ".",
				    "-xdev",
				    "-name",
				    ".git",
				    "-printf",
				    "g %P\\0",
				    "-prune",
				    "-o",
				    "-type",
				    "f",
				    "-size",
				    size,
				    "-printf",
				    "f %s %P\\0",
				    "-o",
				    "-type",
				    "p",
				    "(",
				    "-name",
				    ".gitignore",
				    "-o",
				    "-name",
				    ".gitattributes",
				    "-o",
				    "-name",
				    ".gitmodules",
				    ")",
				    "-printf",
				    "p %P\\0",
				    NULL };
	memcpy(args, all, sizeof(all));
}

static void exclude(struct git_diff_look *look, struct slice path)
{
	buf_add_str(&look->excluded, ":(exclude,literal)");
	buf_add_slice(&look->excluded, path);
	buf_add_char(&look->excluded, '\0');
}

static void take_nested(struct git_diff_look *look, struct slice path)
{
	if (path.len > 5)
		map_put(&look->nested, slice_make(path.ptr, path.len - 5), &present);
}

static void take_large(struct git_diff_look *look, struct slice rest)
{
	int64_t size = 0;
	size_t i = 0;
	for (; i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
		size = size * 10 + (rest.ptr[i] - '0');
	if (i + 1 >= rest.len)
		return;
	struct slice path = slice_make(rest.ptr + i + 1, rest.len - i - 1);
	exclude(look, path);
	if (look->large_count++)
		return;
	for (size_t n = 0; n < path.len; n++)
		buf_add_char(&look->large, (unsigned char)path.ptr[n] < ' ' ? '?' : path.ptr[n]);
	buf_add_str(&look->large, " (");
	git_error_size(size, &look->large);
	buf_add_char(&look->large, ')');
}

void git_diff_look_found(struct git_diff_look *look, struct slice output)
{
	const char *p = output.ptr, *end = output.ptr + output.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1) {
		struct slice rest = slice_make(p + 2, (size_t)(nul - p) < 2 ? 0 : (size_t)(nul - p) - 2);
		if (*p == 'g')
			take_nested(look, rest);
		else if (*p == 'f')
			take_large(look, rest);
		else if (*p == 'p' && !look->fifo.len)
			buf_add_slice(&look->fifo, rest);
	}
}

/* "160000 ID STAGE\tPATH" */
void git_diff_look_links(struct git_diff_look *look, struct slice output, bool every)
{
	const char *p = output.ptr, *end = output.ptr + output.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1) {
		const char *tab = memchr(p, '\t', (size_t)(nul - p));
		if (!tab || memcmp(p, "160000 ", 7) != 0)
			continue;
		struct slice path = slice_make(tab + 1, (size_t)(nul - tab - 1));
		if (every || map_get(&look->nested, path))
			exclude(look, path);
	}
}
