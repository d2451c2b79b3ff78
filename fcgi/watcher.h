/* watcher.h: the process that tells of craft-fcgi on FCGI_METRICS_LISTEN. The master has no time for it, and must not
 * wait for the database that /readyz asks about. */
#ifndef CRAFT_FCGI_WATCHER_H
#define CRAFT_FCGI_WATCHER_H

#include "conf.h"
#include "counts.h"

struct watcher {
	const struct conf *conf;
	const struct counts_all *counts;
	const struct bounds *bounds;
	struct spool *spool;
	pid_t pid;	  /* 0: none */
	int64_t start_at; /* ms */
};

/* Without FCGI_METRICS_LISTEN, or counts NULL, there never is one. */
void watcher_init(struct watcher *w, const struct conf *conf, const struct counts_all *counts,
		  const struct bounds *bounds, struct spool *spool, int64_t now);
/* Starts it when it is due. */
void watcher_tend(struct watcher *w, int64_t now);
/* ms of clock_ms() when watcher_tend() has something to do; INT64_MAX: nothing. */
int64_t watcher_due(const struct watcher *w);
/* A child of the master's ended; it may have been this one. */
void watcher_ended(struct watcher *w, pid_t pid, int64_t now);
/* Ends it; the last that the master does. */
void watcher_stop(struct watcher *w);

#endif
