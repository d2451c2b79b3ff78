/* tool_read.c: Read: a file, or some of its lines, numbered as `cat -n` does. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cleanup.h"
#include "tool.h"

#define CHUNK 262144

struct reading {
	int64_t first, last; /* lines to print, from 1 on */
	int64_t line;	     /* the current one */
	bool at_start;	     /* nothing of it was seen yet */
};

/* A piece of one line; ended: with its newline. */
static void take(struct reading *r, struct slice piece, bool ended)
{
	if (r->line >= r->first && r->line <= r->last) {
		if (r->at_start)
			(void)printf("%6" PRId64 "\t", r->line);
		tool_print(piece);
	}
	r->at_start = ended;
	r->line += ended;
}

static void take_chunk(struct reading *r, struct slice chunk)
{
	while (chunk.len && r->line <= r->last) {
		const char *newline = memchr(chunk.ptr, '\n', chunk.len);
		size_t n = newline ? (size_t)(newline + 1 - chunk.ptr) : chunk.len;
		take(r, slice_make(chunk.ptr, n), newline != NULL);
		chunk = slice_make(chunk.ptr + n, chunk.len - n);
	}
}

static void take_file(struct reading *r, const char *path, int fd)
{
	static char chunk[CHUNK];
	while (r->line <= r->last) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			tool_fail_errno("read", path);
		if (n == 0)
			return;
		take_chunk(r, slice_make(chunk, (size_t)n));
	}
}

void tool_read(struct slice input)
{
	autofree char *path = tool_path(input, "file_path");
	if (!path)
		tool_fail("file_path is missing.");
	struct reading r = { .line = 1, .at_start = true };
	r.first = tool_number(input, "offset", 1);
	r.first = r.first ? r.first : 1;
	int64_t limit = tool_number(input, "limit", 0);
	r.last = limit ? r.first + limit - 1 : INT64_MAX;
	struct stat st;
	autoclose int fd = tool_open(path, &st);
	take_file(&r, path, fd);
	int64_t lines = r.line - r.at_start;
	if (lines == 0)
		(void)printf("<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>");
	else if (lines < r.first)
		(void)printf(
			"<system-reminder>Warning: the file exists but is shorter than the provided offset (%" PRId64
			"). The file has %" PRId64 " lines.</system-reminder>",
			r.first, lines);
}
