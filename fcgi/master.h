/* master.h: the process that keeps the workers running. */
#ifndef CRAFT_FCGI_MASTER_H
#define CRAFT_FCGI_MASTER_H

#include "conf.h"
#include "listen.h"

/* Runs conf->fcgi_workers workers until SIGTERM or SIGINT, then drains them. SIGHUP replaces them one after another.
 * Returns the exit status. */
int master_run(const struct conf *conf, struct listen_socket *listener);

#endif
