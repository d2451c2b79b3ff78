/* watch.h: the bridge's side for whoever watches it: /metrics, /healthz and /readyz on WS_METRICS_LISTEN. */
#ifndef CRAFT_WATCH_H
#define CRAFT_WATCH_H

#include "bridge.h"

struct watch;

/* NULL: WS_METRICS_LISTEN isn't set. */
struct watch *watch_new(struct bridge *bridge);
void watch_free(struct watch *watch); /* may be NULL */

#endif
