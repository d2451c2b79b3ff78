/* listener.h: the unix socket that nginx reaches the bridge by. */
#ifndef CRAFT_LISTENER_H
#define CRAFT_LISTENER_H

#include "bridge.h"

struct listener;

/* Listens on WS_LISTEN, or on the socket that the service manager passed (see lib/listen.h). NULL: *error says why. */
struct listener *listener_new(struct bridge *bridge, struct buf *error);
/* Stops accepting. Who waits already is taken still, unless a service manager keeps the socket for the next program. */
void listener_free(struct listener *listener);

#endif
