/* op.h: one mutation on its way: the client's message, checked and taken apart, until it is answered. */
#ifndef CRAFT_OP_H
#define CRAFT_OP_H

#include <sys/queue.h>

#include "bounds.h"
#include "conn.h"
#include "lib/header.h"
#include "lib/sha256.h"
#include "statements.h"

/* What a field of a message's data must be. */
enum field_kind {
	FIELD_END,
	FIELD_ID,     /* string of 1 to 1,024 bytes without NUL or unpaired surrogates, not . or .. */
	FIELD_OLD_ID, /* the same, but . and .. are taken: of what is to go, which may have been stored once */
	FIELD_STRING,
	FIELD_STRING_OR_NULL,
	FIELD_OBJECT,
	FIELD_ARRAY,
	FIELD_ANY
};

#define OP_MAX_FIELDS 3
#define OP_MAX_ID 1024
/* Messages of one session; one that has more already may not grow. */
#define OP_MAX_MESSAGES 100000

/* What is needed of the session before the statement can be built. */
enum op_base { BASE_NONE, BASE_HEADER, BASE_DIGESTS };

struct op;

/* One row of the table of message types (message_types.c). */
struct message_type {
	const char *name;
	const char *entity, *action; /* of the broadcast */
	enum statement statement;
	enum op_base base;
	bool echoes;	    /* the answer's data is the event's, else {"success":true} */
	const char *exists; /* text of the error when the thing is there already */
	struct {
		const char *name;
		enum field_kind kind;
	} fields[OP_MAX_FIELDS + 1];
	/* Adds the statement's parameters between the workspace and the request. */
	void (*parameters)(struct op *op, struct db_params *p);
};

struct op {
	TAILQ_ENTRY(op) link;
	const struct message_type *type;
	struct conn *conn;   /* a reference */
	struct room *room;   /* a reference */
	struct reply *reply; /* the connection's */
	struct buf message;  /* the client's text; the slices below point into it */
	struct slice data;
	struct slice raw[OP_MAX_FIELDS];   /* the fields' JSON text */
	struct buf decoded[OP_MAX_FIELDS]; /* of FIELD_ID: the characters */
	/* With conn->client. */
	unsigned char request_hash[2 * SHA256_BYTES]; /* of the requestId, then of type and data */
	int64_t payload_hash;			      /* for bridges of the last release */
	uint64_t started;			      /* ms */
	uint64_t arrived;			      /* ns */
	unsigned tries;
	bool heavy;    /* of a connection with many under way */
	bool released; /* it waited for a big save of its workspace; the next one waits for it */

	/* Built for the statement. */
	int64_t version;  /* the session's new one */
	struct buf event; /* the event's data where it isn't `data` as sent */
	struct buf origin, idx, sha256, body;
	struct buf refusal;    /* why it isn't sent: the answer's error, */
	enum limit refused_by; /* and the limit that says so */
	struct header_scratch scratch;
};

/* Finds the type; NULL: unknown. */
const struct message_type *message_type_find(struct slice name);
/* The types by their place in the table; NULL: behind the last. */
#define MESSAGE_TYPES_MAX 24
const struct message_type *message_type_at(size_t place);
size_t message_type_place(const struct message_type *type);

/* Takes the message apart. On success the op owns `message` (and *error is untouched); else NULL, and *error says which
 * field is wrong. data must lie in message. */
struct op *op_new(const struct message_type *type, struct conn *conn, struct buf *message, struct slice data,
		  struct slice request_id, struct buf *error);
/* Releases it; the reply was answered before. */
void op_free(struct op *op);

/* Builds the statement's parameters, which point into the op until op_sent(), and foretells the session's new state in
 * the cache. False: what it asks for passes a limit; STMT_REFUSED, without parameters, is to be sent in its place. */
bool op_parameters(struct op *op, struct db_params *p);
/* The statement was queued: releases what was built for it. */
void op_sent(struct op *op);
/* May it share a call with other updates (see call.h)? Only while its session is known to be there. */
bool op_may_join(const struct op *op);
struct pglink;
/* Queues the read of what op_parameters() needs, unless the cache has it. *asked tells whether it did. False: broken.
 */
bool op_send_base(struct op *op, struct pglink *link, bool *asked);
/* The answer to that read. */
void op_take_base(struct op *op, const PGresult *result);
/* Forgets what the cache says of the op's session. */
void op_forget(struct op *op);

/* The event's data: what listeners get. */
struct slice op_event(const struct op *op);
/* What the database says of a mutation: see api.outcome. */
struct op_outcome {
	struct slice status;
	int64_t workspace_id, seq;
	struct slice answer; /* ptr NULL: null */
};

/* The statement succeeded and is committed: answers, and broadcasts. */
void op_committed(struct op *op, const struct op_outcome *outcome);

#endif
