/* worker.h: one process that answers one request at a time. */
#ifndef CRAFT_FCGI_WORKER_H
#define CRAFT_FCGI_WORKER_H

#include "conf.h"

struct bounds;
struct counts;
struct spool;

/* Serves the (non-blocking) listening socket until SIGTERM, which must be blocked. Then answers what already waits
 * there, for two seconds at most, and returns the exit status. bounds: shared with the others; NULL: none. counts:
 * where it counts; NULL: nowhere. spool: where answers wait for slow readers; NULL: they are waited for. A request that
 * was begun is always ended first. */
int worker_run(const struct conf *conf, struct bounds *bounds, struct counts *counts, struct spool *spool,
	       int listen_fd);

#endif
