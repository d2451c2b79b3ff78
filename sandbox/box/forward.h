/* forward.h: from ports of 127.0.0.1 inside the box to the unix sockets of its gateway: the box's only way out. */
#ifndef CRAFT_BOX_FORWARD_H
#define CRAFT_BOX_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#define FORWARD_MAX 8

struct forward_listeners {
	int fds[FORWARD_MAX];
	const char *paths[FORWARD_MAX]; /* of the unix sockets */
	size_t count;
};

/* "3128=/run/sbx/egress.sock" and so on, NULL at the end. */
extern char *forward_usual[];

/* Listens for each PORT=SOCKET; the only one "none": for nothing. False: it said why on stderr. The sockets needn't
 * exist yet. */
bool forward_listen(struct forward_listeners *listeners, char **forwards);
/* Serves them for ever. A socket that can't be connected to is tried again for some seconds, as its gateway may be
 * about to start anew. */
_Noreturn void forward_run(const struct forward_listeners *listeners);
/* craft-box forward: both. */
int forward_main(char **forwards);

#endif
