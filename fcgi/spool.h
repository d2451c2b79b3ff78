/* spool.h: answers whose readers are slower than the workers lie in files, which have no names, below FCGI_SPOOL_DIR;
 * who has how much there is counted for all workers together, and one process sends them all (sender.h). So no reader
 * keeps a worker, and what one workspace may have of the disk is bounded. */
#ifndef CRAFT_FCGI_SPOOL_H
#define CRAFT_FCGI_SPOOL_H

#include <openssl/sha.h>
#include <sys/types.h>

#include "buf.h"
#include "conf.h"

#define SPOOL_MAX 1024 /* answers */
#define SPOOL_SHARE 4  /* one workspace may have a fourth of FCGI_SPOOL, and of the answers */
#define SPOOL_ID 40    /* a request's id and its end; nginx's have 32 hex digits */

struct spool;

enum spool_result {
	SPOOL_OK,
	SPOOL_WORKSPACE, /* the workspace has its share */
	SPOOL_ALL,	 /* FCGI_SPOOL is used up, or there are SPOOL_MAX answers */
	SPOOL_DISK,	 /* the disk would be nearly full */
};

/* What is counted for one answer. It is its owner's, a process, until that gives it on or dies. */
struct spool_share {
	unsigned char workspace[SHA256_DIGEST_LENGTH]; /* of its name, which is the clients' to choose */
	uint64_t id;				       /* 0: not counted yet */
	uint64_t bytes;
};

/* An answer on its way to the sender: the connection, the file, and from where to where it is to be sent. */
struct spool_answer {
	struct spool_share share;
	uint64_t from, to;
	char request[SPOOL_ID];
};

/* Before the children are made. NULL: no memory or no sockets; then workers wait for slow readers. */
struct spool *spool_new(const struct conf *conf);
void spool_free(struct spool *spool);

/* A file for an answer. -1: there can't be one, errno. */
int spool_file(const struct spool *spool);

/* Has the workspace so much there that no further answer of it should begin? spool may be NULL: no. */
bool spool_is_full(struct spool *spool, const struct spool_share *share);
/* share->bytes become `bytes`: more only where there is room, on the disk that file is on. The calling process is its
 * owner. */
enum spool_result spool_resize(struct spool *spool, struct spool_share *share, uint64_t bytes, int file)
	__attribute__((warn_unused_result));
void spool_end(struct spool *spool, struct spool_share *share);
/* The process is dead: what it owned has ended. */
void spool_owner_ended(struct spool *spool, pid_t owner);

struct spool_sums {
	uint64_t answers, bytes;
};
struct spool_sums spool_sums(struct spool *spool);

/* Gives an answer to the sender, which owns its share from when it takes it. The caller closes its own descriptors.
 * False: nobody takes it. */
bool spool_give(struct spool *spool, const struct spool_answer *answer, int connection, int file);
/* In the sender. 1: taken, with both descriptors; 0: there is none now; -1: there never will be one any more. */
int spool_take(struct spool *spool, struct spool_answer *answer, int *connection, int *file);
/* Readable when there is one to take. */
int spool_fd(const struct spool *spool);
/* The sender has no use for the other end: without it, it learns that all workers are gone. */
void spool_only_take(struct spool *spool);

/* Sends up to `most` bytes of answer from its file to the connection, and moves answer->from. 1: all is out; 0: not
 * yet; -1: the peer is gone. A connection that doesn't block is sent what it takes. */
int spool_send(struct spool_answer *answer, int connection, int file, uint64_t most);

#endif
