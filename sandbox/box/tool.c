/* tool.c: what the file tools share: their input, their faults, the table of them. */
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "utf8.h"

#define MAX_INPUT ((size_t)512 << 20)
#define CHUNK ((size_t)1 << 20)

static const struct {
	const char *name;
	void (*run)(struct slice input);
} tools[] = {
	{ "Read", tool_read }, { "Write", tool_write }, { "Edit", tool_edit },
	{ "Glob", tool_glob }, { "Grep", tool_grep },
};

/* ---- faults ---- */

void tool_fail(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	exit(1);
}

void tool_fail_errno(const char *doing, const char *path)
{
	switch (errno) {
	case ENOENT:
		tool_fail("File does not exist: %s", path);
	case EISDIR:
		tool_fail("Cannot %s %s: it is a directory.", doing, path);
	case ENOTDIR:
		tool_fail("Cannot %s %s: a part of the path is a file, not a directory.", doing, path);
	case EACCES:
	case EPERM:
		tool_fail("Cannot %s %s: permission denied.", doing, path);
	case EROFS:
		tool_fail("Cannot %s %s: it is in a read-only part of the sandbox.", doing, path);
	case ENOSPC:
	case EDQUOT:
		tool_fail("Cannot %s %s: the sandbox's disk is full.", doing, path);
	case EFBIG:
		tool_fail("Cannot %s %s: the file would be larger than the sandbox allows.", doing, path);
	default:
		tool_fail("Cannot %s %s: %s.", doing, path, strerror(errno));
	}
}

/* ---- input ---- */

static bool find(struct slice input, const char *name, struct slice *value)
{
	return json_get(input, name, value) && json_kind_of(*value) != JSON_NULL;
}

/* json_decode() refuses NULs: it gets what is between them. */
static bool decode(struct slice string, struct buf *out)
{
	const char *p = string.ptr + 1, *end = string.ptr + string.len - 1, *from = p;
	while ((p = memchr(p, '\\', (size_t)(end - p)))) {
		if (end - p < 6 || memcmp(p, "\\u0000", 6) != 0) {
			p += 2;
			continue;
		}
		if (!json_decode(slice_make(from - 1, (size_t)(p - from) + 2), out))
			return false;
		buf_add_char(out, '\0');
		from = p += 6;
	}
	return json_decode(slice_make(from - 1, (size_t)(end - from) + 2), out);
}

bool tool_bytes(struct slice input, const char *name, struct buf *out)
{
	struct slice value;
	if (!find(input, name, &value))
		return false;
	if (json_kind_of(value) != JSON_STRING)
		tool_fail("%s must be a string.", name);
	if (!decode(value, out))
		tool_fail("%s holds an unpaired surrogate (half of a UTF-16 pair), which stands for no bytes.", name);
	return true;
}

char *tool_optional_text(struct slice input, const char *name)
{
	struct buf text = { 0 };
	if (!tool_bytes(input, name, &text))
		return NULL;
	if (text.len && memchr(text.data, '\0', text.len))
		tool_fail("%s cannot hold a NUL byte.", name);
	(void)buf_cstr(&text);
	return text.data;
}

char *tool_text(struct slice input, const char *name)
{
	char *text = tool_optional_text(input, name);
	if (!text)
		tool_fail("%s is missing.", name);
	return text;
}

/* Clients that speak for a model put numbers and flags in quotes at times. */
static struct slice without_quotes(struct slice value)
{
	bool quoted = json_kind_of(value) == JSON_STRING;
	return quoted ? slice_make(value.ptr + 1, value.len - 2) : value;
}

int64_t tool_number(struct slice input, const char *name, int64_t usual)
{
	struct slice value;
	if (!find(input, name, &value))
		return usual;
	struct slice text = without_quotes(value);
	int64_t number = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || text.len > 15)
			tool_fail("%s must be a whole number that isn't negative.", name);
		number = number * 10 + (text.ptr[i] - '0');
	}
	if (text.len == 0)
		tool_fail("%s must be a whole number that isn't negative.", name);
	return number;
}

bool tool_flag(struct slice input, const char *name, bool usual)
{
	struct slice value;
	if (!find(input, name, &value))
		return usual;
	struct slice text = without_quotes(value);
	if (!slice_eq_str(text, "true") && !slice_eq_str(text, "false"))
		tool_fail("%s must be true or false.", name);
	return slice_eq_str(text, "true");
}

char *tool_path(struct slice input, const char *name)
{
	char *path = tool_optional_text(input, name);
	if (!path)
		return NULL;
	if (!*path)
		tool_fail("%s is empty.", name);
	const char *home = getenv("HOME");
	if (!home || path[0] != '~' || (path[1] && path[1] != '/'))
		return path;
	struct buf full = { 0 };
	buf_add_str(&full, home);
	buf_add_str(&full, path + 1);
	free(path);
	(void)buf_cstr(&full);
	return full.data;
}

static void read_input(struct buf *in)
{
	for (;;) {
		ssize_t n = read(STDIN_FILENO, buf_reserve(in, CHUNK), CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		in->len += (size_t)n;
		if (in->len > MAX_INPUT)
			tool_fail("The input is too large.");
	}
}

void tool_print(struct slice bytes)
{
	if (fwrite(bytes.ptr, 1, bytes.len, stdout) != bytes.len)
		tool_fail("The result cannot be handed over: %s.", strerror(errno));
}

int tool_main(const char *name)
{
	autobuf in = { 0 };
	/* Files too large and readers gone are errors of their calls. */
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (strcmp(tools[i].name, name) != 0)
			continue;
		read_input(&in);
		struct slice input = buf_slice(&in);
		if (!utf8_valid(input.ptr, input.len) || !json_check(input, NULL) ||
		    json_kind_of(json_trim(input)) != JSON_OBJECT)
			tool_fail("The input is no JSON object.");
		tools[i].run(json_trim(input));
		if (fflush(stdout) != 0)
			tool_fail("The result cannot be handed over: %s.", strerror(errno));
		return 0;
	}
	tool_fail("There is no tool %s.", name);
}
