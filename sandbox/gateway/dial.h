/* dial.h: connections to hosts outside: the name is resolved once, here, and what is connected to is the address that
 * was checked. */
#ifndef CRAFT_GATEWAY_DIAL_H
#define CRAFT_GATEWAY_DIAL_H

#include "allow.h"

enum dial_result {
	DIAL_OK,
	DIAL_NOT_LISTED, /* the allow-list doesn't have it */
	DIAL_RESERVED,	 /* it has a socket of its own */
	DIAL_UNRESOLVED, /* no such name */
	DIAL_FORBIDDEN,	 /* it has only addresses that it may not have; *about is the first of them */
	DIAL_UNREACHABLE /* none of its addresses answers; *about says why */
};

/* Connects to the first address that may be and answers. DIAL_OK: *fd is a connected socket that doesn't block; the
 * caller's. */
enum dial_result dial(const struct allow_list *list, const struct host *host, unsigned port, int *fd,
		      struct buf *about);

#endif
