/* report.h: what status and check find: lines for people, or one JSON object; and what is wrong, with how to mend it.
 */
#ifndef CRAFT_REPORT_H
#define CRAFT_REPORT_H

#include "cli.h"

struct report {
	bool json;
	struct buf object;   /* JSON: the members so far */
	struct buf problems; /* JSON: the elements so far, as of the next */
	struct buf warnings;
	int wrong;
};

/* A value: title and shown for people (NULL: not shown to them), key and value for scripts (NULL: not for them). */
void report_text(struct report *r, const char *title, const char *shown, const char *key, const char *value);
/* The same with a value that is JSON already: a number, true, an array. */
void report_json(struct report *r, const char *title, const char *shown, const char *key, const char *value);
/* Something is wrong. Said on stderr, or in "problems". */
void report_problem(struct report *r, const char *mend, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Something to know of, which is not wrong. Said on stderr, or in "warnings". */
void report_warning(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints what is to be printed; CLI_FAILED when anything was wrong. To be called once. */
enum cli_exit report_end(struct report *r);

#endif
