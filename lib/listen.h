/* listen.h: the sockets that a daemon is reached by. */
#ifndef CRAFT_LISTEN_H
#define CRAFT_LISTEN_H

#include <sys/stat.h>

#include "buf.h"

struct listen_socket {
	int fd;		  /* -1: none */
	const char *path; /* NULL: the socket came from the service manager, and stays its own */
	dev_t dev;	  /* of the path, as made */
	ino_t ino;
};

/* Takes the next socket that the service manager passed (LISTEN_FDS, sd_listen_fds(3)), else listens on path with these
 * permissions. wanted: how many sockets the program opens in all; more than that may not be passed. A new daemon takes
 * the path over from one that still drains: the socket is bound under another name and renamed, so that there is always
 * somebody to connect to. It doesn't block and isn't inherited by programs. path must outlive it. False: *error says
 * why, naming the configuration key. */
bool listen_socket_open(struct listen_socket *l, int wanted, const char *key, const char *path, mode_t mode,
			struct buf *error);

/* The same without the service manager's. */
bool listen_socket_make(struct listen_socket *l, const char *key, const char *path, mode_t mode, struct buf *error);

/* Listens on ADDRESS:PORT, the address IPv4 or [IPv6], which nobody else may do at the same time. */
bool listen_address_open(struct listen_socket *l, const char *key, const char *address, struct buf *error);

/* Removes the path, unless it is a successor's by now, and refuses new connections; those that wait can still be
 * accepted. Nothing for a passed socket: its connections wait for the next start. True: there is a successor. */
bool listen_socket_retire(struct listen_socket *l);

#endif
