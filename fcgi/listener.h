/* listener.h: the unix socket that nginx connects to. */
#ifndef CRAFT_FCGI_LISTENER_H
#define CRAFT_FCGI_LISTENER_H

#include <sys/stat.h>

#include "buf.h"

struct listener {
	int fd;		  /* -1: none */
	const char *path; /* NULL: the socket came from the service manager, and stays its own */
	dev_t dev;	  /* of the path, as made */
	ino_t ino;
};

/* Takes the socket that the service manager passed (LISTEN_FDS, sd_listen_fds(3)), else makes path with these
 * permissions, replacing what a program that is gone left behind. The socket doesn't block and isn't inherited
 * by programs. False: *error says why. */
bool listener_open(struct listener *l, const char *path, mode_t mode, struct buf *error);

/* New connections are refused from here on; those that wait can still be accepted. Nothing for a passed socket:
 * its connections wait for the next start. */
void listener_stop(struct listener *l);

#endif
