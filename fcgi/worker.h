/* worker.h: one process that answers one request at a time. */
#ifndef CRAFT_FCGI_WORKER_H
#define CRAFT_FCGI_WORKER_H

#include "service.h"

/* Serves the listening socket until SIGTERM, which must be blocked. Then answers what already waits there, for two
 * seconds at most, and returns the exit status. A request that was begun is always ended first. */
int worker_run(const struct worker_share *share);

#endif
