/* startup.h: what main() of every daemon begins with: the options that all have, and the configuration. */
#ifndef CRAFT_STARTUP_H
#define CRAFT_STARTUP_H

#include <stdio.h>

#include "conf.h"

struct startup {
	const char *name; /* of the program */
	enum conf_program program;
	const char *purpose; /* for --help: sentences, without a line break at the end, as the next one */
	const char *signals;
	/* An option of its own, such as "list-routes", that prints a table and ends; NULL: none. */
	const char *list_option;
	const char *list_help;
	void (*list)(FILE *out);
};

/* Names the program in the log, reads the command line and loads the configuration. True: go on, and conf is to be
 * freed. False: it did what was asked for, or said what is wrong; *status is the exit status: 0, or 2 for bad usage or
 * configuration. */
bool startup(const struct startup *s, int argc, char **argv, struct conf *conf, int *status);

#endif
