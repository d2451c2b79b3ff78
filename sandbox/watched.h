/* watched.h: what the daemon tells whoever watches it, on SANDBOX_METRICS_LISTEN. */
#ifndef CRAFT_SANDBOX_WATCHED_H
#define CRAFT_SANDBOX_WATCHED_H

#include "host.h"
#include "lib/watch.h"

/* NULL: SANDBOX_METRICS_LISTEN isn't set. The host must outlive it. */
struct watch *watched_new(struct host *host);

#endif
