/* watch.h: the daemon's side for whoever watches it: /metrics, /healthz and /readyz on SANDBOX_METRICS_LISTEN. */
#ifndef CRAFT_SANDBOX_WATCH_H
#define CRAFT_SANDBOX_WATCH_H

#include "host.h"

struct watch;

/* NULL: SANDBOX_METRICS_LISTEN isn't set. */
struct watch *watch_new(struct daemon *daemon, const struct host *host);
void watch_free(struct watch *watch); /* may be NULL */

#endif
