/* quota.h: how many files a WORKSPACE_QUOTA allows. app.quota_files() of the database says the same. */
#ifndef CRAFT_QUOTA_H
#define CRAFT_QUOTA_H

#include <stdint.h>

#define QUOTA_FILE_BYTES 4096  /* a small file takes so many bytes of the disk */
#define QUOTA_FILES_LEAST 1000 /* files of however small a quota */

/* quota: bytes, above 0. */
static inline int64_t quota_files(int64_t quota)
{
	int64_t files = quota / QUOTA_FILE_BYTES;
	return files > QUOTA_FILES_LEAST ? files : QUOTA_FILES_LEAST;
}

#endif
