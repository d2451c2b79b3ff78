/* op_queue.c: a queue for connections with few requests under way and one for those with many.
 * Who has more under way than MANY_FROM, or had a moment ago, gets a share of MANY_OPS requests and MANY_BYTES while
 * others send, so that these find short batches; all of it else. After a batch with requests of others it waits a
 * moment, so that who asks one thing after the other finds the lane free.
 * Of big saves the first one of the workspace is next whose turn was longest ago: when it was served last, or else began
 * to wait. */
#include "op_queue.h"

#include "room.h"

#define MANY_FROM 4
#define MANY_OPS 1
#define MANY_BYTES (64u << 10)
#define MANY_WAIT_MS 5
#define MANY_FOR_MS 1000
#define FEW_FOR_MS 250

void op_queue_init(struct op_queue *q, bool big)
{
	*q = (struct op_queue){ .big = big };
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

/* ---- big saves ---- */

static void add_big(struct op_queue *q, struct op *op)
{
	if (op->room->big_waiting++ == 0)
		op->room->big_turn = ++q->turns;
	op->conn->under_way++;
	TAILQ_INSERT_TAIL(&q->few, op, link);
}

/* They go before the next big save, so that they wait for one only; and are older than what their queue has of the
 * workspace. */
static void release(struct room *room)
{
	struct op *op;
	while ((op = TAILQ_LAST(&room->held, op_list))) {
		TAILQ_REMOVE(&room->held, op, link);
		op->released = true;
		room->released++;
		TAILQ_INSERT_HEAD(list_of(room->held_from, op), op, link);
	}
}

static void ended(struct room *room)
{
	if (--room->big_running == 0)
		release(room);
}

void op_queue_served(struct op_queue *q, const struct op *op)
{
	if (!q->big)
		return;
	op->room->big_turn = ++q->turns;
	ended(op->room);
}

static struct op *next_big(const struct op_queue *q)
{
	struct op *op, *next = NULL;
	TAILQ_FOREACH(op, &q->few, link)
	{
		if (!op->room->released && (!next || op->room->big_turn < next->room->big_turn))
			next = op;
	}
	return next;
}

static size_t take_big(struct op_queue *q, struct op **ops, size_t most, size_t max_bytes, size_t *bytes)
{
	struct op *op;
	size_t count = 0;
	*bytes = 0;
	while (count < most && (op = next_big(q)) && (count == 0 || *bytes + op->message.len <= max_bytes)) {
		op->room->big_waiting--;
		op->room->big_running++;
		op->room->big_turn = ++q->turns;
		TAILQ_REMOVE(&q->few, op, link);
		*bytes += op->message.len;
		ops[count++] = op;
	}
	return count;
}

/* ---- all ---- */

static void remove_from(struct op_queue *q, struct op_list *list, struct op *op)
{
	op->room->big_waiting -= q->big;
	op->room->released -= op->released;
	op->released = false;
	TAILQ_REMOVE(list, op, link);
}

void op_queue_add(struct op_queue *q, struct op *op, uint64_t now)
{
	struct conn *conn = op->conn;
	if (q->big) {
		add_big(q, op);
		return;
	}
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
	if (q->big) {
		op->room->big_waiting++;
		ended(op->room);
	}
	TAILQ_INSERT_HEAD(list_of(q, op), op, link);
}

uint64_t op_queue_pause(const struct op_queue *q, uint64_t now)
{
	return !TAILQ_EMPTY(&q->few) || now >= q->many_at ? 0 : q->many_at - now;
}

static size_t take_from(struct op_queue *q, struct op_list *list, struct op **ops, size_t most, size_t max_bytes,
			size_t *bytes)
{
	struct op *op;
	size_t count = 0, begin = *bytes;
	while (count < most && (op = TAILQ_FIRST(list)) &&
	       (count == 0 || *bytes - begin + op->message.len <= max_bytes)) {
		remove_from(q, list, op);
		if (op->room->big_running) {
			op->room->held_from = q;
			TAILQ_INSERT_TAIL(&op->room->held, op, link);
			continue;
		}
		*bytes += op->message.len;
		ops[count++] = op;
	}
	return count;
}

size_t op_queue_take(struct op_queue *q, struct op **ops, size_t most, size_t max_bytes, uint64_t now, size_t *bytes)
{
	if (q->big)
		return take_big(q, ops, most, max_bytes, bytes);
	bool others = now < q->few_until;
	size_t kept = TAILQ_EMPTY(&q->many) ? 0 : MANY_OPS;
	*bytes = 0;
	size_t count = take_from(q, &q->few, ops, most - kept, max_bytes, bytes);
	q->took_few = count > 0;
	if (*bytes >= max_bytes)
		return count;
	size_t room = most - count;
	return count + take_from(q, &q->many, ops + count, others && room > MANY_OPS ? MANY_OPS : room,
				 others ? MANY_BYTES : max_bytes - *bytes, bytes);
}

void op_queue_committed(struct op_queue *q, uint64_t now)
{
	if (q->took_few)
		q->many_at = now + MANY_WAIT_MS;
}

static struct op *take_old(struct op_queue *q, struct op_list *list, uint64_t before)
{
	struct op *op;
	TAILQ_FOREACH(op, list, link)
	{
		if (op->started < before) {
			remove_from(q, list, op);
			return op;
		}
	}
	return NULL;
}

struct op *op_queue_take_old(struct op_queue *q, uint64_t before)
{
	struct op *op = take_old(q, &q->few, before);
	return op ? op : take_old(q, &q->many, before);
}
