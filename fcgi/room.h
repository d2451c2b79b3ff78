/* room.h: room on the disk for a body that is about to come. */
#ifndef CRAFT_FCGI_ROOM_H
#define CRAFT_FCGI_ROOM_H

#include "database.h"
#include "request.h"

/* Bytes free for files, those that uploads under way have written already counted as free: they are in what is claimed.
 * 0 also where the file system can hold no more files. False: it can't be told. */
bool room_left(const struct blobs *blobs, uint64_t *bytes);

/* Removes blobs that no file names any more, the oldest first, until so many bytes are free, nothing is left to remove,
 * or a second is over. Who is downloading one keeps its bytes; who is about to is sent to the worker again by nginx. */
enum status room_make(struct request *req, struct database *db, uint64_t bytes) __attribute__((warn_unused_result));

#endif
