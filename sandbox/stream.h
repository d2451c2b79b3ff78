/* stream.h: the numbered messages of one sandbox to its clients. Each is stored before any client gets it: what is
 * added waits until the append under way is committed, and then goes in one transaction; the bridges read it from the
 * database. So that no sandbox keeps the others waiting, each has at most STREAM_BATCH bytes of small messages on the
 * connection that all share, and bigger ones go one at a time by a connection of their own, encoded a piece in each turn
 * of the loop. */
#ifndef CRAFT_SANDBOX_STREAM_H
#define CRAFT_SANDBOX_STREAM_H

#include <sys/queue.h>

#include "daemon.h"
#include "draft.h"
#include "lib/log.h"

#define STREAM_BATCH ((size_t)512 << 10)

struct stream_item;
STAILQ_HEAD(stream_items, stream_item);

struct stream {
	struct daemon *daemon;
	const struct log_ids *ids; /* the sandbox's */
	int64_t seq;		   /* number of the last message that is stored */
	struct stream_items waiting, sent;
	size_t waiting_bytes, sent_bytes;
	int64_t sent_messages;
	bool lost;  /* the database says that it isn't this host's any more */
	bool alone; /* of what was refused together each goes by itself */
	void (*on_drained)(void *user); /* after each commit; may be NULL */
	void (*on_lost)(void *user);	/* the sandbox isn't this host's any more; may be NULL */
	void *user;
};

/* ids, which name the sandbox, must outlive it. seq: as api.host_claim() or api.host_sandboxes() told. */
void stream_init(struct stream *stream, struct daemon *daemon, const struct log_ids *ids, int64_t seq);
/* What waits is dropped; of what is under way nothing is heard any more. */
void stream_free(struct stream *stream);

/* Adds a message, a JSON object; takes the draft over. client: the one that it is for, NULL or empty: all. Where the
 * database refuses it, what the draft has instead goes in its place. */
void stream_add(struct stream *stream, const char *client, struct draft *draft);
/* A job has ended: recorded in the transaction of the messages before. */
void stream_job_end(struct stream *stream, int64_t job, const char *outcome, int exit_code, int64_t bytes);
/* Sends what waits, if nothing is under way. Call it once a turn of the loop. True: call it again soon, there is
 * something to encode. */
bool stream_flush(struct stream *stream);

/* Bytes that are not stored yet. */
size_t stream_queued(const struct stream *stream);
/* Is everything stored? */
bool stream_idle(const struct stream *stream);

#endif
