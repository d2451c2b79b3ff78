/* disk_reserve.h: room on a sandbox's disk that is held back, and given when its files have filled the rest: Claude
 * Code can't work without writing. It is a directory of the daemon's own, beside those that the box sees: bytes and
 * inodes.
 */
#ifndef CRAFT_DISK_RESERVE_H
#define CRAFT_DISK_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

struct disk_room {
	int64_t total, left; /* bytes */
	int64_t inodes_left;
};

/* False: errno. */
bool disk_room(const char *disk, struct disk_room *room);
/* How much is held back on a disk of this size. */
int64_t disk_reserve_size(int64_t disk_size);
/* Holds so many bytes back; what is held already counts. False: there isn't room for all, and nothing is held. */
bool disk_reserve_keep(const char *disk, int64_t size);
/* Gives it. False: there was nothing. */
bool disk_reserve_give(const char *disk);

#endif
