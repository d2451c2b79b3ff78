/* tar.h: a workspace's archive as bytes: a tar file (pax) of regular files, the last of which, SHA256SUMS, has a line
 * for each of the others as sha256sum prints it. The same contents give the same bytes. */
#ifndef CRAFT_TAR_H
#define CRAFT_TAR_H

#include <openssl/evp.h>

#include "buf.h"

#define TAR_SUMS "SHA256SUMS"
#define TAR_HEX_SIZE 65 /* SHA-256 in hex and a NUL */

struct archive;

/* Both directions. All functions return false with a sentence in *error. All zero is closed. */
struct tar {
	struct archive *archive;
	bool writing;
	int fd;		 /* writing: where to */
	int error;	 /* errno of the write that failed; 0: none did */
	bool broken_off; /* nothing is written any more */
	EVP_MD_CTX *hash;
	char *name;	  /* of the entry that is under way */
	int64_t size;	  /* its bytes */
	int64_t rest;	  /* those still to come */
	struct buf sums;  /* the lines so far */
	struct buf given; /* reading: SHA256SUMS as the archive has it */
};

/* fd stays the caller's; *t stays where it is until tar_close(). */
bool tar_write_open(struct tar *t, int fd, struct buf *error);
/* An entry: begin, as many pieces as make up the size, end. hex gets its SHA-256. */
bool tar_write_begin(struct tar *t, const char *name, int64_t size, struct buf *error);
bool tar_write(struct tar *t, struct slice data, struct buf *error);
bool tar_write_end(struct tar *t, char hex[TAR_HEX_SIZE], struct buf *error);
/* SHA256SUMS, and the end. */
bool tar_write_close(struct tar *t, struct buf *error);

bool tar_read_open(struct tar *t, int fd, struct buf *error);
/* The next entry: t->name and t->size. *more is false when there is none: then SHA256SUMS was there, was the last one,
 * and all that was read is as it says. */
bool tar_read_next(struct tar *t, bool *more, struct buf *error);
/* A piece of it; *n is 0 at its end. */
bool tar_read(struct tar *t, char *data, size_t room, size_t *n, struct buf *error);
/* To be called behind its last piece. */
bool tar_read_end(struct tar *t, char hex[TAR_HEX_SIZE], struct buf *error);

void tar_close(struct tar *t);
#define autotar __attribute__((cleanup(tar_close))) struct tar

#endif
