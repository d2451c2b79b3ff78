/* monitor.h: the listening socket where a daemon is watched (GET /metrics, /healthz, /readyz), on its event loop. It
 * must never get into the daemon's way: a few connections at a time, each with one small request and a few seconds. */
#ifndef CRAFT_MONITOR_H
#define CRAFT_MONITOR_H

#include <sys/stat.h>
#include <uv.h>

#include "monitor_http.h"

struct monitor;

/* Listens on the path of a unix socket, with these permissions, or on ADDRESS:PORT. Where that isn't possible now, it
 * is tried again every second, and the log says so: a daemon serves all the same. key: the configuration's name of it.
 * Address NULL: there is no monitor; NULL is returned, which monitor_free() takes. The texts and what source has must
 * outlive it. */
struct monitor *monitor_new(uv_loop_t *loop, const char *key, const char *address, mode_t mode,
			    const struct monitor_source *source);
/* Stops listening; gone when the loop has let go of it. */
void monitor_free(struct monitor *monitor);

#endif
