/* blob_dir.h: the blob directory for the commands: opening it, and saying who should have asked when it is closed. */
#ifndef CRAFT_BLOB_DIR_H
#define CRAFT_BLOB_DIR_H

#include "blobs.h"
#include "conf.h"

/* Opens BLOB_DIR; `write`: to remove files from it. False: it said why on stderr. */
bool blob_dir_open(const struct conf *conf, bool write, struct blobs *blobs);
#define autoblobs __attribute__((cleanup(blobs_close))) struct blobs
#define BLOBS_NONE                                                                                                     \
	{                                                                                                              \
		.root = -1, .incoming = -1                                                                             \
	}

/* Adds to *error whose the directory is, if it isn't the caller's. */
void blob_dir_explain(const struct conf *conf, struct buf *error);

#endif
