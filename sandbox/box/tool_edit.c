/* tool_edit.c: Edit: replaces one text of a file, or all its occurrences, and leaves every other byte alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "tool.h"

struct edit {
	struct buf file, old, new;
	bool all;
};

static void free_edit(struct edit *e)
{
	buf_free(&e->file);
	buf_free(&e->old);
	buf_free(&e->new);
}

static const char *next(struct slice in, const struct buf *what)
{
	return !what->data || in.len < what->len ? NULL : memmem(in.ptr, in.len, what->data, what->len);
}

static struct slice behind(struct slice in, const char *at, size_t n)
{
	return slice_make(at + n, (size_t)(in.ptr + in.len - at) - n);
}

/* Overlapping ones count: which of them is meant can't be told either. */
static size_t count(const struct edit *e)
{
	size_t found = 0;
	struct slice rest = buf_slice(&e->file);
	for (const char *at; (at = next(rest, &e->old)); rest = behind(rest, at, 1))
		found++;
	return found;
}

static void replace(const struct edit *e, struct buf *out)
{
	struct slice rest = buf_slice(&e->file);
	for (const char *at; (at = next(rest, &e->old));) {
		buf_add(out, rest.ptr, (size_t)(at - rest.ptr));
		buf_add_slice(out, buf_slice(&e->new));
		rest = behind(rest, at, e->old.len);
		if (!e->all)
			break;
	}
	buf_add_slice(out, rest);
}

static void add_carriage_returns(struct buf *text)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == '\n')
			buf_add_char(&out, '\r');
		buf_add_char(&out, text->data[i]);
	}
	buf_free(text);
	*text = out;
}

/* Somebody who saw a file with CRLF as lines writes LF: then both texts get the file's line ends. */
static void adapt_line_ends(struct edit *e)
{
	static const struct slice crlf = { "\r\n", 2 };
	struct slice file = buf_slice(&e->file);
	if (next(file, &e->old) || !memchr(e->old.data, '\n', e->old.len) || memchr(e->old.data, '\r', e->old.len) ||
	    (e->new.len &&memchr(e->new.data, '\r', e->new.len)) || !file.len ||
	    !memmem(file.ptr, file.len, crlf.ptr, crlf.len))
		return;
	struct buf kept = { 0 };
	buf_add_slice(&kept, buf_slice(&e->old));
	add_carriage_returns(&e->old);
	if (!next(file, &e->old)) {
		buf_free(&e->old);
		e->old = kept;
		return;
	}
	buf_free(&kept);
	add_carriage_returns(&e->new);
}

static void load(const char *path, struct buf *out)
{
	struct stat st;
	autoclose int fd = tool_open(path, &st);
	char *at = buf_reserve(out, (size_t)st.st_size + 1);
	for (;;) {
		ssize_t n = read(fd, at, (size_t)st.st_size + 1 - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			tool_fail_errno("read", path);
		out->len += (size_t)n;
		at += n;
		if (out->len > (size_t)st.st_size)
			tool_fail("The file %s grew while it was read. Try again.", path);
		if (n == 0)
			return;
	}
}

/* An empty old_string makes a file. */
static void create(const char *path, const struct edit *e)
{
	struct stat st;
	if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > 0))
		tool_fail("Cannot create new file - file already exists.");
	if (tool_replace(path, buf_slice(&e->new)))
		(void)printf("The file %s has been updated successfully.", path);
	else
		(void)printf("File created successfully at: %s", path);
}

static void change(const char *path, struct edit *e)
{
	autobuf out = { 0 };
	load(path, &e->file);
	adapt_line_ends(e);
	size_t found = count(e);
	if (found == 0)
		tool_fail("String to replace not found in file.\nString: %.2000s", buf_cstr(&e->old));
	if (found > 1 && !e->all)
		tool_fail("Found %zu matches of the string to replace, but replace_all is false. To replace all "
			  "occurrences, set replace_all to true. To replace only one occurrence, please provide more "
			  "context to uniquely identify the instance.\nString: %.2000s",
			  found, buf_cstr(&e->old));
	replace(e, &out);
	(void)tool_replace(path, buf_slice(&out));
	(void)printf("The file %s has been updated%s", path,
		     e->all ? ". All occurrences were successfully replaced." : " successfully.");
}

void tool_edit(struct slice input)
{
	autocall(free_edit) struct edit e = { 0 };
	autofree char *path = tool_path(input, "file_path");
	if (!path)
		tool_fail("file_path is missing.");
	if (!tool_bytes(input, "old_string", &e.old))
		tool_fail("old_string is missing.");
	if (!tool_bytes(input, "new_string", &e.new))
		tool_fail("new_string is missing.");
	e.all = tool_flag(input, "replace_all", false);
	if (e.old.len == e.new.len && (e.old.len == 0 || memcmp(e.old.data, e.new.data, e.old.len) == 0))
		tool_fail("No changes to make: old_string and new_string are exactly the same.");
	if (e.old.len == 0)
		create(path, &e);
	else
		change(path, &e);
}
