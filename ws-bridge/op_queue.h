/* op_queue.h: requests that wait for a lane. Of small changes, who has many under way gets what the others leave of a
 * batch; of big saves, workspaces take turns. While a big save of a workspace runs, which has the workspace locked, its small
 * changes wait beside the queue, and nobody behind them. */
#ifndef CRAFT_OP_QUEUE_H
#define CRAFT_OP_QUEUE_H

#include "op.h"

struct op_queue {
	struct op_list few, many;
	bool big; /* all are in `few`, and their workspaces take turns: */
	uint64_t turns;
	uint64_t few_until; /* ms: so long connections with few under way count as sending */
	uint64_t many_at;   /* ms: not before that those of the others go without any of theirs */
	bool took_few;	    /* the batch taken last has requests of connections with few */
};

void op_queue_init(struct op_queue *q, bool big);
bool op_queue_is_empty(const struct op_queue *q);

/* Adds the op at the end, and counts it as under way at its connection until op_queue_done(). now: ms. */
void op_queue_add(struct op_queue *q, struct op *op, uint64_t now);
void op_queue_done(struct op *op);
/* Puts back what was taken, at the beginning: the one that was taken last comes first. */
void op_queue_put_back(struct op_queue *q, struct op *op);

/* 0: something may be taken. Else the ms until then, where only that waits which lets others go first. */
uint64_t op_queue_pause(const struct op_queue *q, uint64_t now);
/* The transaction of what was taken has ended: the turn of its workspace is over. */
void op_queue_served(struct op_queue *q, const struct op *op);
/* Takes up to `most` ops and about max_bytes of their messages, at least one unless all of them wait for others of their
 * workspace; *bytes are their messages'. */
size_t op_queue_take(struct op_queue *q, struct op **ops, size_t most, size_t max_bytes, uint64_t now, size_t *bytes);
/* The batch taken last was committed. */
void op_queue_committed(struct op_queue *q, uint64_t now);

/* Takes one that began to wait before `before` (ms), NULL: none. */
struct op *op_queue_take_old(struct op_queue *q, uint64_t before);

#endif
