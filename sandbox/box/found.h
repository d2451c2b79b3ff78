/* found.h: a list of files with their times, for the tools that find some. */
#ifndef CRAFT_BOX_FOUND_H
#define CRAFT_BOX_FOUND_H

#include <sys/stat.h>

#include "buf.h"

struct found_file {
	char *path;
	struct timespec modified;
};

struct found {
	struct found_file *files;
	size_t count, room;
};

void found_add(struct found *f, const char *path, const struct stat *st);
/* Newest first; of the same time by name. */
void found_sort(struct found *f);
void found_free(struct found *f);

#endif
