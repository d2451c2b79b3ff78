/* watched.h: what the bridge tells whoever watches it, on WS_METRICS_LISTEN. */
#ifndef CRAFT_WATCHED_H
#define CRAFT_WATCHED_H

#include "bridge.h"
#include "lib/watch.h"

/* NULL: WS_METRICS_LISTEN isn't set. The bridge must outlive it. */
struct watch *watched_new(struct bridge *bridge);

#endif
