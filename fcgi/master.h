/* master.h: the process that keeps the workers running. */
#ifndef CRAFT_FCGI_MASTER_H
#define CRAFT_FCGI_MASTER_H

#include "conf.h"
#include "listen.h"

/* Whoever waits for an upload, or for GitHub, is not kept from the quick requests: each kind has its socket and its
 * workers. */
enum pool { POOL_QUICK, POOL_UPLOAD, POOL_GITHUB, POOL_COUNT };

/* Runs the workers of all kinds until SIGTERM or SIGINT, then drains them. SIGHUP replaces them one after another.
 * Returns the exit status. */
int master_run(const struct conf *conf, struct listen_socket listeners[POOL_COUNT]);

#endif
