/* counts.h: what a bridge counts besides the limits (bounds.h), and the text in which it tells all of it. */
#ifndef CRAFT_COUNTS_H
#define CRAFT_COUNTS_H

#include "bridge.h"
#include "lib/metrics.h"
#include "op.h"
#include "sandbox_message.h"

/* How connections ended, in the order of the table in counts.c. */
#define COUNTS_CLOSES 14

struct counts {
	struct counter messages[MESSAGE_TYPES_MAX]; /* by message_type_place() */
	struct histogram message_seconds[MESSAGE_TYPES_MAX];
	struct counter bad_messages; /* of no type that is known */
	struct counter sandbox_requests[SANDBOX_DIFF + 1];
	struct counter replies, errors;

	struct histogram commit_seconds[LANE_COUNT], batch_size;
	struct counter failed_batches, unknown_batches;

	struct counter events, frames, frame_bytes;
	struct histogram listeners;
	struct counter pages; /* of logs that were read */
	/* Of the workspace that has the most, as they were when the database was last asked. */
	uint64_t change_log_bytes, stream_bytes;

	struct counter accepted, refused, closes[COUNTS_CLOSES];
	struct counter received_bytes, sent_bytes;
};

/* A connection ended with this close code. */
void counts_close(struct bridge *bridge, uint16_t code);

/* All that the bridge counts, and how much there is of what now. */
void counts_print(const struct bridge *bridge, struct buf *out);

#endif
