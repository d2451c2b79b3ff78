/* lane.h: a write connection with a queue. While a batch is being committed the queue fills; then up to 64 requests go
 * as one transaction. If one of them fails, they are run again one by one. Big saves have lanes of their own, so that
 * they delay no small changes, and a workspace has one of these at a time; requests of one connection never overtake
 * each other. */
#ifndef CRAFT_LANE_H
#define CRAFT_LANE_H

#include "bridge.h"

struct histogram;
struct op;

/* big: for big saves. commit_seconds: where the times of its commits are counted. */
struct lane *lane_new(struct bridge *bridge, bool big, const char *application, struct histogram *commit_seconds);
void lane_free(struct lane *lane); /* nothing may be under way */

/* Takes over the op and puts it on its way. */
void lane_submit(struct op *op);
/* Sends the next batch, if the lane is free. Call it once a turn of the loop. */
void lane_pump(struct lane *lane);
/* Answers the batch that was committed, and tells the listeners. Call it after lane_pump(). */
void lane_answer(struct lane *lane);
/* Answers what has waited too long for a database that is away, or in a lane in which nothing moves. */
void lane_tick(struct lane *lane, uint64_t now);
/* What is queued or under way. */
struct lane_load {
	size_t requests, bytes;
};
struct lane_load lane_load(const struct lane *lane);
/* Is nothing queued or under way? */
bool lane_is_idle(const struct lane *lane);

#endif
