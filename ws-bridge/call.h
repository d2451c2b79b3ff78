/* call.h: one statement of a batch: an op's own, or one for several updates of headers that follow each other. */
#ifndef CRAFT_CALL_H
#define CRAFT_CALL_H

#include "op.h"

struct pglink;

/* Ops that one call can stand for. */
#define CALL_OPS 64

/* Room to build calls in, some 40 KB. */
struct call_builder;
struct call_builder *call_builder_new(void);
void call_builder_free(struct call_builder *b);

/* Queues a statement for ops[0] and, where that can be, for ops behind it: count of them at most, sorted by workspace.
 * Builds their parameters, so that their sessions' new states are foretold in the cache. Returns how many it is for. */
size_t call_send(struct call_builder *b, struct op *const *ops, size_t count, struct pglink *link);

/* What a successful result says of each of the ops. The outcomes' texts lie in the result. */
void call_outcomes(struct op *const *ops, size_t count, const PGresult *result, struct op_outcome *out);

#endif
