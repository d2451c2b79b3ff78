/* tree.h: directory trees that somebody hostile has made: any depth, any names, no permissions, symbolic links. Nothing
 * here follows a link, uses a path of more than one part, or opens more than a few descriptors. */
#ifndef CRAFT_TREE_H
#define CRAFT_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/buf.h"

/* Removes what lies at path (only its last part may be hostile): a file, a link or a directory with all in it. Nothing
 * there is success. False: *error, and part of it may be left. */
bool tree_remove(const char *path, struct buf *error);

/* Calls visit for everything below path, not for path itself; directories before what is in them. It may change owner
 * and mode of name in at, by functions that don't follow links. Other file systems and directories that can't be read
 * are visited but not entered. False: path can't be opened, memory for names has reached its bound, or the tree was
 * changed meanwhile in a way that lost the place. */
bool tree_walk(const char *path, void (*visit)(int at, const char *name, const struct stat *st, void *arg), void *arg);

/* Bytes on the disk of everything below path; files with several names are counted for each. -1: tree_walk() failed. */
int64_t tree_size(const char *path);
/* Gives everything below path to the user. */
bool tree_chown(const char *path, uid_t uid, gid_t gid);

#endif
