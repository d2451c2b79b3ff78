/* disk.h: a file system of limited size in a file: ext4 on a loop device, mounted where only the daemon and what it
 * starts see it. Needs root; all of it blocks. */
#ifndef CRAFT_DISK_H
#define CRAFT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

/* Gives the calling process its own view of the mounts: what it mounts goes with it and its children, even after
 * kill -9. Call it before a second thread exists. Who may not have that (not root, or a container that forbids it) may
 * mount nothing either: that is success. False: *error. */
bool disk_own_mounts(struct buf *error);

/* Can disks be had below dir? Tried once with a small one; later calls repeat the answer. *why may be NULL. */
bool disk_works(const char *dir, struct buf *why);

/* Makes image, a sparse file of size bytes with an empty file system that belongs to root. False: *error. */
bool disk_make(const char *image, int64_t size, struct buf *error);
/* Repairs what an unclean end left in it, if need be, and mounts it. False: *error. */
bool disk_mount(const char *image, const char *dir, struct buf *error);
/* Unmounts dir; who still uses it keeps it for as long. A dir that isn't one is success. */
bool disk_unmount(const char *dir, struct buf *error);

#endif
