/* tool.h: the file tools: one process each, the input as a JSON object on stdin, the result on stdout. What goes wrong
 * ends the process with a sentence on stderr. Texts end without a newline, unless it belongs to them. */
#ifndef CRAFT_BOX_TOOL_H
#define CRAFT_BOX_TOOL_H

#include <sys/stat.h>

#include "buf.h"

/* craft-box tool NAME. */
int tool_main(const char *name);

void tool_read(struct slice input);
void tool_write(struct slice input);
void tool_edit(struct slice input);
void tool_glob(struct slice input);
void tool_grep(struct slice input);

/* Says what is wrong and ends the process with code 1. */
_Noreturn void tool_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with the reason of errno, in words that fit a sandbox. doing: "read", "write to", … */
_Noreturn void tool_fail_errno(const char *doing, const char *path);

/* Members of the input; null counts as none. A member of the wrong kind ends the process. */
/* Appends the text's bytes, NULs too. False: there is none. */
bool tool_bytes(struct slice input, const char *name, struct buf *out);
/* A text that must be there, may hold no NUL, and is for programs and paths. The caller frees it. */
char *tool_text(struct slice input, const char *name);
/* The same, NULL when there is none. */
char *tool_optional_text(struct slice input, const char *name);
/* A whole number from 0 on (a text of digits will do), or usual. */
int64_t tool_number(struct slice input, const char *name, int64_t usual);
bool tool_flag(struct slice input, const char *name, bool usual);

/* The path to open: "~" and "~/…" are below HOME, all else as it is (relative to the directory that the process is
 * in). Freed by the caller, as is what tool_path() gave. Not empty. */
char *tool_path(struct slice input, const char *name);

/* Opens a regular file for reading and looks at it. What isn't there, or isn't a regular file, ends the process. */
int tool_open(const char *path, struct stat *st);
/* Replaces the file's bytes, or makes it with its parent directories: by a new file that takes its place, with the
 * old one's mode. A symbolic link stays one. False: there was no such file before. */
bool tool_replace(const char *path, struct slice bytes);
/* To stdout; what can't be written ends the process. */
void tool_print(struct slice bytes);

#endif
