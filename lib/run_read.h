/* run_read.h: runs a small program and reads what it says. */
#ifndef CRAFT_RUN_READ_H
#define CRAFT_RUN_READ_H

#include "buf.h"

#define RUN_READ_MAX 65536 /* bytes that are read */

/* argv[0] is looked for in PATH, which is all of its environment beside LC_ALL=C. Appends what it writes to stdout and,
 * errors_too, to stderr. False: it can't be started, or hasn't ended after timeout ms (then it is killed); its exit
 * status doesn't matter. Blocks. */
bool run_read(const char *const *argv, int timeout, bool errors_too, struct buf *out);

#endif
