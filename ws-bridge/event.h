/* event.h: one numbered change of a workspace, or message of a sandbox, as it is broadcast; encoded once for each kind
 * of listener. */
#ifndef CRAFT_EVENT_H
#define CRAFT_EVENT_H

#include <sys/queue.h>

#include "frame_buf.h"

struct event {
	TAILQ_ENTRY(event) link; /* on a room's ring or hold */
	unsigned refs;
	int64_t seq;
	uint64_t origin;   /* serial of the connection of this process that made it, or 0 */
	char *target;	   /* name of the only client that gets it, or NULL */
	uint64_t asked_at; /* ms: when it was looked whether that one is connected (sandbox_hears()); 0: never */
	bool orphaned;	   /* it isn't, and had no name */
	struct buf head;   /* of a change: {"type":"broadcast","event":{"entity":…,"action":…,"data": */
	struct buf data;   /* the change's; or the message, without its last brace */
	struct frame_buf *frames[4];
};
TAILQ_HEAD(event_list, event);

/* data is copied. The caller holds the one reference. */
struct event *event_new(int64_t seq, struct slice entity, struct slice action, struct slice data, uint64_t origin);
/* A sandbox's message: body is a JSON object, which goes out as it is, or with the number as its last member. target:
 * the only client that gets it; ptr NULL: everybody. Copied. */
struct event *event_new_message(int64_t seq, struct slice body, struct slice target);
struct event *event_ref(struct event *e);
void event_unref(struct event *e);

/* The frame for a listener: with_seq for those that resume, packer when they negotiated permessage-deflate (else
 * NULL). Stays the event's own. */
struct frame_buf *event_frame(struct event *e, bool with_seq, struct packer *packer);

#endif
