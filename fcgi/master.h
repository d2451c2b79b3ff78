/* master.h: the process that keeps the workers running. */
#ifndef CRAFT_FCGI_MASTER_H
#define CRAFT_FCGI_MASTER_H

#include "conf.h"
#include "listen.h"

/* Who waits for a slow request (an upload) is not kept from the quick ones: each kind has its socket and its workers.
 */
enum pool { POOL_QUICK, POOL_SLOW, POOL_COUNT };

/* Runs conf->fcgi_workers and conf->fcgi_slow_workers workers until SIGTERM or SIGINT, then drains them. SIGHUP
 * replaces them one after another. Returns the exit status. */
int master_run(const struct conf *conf, struct listen_socket listeners[POOL_COUNT]);

#endif
