/* home.h: SANDBOX_DIR: made, locked, and with this host's id. */
#ifndef CRAFT_SANDBOX_HOME_H
#define CRAFT_SANDBOX_HOME_H

#include "lib/conf.h"
#include "lib/uuid.h"

/* Makes what is missing and locks it: *lock is a descriptor that holds the lock until it is closed. host: the id in the
 * file host-id, which is made at the first start and stays as long as the directory. False: *error says why. */
bool home_open(const struct conf *conf, char host[static UUID_SIZE], int *lock, struct buf *error);

#endif
