/* write_all.h: write(2) until all of it is written. */
#ifndef CRAFT_WRITE_ALL_H
#define CRAFT_WRITE_ALL_H

#include <stdbool.h>

#include "buf.h"

/* Writes all bytes to a file that blocks, going on after signals. False: errno says why, and some may be written. */
bool write_all(int fd, struct slice bytes) __attribute__((warn_unused_result));

#endif
