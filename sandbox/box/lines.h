/* lines.h: a program that a tool runs, and what it prints, line by line. */
#ifndef CRAFT_BOX_LINES_H
#define CRAFT_BOX_LINES_H

#include <stdio.h>
#include <sys/types.h>

#include "buf.h"

struct lines {
	FILE *out;
	int errors;
	pid_t pid;
	char *line;
	size_t room;
};

/* The program in the directories of PATH; NULL: there is none. The caller frees it. */
char *lines_find_program(const char *name);
/* Starts it with nothing on stdin. What can't be started ends the process. */
void lines_begin(struct lines *l, const char *program, char *const *argv);
/* The next one without its end (delimiter), until the following call. False: there are no more. */
bool lines_next(struct lines *l, int delimiter, struct slice *line);
/* Ends it, if it runs still, and appends what it wrote to stderr. Its exit code, or -1 when a signal ended it. */
int lines_end(struct lines *l, struct buf *errors);

#endif
