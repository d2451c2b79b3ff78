/* driver.h: what the programs share that tests drive by lines on stdin: agent_driver, gateway_driver and git_driver. */
#ifndef CRAFT_TESTS_DRIVER_H
#define CRAFT_TESTS_DRIVER_H

#include <uv.h>

#include "lib/conf.h"

struct driver_input {
	void (*obey)(char *line); /* a line without its end; it may be changed */
	void (*end)(void);	  /* stdin is at its end; may be NULL */
	uv_pipe_t pipe;
	struct buf unread;
};

/* Begins to read stdin on this loop. False: it can't be read. */
bool driver_read(struct driver_input *input, uv_loop_t *loop);
/* Reads no more; once is enough, and the end of stdin does it too. */
void driver_close(struct driver_input *input);
void driver_free(struct driver_input *input);

/* Ends the line at its first space. What follows it, "" where there is none. */
char *driver_value(char *line);

struct driver_setting {
	const char *name;
	char **place; /* a text of its own, or NULL */
};
/* False: there is none of that name. */
bool driver_set(const struct driver_setting *settings, size_t count, const char *name, const char *value);

/* The tree may lie where only root may enter: as the daemon does it. */
bool driver_reach(struct conf *conf, struct buf *error);

#endif
