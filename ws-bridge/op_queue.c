/* op_queue.c: a queue for connections with few requests under way and one for those with many.
 * Who has more under way than MANY_FROM, or had a moment ago, gets a share of MANY_OPS requests and MANY_BYTES while
 * others send, so that these find short batches; all of it else. After a batch with requests of others it waits a
 * moment, so that who asks one thing after the other finds the lane free. */
#include "op_queue.h"

#define MANY_FROM 4
#define MANY_OPS 1
#define MANY_BYTES (64u << 10)
#define MANY_WAIT_MS 5
#define MANY_FOR_MS 1000
#define FEW_FOR_MS 250

void op_queue_init(struct op_queue *q)
{
	*q = (struct op_queue){ 0 };
	TAILQ_INIT(&q->few);
	TAILQ_INIT(&q->many);
}

bool op_queue_is_empty(const struct op_queue *q)
{
	return TAILQ_EMPTY(&q->few) && TAILQ_EMPTY(&q->many);
}

static struct op_list *list_of(struct op_queue *q, const struct op *op)
{
	return op->heavy ? &q->many : &q->few;
}

void op_queue_add(struct op_queue *q, struct op *op, uint64_t now)
{
	struct conn *conn = op->conn;
	if (conn->under_way++ >= MANY_FROM)
		conn->busy_until = now + MANY_FOR_MS;
	/* Those that went before are in the other list, which goes first. */
	op->heavy = now < conn->busy_until || conn->heavy_ops;
	conn->heavy_ops += op->heavy;
	if (!op->heavy)
		q->few_until = now + FEW_FOR_MS;
	TAILQ_INSERT_TAIL(list_of(q, op), op, link);
}

void op_queue_done(struct op *op)
{
	op->conn->under_way--;
	op->conn->heavy_ops -= op->heavy;
}

void op_queue_put_back(struct op_queue *q, struct op *op)
{
	TAILQ_INSERT_HEAD(list_of(q, op), op, link);
}

uint64_t op_queue_pause(const struct op_queue *q, uint64_t now)
{
	return !TAILQ_EMPTY(&q->few) || now >= q->many_at ? 0 : q->many_at - now;
}

static size_t take_from(struct op_list *list, struct op **ops, size_t most, size_t max_bytes, size_t *bytes)
{
	struct op *op;
	size_t count = 0, begin = *bytes;
	while (count < most && (op = TAILQ_FIRST(list)) &&
	       (count == 0 || *bytes - begin + op->message.len <= max_bytes)) {
		TAILQ_REMOVE(list, op, link);
		*bytes += op->message.len;
		ops[count++] = op;
	}
	return count;
}

size_t op_queue_take(struct op_queue *q, struct op **ops, size_t most, size_t max_bytes, uint64_t now, size_t *bytes)
{
	bool others = now < q->few_until;
	size_t kept = TAILQ_EMPTY(&q->many) ? 0 : MANY_OPS;
	*bytes = 0;
	size_t count = take_from(&q->few, ops, most - kept, max_bytes, bytes);
	q->took_few = count > 0;
	if (*bytes >= max_bytes)
		return count;
	size_t room = most - count;
	return count + take_from(&q->many, ops + count, others && room > MANY_OPS ? MANY_OPS : room,
				 others ? MANY_BYTES : max_bytes - *bytes, bytes);
}

void op_queue_committed(struct op_queue *q, uint64_t now)
{
	if (q->took_few)
		q->many_at = now + MANY_WAIT_MS;
}

static struct op *take_old(struct op_list *list, uint64_t before)
{
	struct op *op;
	TAILQ_FOREACH(op, list, link)
	{
		if (op->started < before) {
			TAILQ_REMOVE(list, op, link);
			return op;
		}
	}
	return NULL;
}

struct op *op_queue_take_old(struct op_queue *q, uint64_t before)
{
	struct op *op = take_old(&q->few, before);
	return op ? op : take_old(&q->many, before);
}
