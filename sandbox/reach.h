/* reach.h: paths of the configuration below directories that only root may enter. What a sandbox's user has to reach
 * (its own files, our programs, the agent's, certificates) may lie there, as with a clone in /root. */
#ifndef CRAFT_SANDBOX_REACH_H
#define CRAFT_SANDBOX_REACH_H

#include "lib/conf.h"

/* For a daemon that is root and has mounts of its own (disk_own_mounts()): shows each path that others can't reach at
 * another place, /mnt, where nobody but the daemon and its children sees it, and lets the configuration name that
 * place. False: *error. */
bool reach_prepare(struct conf *conf, struct buf *error);

#endif
