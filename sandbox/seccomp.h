/* seccomp.h: the filter of system calls that every box gets, compiled once when the daemon starts. */
#ifndef CRAFT_SANDBOX_SECCOMP_H
#define CRAFT_SANDBOX_SECCOMP_H

#include "lib/buf.h"

/* A descriptor (a sealed memfd, close-on-exec) with the filter for bwrap's --seccomp; the caller closes it. -1: *error.
 */
int seccomp_export(struct buf *error);

/* A second descriptor of the same filter with a position of its own, at its beginning: bwrap reads from where the
 * descriptor stands, so each box needs one. The caller closes it. -1: errno. */
int seccomp_reopen(int fd);

#endif
