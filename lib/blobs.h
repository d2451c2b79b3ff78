/* blobs.h: the directory of blobs, immutable files with random names, and how one gets there durably:
 *   BLOB_DIR/3f/3f2a…      blobs, named by their UUID, below its first two digits
 *   BLOB_DIR/incoming/     uploads under way: nginx's temporary files, and those that workers write
 * Which blob is which file stands in the database only. Nothing in here follows a symbolic link. */
#ifndef CRAFT_BLOBS_H
#define CRAFT_BLOBS_H

#include <stdbool.h>
#include <sys/types.h>

#include "buf.h"
#include "uuid.h"

#define BLOBS_INCOMING "incoming"

/* Whose turn it is to have a slice of a file written to the disk, among processes that share it. */
struct blob_turns {
	bool (*begin)(void *user); /* waits; false: there are no turns, go on */
	void (*end)(void *user);
	void *user;
};

struct blobs {
	int root;		 /* BLOB_DIR; -1: not open */
	int incoming;		 /* BLOB_DIR/incoming */
	char *incoming_path;	 /* its absolute path, without symbolic links */
	struct blob_turns turns; /* the opener's to set; begin NULL: nobody waits for anybody */
};

/* Opens the directory and makes incoming/ where it is missing. False: *error has a sentence. */
bool blobs_open(struct blobs *b, const char *dir, struct buf *error);
/* For those who publish: makes the blobs' directories that are missing, and all of them durable. False: errno. */
bool blobs_prepare(const struct blobs *b);
void blobs_close(struct blobs *b);

enum blob_result {
	BLOB_OK,
	BLOB_FULL,   /* no space, or no quota, on the file system */
	BLOB_NONE,   /* not there, or no regular file of its own directory */
	BLOB_FAILED, /* anything else; errno says what */
};

/* A file in incoming/ on its way to become a blob. */
struct blob_draft {
	int fd;		      /* -1: none */
	uint64_t flushed;     /* bytes of it that are on the disk */
	bool unsliced;	      /* its file system can't write a part */
	char name[UUID_SIZE]; /* in incoming/; empty: nginx's, which removes the name itself, or published */
};
#define BLOB_DRAFT_NONE ((struct blob_draft){ .fd = -1 })

/* A new, empty one. */
enum blob_result blobs_create(const struct blobs *b, struct blob_draft *draft) __attribute__((warn_unused_result));
/* One that nginx wrote, by the path that nginx gives. BLOB_NONE: the path doesn't lead to a regular file right in
 * incoming/. */
enum blob_result blobs_adopt(const struct blobs *b, struct slice path, struct blob_draft *draft)
	__attribute__((warn_unused_result));
/* Has the file's first `size` bytes written to the disk, but for a rest. A large file that is flushed in one go keeps
 * everybody else who flushes waiting behind it, such as commits of the database on the same disk (measured: 22 ms in
 * place of 2, at the median): so it goes there a slice of 256 KB at a time, of one file at a time. Where the file
 * system can't do that, blobs_publish() does all of it. False: errno; the bytes are lost. */
bool blob_draft_flush(const struct blobs *b, struct blob_draft *draft, uint64_t size)
	__attribute__((warn_unused_result));
/* Makes it the blob `id`, durably: file and directories are on the disk when it returns BLOB_OK. The draft's fd stays
 * open and keeps a shared lock (flock) until blob_draft_end(), by which the sweeper knows a blob that is just being
 * entered into the database. On failure nothing of the name is left. */
enum blob_result blobs_publish(const struct blobs *b, struct blob_draft *draft, const char id[static UUID_SIZE])
	__attribute__((warn_unused_result));
/* Closes it; a file of our own is removed unless it was published. */
void blob_draft_end(const struct blobs *b, struct blob_draft *draft);

/* Opens a blob for reading. */
enum blob_result blobs_read(const struct blobs *b, const char id[static UUID_SIZE], int *fd)
	__attribute__((warn_unused_result));
/* Removes a blob; one that isn't there is no error. */
enum blob_result blobs_remove(const struct blobs *b, const char id[static UUID_SIZE])
	__attribute__((warn_unused_result));

#endif
