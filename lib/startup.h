/* startup.h: what main() of every daemon begins with: the options that all have, and the configuration. */
#ifndef CRAFT_STARTUP_H
#define CRAFT_STARTUP_H

#include <stdio.h>

#include "conf.h"

#define STARTUP_LISTS 2

/* An option of a program's own, such as "list-routes", that prints a table and ends; option NULL: none. */
struct startup_list {
	const char *option, *help;
	void (*print)(FILE *out);
};

struct startup {
	const char *name; /* of the program */
	enum conf_program program;
	const char *purpose; /* for --help: sentences, without a line break at the end, as the next one */
	const char *signals;
	struct startup_list lists[STARTUP_LISTS];
};

/* Names the program in the log, reads the command line and loads the configuration. True: go on, and conf is to be
 * freed. False: it did what was asked for, or said what is wrong; *status is the exit status: 0, or 2 for bad usage or
 * configuration. */
bool startup(const struct startup *s, int argc, char **argv, struct conf *conf, int *status);

#endif
