/* lane.c: group commit. The states of a lane:
 *   IDLE   nothing under way
 *   BASES  reading what the batch's statements need of their sessions
 *   BATCH  the batch was sent, as one implicit transaction
 *   SINGLE the batch failed as a whole: its requests go one at a time, each after reading its base
 * A batch that was committed is answered when the next one is on its way.
 * What was committed is announced in a transaction of its own, behind the next batch if there is one: at once, or where
 * batch follows batch some milliseconds later, for many at a time.
 */
#include "lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "counts.h"
#include "feed.h"
#include "lib/log.h"
#include "lib/pglink.h"
#include "op.h"
#include "op_queue.h"
#include "refusal.h"
#include "room.h"
#include "session_cache.h"

#define BATCH_OPS CALL_OPS
#define BATCH_BYTES (4u << 20)
#define BIG_MESSAGE (128u << 10) /* goes by the big lane */
#define RENEW_BYTES (16u << 20)	 /* libpq keeps buffers of the biggest query: after one of these it connects anew */
#define MAX_TRIES 50
#define HINT_EVERY_MS 2
#define HINT_BYTES (4u << 10) /* and before so much is to be said: a notification has less than 8,000 bytes */
#define EXPECT_MAX 256	      /* two for each op of a batch, and what announcements leave */

enum lane_state { LANE_IDLE, LANE_BASES, LANE_BATCH, LANE_SINGLE };

/* What the connection will tell next, in order. */
enum expect { EXPECT_BASE, EXPECT_BASES_END, EXPECT_CALL, EXPECT_COMMIT, EXPECT_ANNOUNCED, EXPECT_ANNOUNCED_END };

struct expectation {
	enum expect what;
	struct op *op;
};

/* A statement of a transaction, and which of its ops it is for. */
struct call {
	size_t first, count;
	PGresult *result;
};

/* A batch that was committed and isn't answered yet. */
struct committed {
	struct op *ops[BATCH_OPS];
	struct call calls[BATCH_OPS];
	size_t call_count;
};

struct lane {
	struct bridge *bridge;
	bool big;     /* for big saves, of so many workspaces */
	size_t rooms;
	struct pglink *link;
	struct op_queue queue;
	enum lane_state state;
	struct op *batch[BATCH_OPS];
	size_t count, next; /* ops of the batch; the one that runs singly */
	struct call calls[BATCH_OPS];
	size_t call_count, call_next; /* calls sent; the one whose result comes next */
	struct call_builder *builder;
	struct committed committed;
	bool just_committed;
	uv_timer_t hint, pause;
	struct buf heads; /* what was committed and not yet announced: "id:seq,id:seq" */
	bool failed;	  /* a result of this transaction was an error of the server */
	char sqlstate[6];
	struct expectation expected[EXPECT_MAX];
	size_t expect_first, expect_count;
	uint64_t sent_at, announced_at; /* ms */
	uint64_t moved_at;		/* ms: a transaction of its came to its end */
	uint64_t calls_sent;		/* ns */
	struct histogram *commit_seconds;
	size_t biggest;	   /* bytes of the biggest batch since the connection was made */
	size_t ops, bytes; /* queued or under way, and of their messages */
};

static void run_single(struct lane *lane);
static void send_batch(struct lane *lane);

/* ---- the queue ---- */

static bool is_freer(const struct lane *a, const struct lane *b)
{
	return a->rooms < b->rooms || (a->rooms == b->rooms && a->bytes < b->bytes);
}

/* A workspace's big saves are all in one lane, so that it never has them all: its transactions would wait for each other
 * anyway. */
static struct lane *lane_for(const struct op *op)
{
	struct lane *const *lanes = op->conn->bridge->lanes, *freest = lanes[1];
	if (op->message.len <= BIG_MESSAGE)
		return lanes[0];
	if (op->room->big_ops)
		return op->room->big_lane;
	for (size_t i = 2; i < LANE_COUNT; i++) {
		if (is_freer(lanes[i], freest))
			freest = lanes[i];
	}
	return freest;
}

static void count_in(struct lane *lane, struct room *room)
{
	if (!lane->big)
		return;
	lane->rooms += room->big_ops++ == 0;
	room->big_lane = lane;
}

static void count_out(struct lane *lane, struct room *room)
{
	if (lane->big)
		lane->rooms -= --room->big_ops == 0;
}

static void enqueue(struct lane *lane, struct op *op)
{
	op->conn->lane = lane;
	count_in(lane, op->room);
	lane->ops++;
	lane->bytes += op->message.len;
	op_queue_add(&lane->queue, op, uv_now(lane->bridge->loop));
}

static bool may_enter(const struct conn *conn, const struct lane *lane)
{
	return conn->under_way == 0 || conn->lane == lane;
}

void lane_submit(struct op *op)
{
	struct conn *conn = op->conn;
	if (TAILQ_EMPTY(&conn->backlog) && may_enter(conn, lane_for(op)))
		enqueue(lane_for(op), op);
	else
		TAILQ_INSERT_TAIL(&conn->backlog, op, link);
}

/* The op was answered: it goes, and those of its connection that waited for the other lane follow. */
static void finish(struct op *op)
{
	struct conn *conn = conn_ref(op->conn);
	struct op *waiting;
	op_queue_done(op);
	conn->lane->ops--;
	conn->lane->bytes -= op->message.len;
	count_out(conn->lane, op->room);
	op_free(op);
	while ((waiting = TAILQ_FIRST(&conn->backlog)) && may_enter(conn, lane_for(waiting))) {
		TAILQ_REMOVE(&conn->backlog, waiting, link);
		enqueue(lane_for(waiting), waiting);
	}
	conn_unref(conn);
}

static void fail(struct op *op, const char *text)
{
	op_forget(op);
	reply_error(op->conn, op->reply, text);
	finish(op);
}

/* Puts ops of the batch, from `first` on, back to the head of the queue. */
static void requeue_from(struct lane *lane, size_t first)
{
	for (size_t i = lane->count; i > first; i--) {
		op_forget(lane->batch[i - 1]);
		op_queue_put_back(&lane->queue, lane->batch[i - 1]);
	}
	lane->count = 0;
}

bool lane_is_idle(const struct lane *lane)
{
	return lane->state == LANE_IDLE && op_queue_is_empty(&lane->queue) && lane->committed.call_count == 0;
}

struct lane_load lane_load(const struct lane *lane)
{
	return (struct lane_load){ lane->ops, lane->bytes };
}

/* ---- what was sent ---- */

static void expect(struct lane *lane, enum expect what, struct op *op)
{
	assert(lane->expect_count < EXPECT_MAX);
	lane->expected[(lane->expect_first + lane->expect_count++) % EXPECT_MAX] = (struct expectation){ what, op };
}

static struct expectation expected(struct lane *lane)
{
	assert(lane->expect_count > 0);
	struct expectation e = lane->expected[lane->expect_first];
	lane->expect_first = (lane->expect_first + 1) % EXPECT_MAX;
	lane->expect_count--;
	return e;
}

static void clear_calls(struct lane *lane)
{
	for (size_t i = 0; i < lane->call_count; i++)
		PQclear(lane->calls[i].result);
	lane->call_count = lane->call_next = 0;
}

static void sync_now(struct lane *lane, enum expect what)
{
	expect(lane, what, NULL);
	(void)pglink_sync(lane->link);
	lane->sent_at = uv_now(lane->bridge->loop);
}

/* Queues the hint for the other bridges; it runs in a transaction of its own, after the commit. */
static void announce(struct lane *lane)
{
	struct db_params p = { 0 };
	if (!lane->heads.len)
		return;
	db_add_text(&p, slice_make(lane->heads.data, lane->heads.len - 1));
	expect(lane, EXPECT_ANNOUNCED, NULL);
	(void)pglink_query(lane->link, STMT_ANNOUNCE_HEADS, &p);
	expect(lane, EXPECT_ANNOUNCED_END, NULL);
	(void)pglink_sync(lane->link);
	buf_clear(&lane->heads);
	lane->announced_at = uv_now(lane->bridge->loop);
}

static void on_hint(uv_timer_t *timer);

static void announce_when_due(struct lane *lane)
{
	uint64_t since = uv_now(lane->bridge->loop) - lane->announced_at;
	if (!lane->heads.len)
		return;
	if (lane->heads.len > HINT_BYTES || since >= HINT_EVERY_MS)
		announce(lane);
	else if (!uv_is_active((uv_handle_t *)&lane->hint))
		(void)uv_timer_start(&lane->hint, on_hint, HINT_EVERY_MS - since, 0);
}

static void on_hint(uv_timer_t *timer)
{
	struct lane *lane = timer->data;
	if (pglink_is_ready(lane->link))
		announce_when_due(lane);
}

/* Queues the reads that these ops need. Returns how many. */
static size_t ask_bases(struct lane *lane, struct op *const *ops, size_t count)
{
	size_t asked = 0;
	for (size_t i = 0; i < count; i++) {
		bool did;
		if (!op_send_base(ops[i], lane->link, &did))
			did = true; /* broken: on_lost comes */
		if (did)
			expect(lane, EXPECT_BASE, ops[i]);
		asked += did;
	}
	if (asked)
		sync_now(lane, EXPECT_BASES_END);
	return asked;
}

/* ---- batches ---- */

static int compare_slugs(struct slice a, struct slice b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* All bridges take workspaces' locks in the order of their slugs; insertion sort keeps a connection's requests in
 * order. */
static void sort_batch(struct lane *lane)
{
	for (size_t i = 1; i < lane->count; i++) {
		struct op *op = lane->batch[i];
		size_t j = i;
		for (; j > 0 && compare_slugs(room_name(lane->batch[j - 1]->room), room_name(op->room)) > 0; j--)
			lane->batch[j] = lane->batch[j - 1];
		lane->batch[j] = op;
	}
}

static void on_pause_over(uv_timer_t *timer)
{
	lane_pump(timer->data);
}

/* Does all that is queued let others go first? */
static bool is_pausing(struct lane *lane)
{
	uint64_t pause = op_queue_pause(&lane->queue, uv_now(lane->bridge->loop));
	if (pause && !uv_is_active((uv_handle_t *)&lane->pause))
		(void)uv_timer_start(&lane->pause, on_pause_over, pause, 0);
	return pause;
}

static bool take_batch(struct lane *lane)
{
	size_t bytes;
	if (op_queue_is_empty(&lane->queue) || is_pausing(lane))
		return false;
	lane->count =
		op_queue_take(&lane->queue, lane->batch, BATCH_OPS, BATCH_BYTES, uv_now(lane->bridge->loop), &bytes);
	lane->biggest = bytes > lane->biggest ? bytes : lane->biggest;
	sort_batch(lane);
	return lane->count > 0;
}

/* Sends ops of the batch as one transaction, and announces the ones before. */
static void send_calls(struct lane *lane, size_t first, size_t count)
{
	lane->failed = false;
	for (size_t end = first + count; first < end; lane->call_count++) {
		struct call *call = &lane->calls[lane->call_count];
		expect(lane, EXPECT_CALL, NULL);
		*call = (struct call){ first, call_send(lane->builder, &lane->batch[first], end - first, lane->link),
				       NULL };
		first += call->count;
	}
	sync_now(lane, EXPECT_COMMIT);
	lane->calls_sent = uv_hrtime();
	announce_when_due(lane);
}

static void send_batch(struct lane *lane)
{
	lane->state = LANE_BATCH;
	send_calls(lane, 0, lane->count);
}

void lane_pump(struct lane *lane)
{
	if (lane->state != LANE_IDLE || !pglink_is_ready(lane->link))
		return;
	if (lane->biggest > RENEW_BYTES && lane->expect_count == 0) {
		lane->biggest = 0;
		pglink_renew(lane->link);
		return;
	}
	if (!take_batch(lane)) {
		/* The answers first: they leave between two calls. */
		if (!lane->just_committed)
			announce_when_due(lane);
		lane->just_committed = false;
		return;
	}
	lane->state = LANE_BASES;
	if (ask_bases(lane, lane->batch, lane->count) == 0)
		send_batch(lane);
}

/* Ops of a batch are sorted: of a workspace's the last has the highest number. */
static void note_head(struct lane *lane, struct op *const *ops, const struct op_outcome *outcomes, size_t i,
		      size_t count)
{
	if (slice_eq_str(outcomes[i].status, "ok") && (i + 1 == count || ops[i + 1]->room != ops[i]->room))
		buf_addf(&lane->heads, "%lld:%lld,", (long long)outcomes[i].workspace_id, (long long)outcomes[i].seq);
}

static void count_commit(struct lane *lane, size_t ops)
{
	histogram_add(lane->commit_seconds, &metrics_short, (uv_hrtime() - lane->calls_sent) / 1000);
	histogram_add(&lane->bridge->counts->batch_size, &metrics_count, ops);
}

/* The transaction was committed: its ops, and the results of its calls, wait for lane_answer(). */
static void calls_committed(struct lane *lane)
{
	struct committed *c = &lane->committed;
	lane_answer(lane);
	memcpy(c->ops, lane->batch, sizeof(c->ops));
	memcpy(c->calls, lane->calls, sizeof(c->calls));
	c->call_count = lane->call_count;
	lane->call_count = lane->call_next = 0;
	lane->just_committed = true;
}

void lane_answer(struct lane *lane)
{
	struct op_outcome outcomes[CALL_OPS];
	struct committed *done = &lane->committed;
	for (size_t c = 0; c < done->call_count; c++) {
		const struct call *call = &done->calls[c];
		struct op *const *ops = &done->ops[call->first];
		call_outcomes(ops, call->count, call->result, outcomes);
		for (size_t i = 0; i < call->count; i++) {
			note_head(lane, ops, outcomes, i, call->count);
			op_committed(ops[i], &outcomes[i]);
		}
		for (size_t i = 0; i < call->count; i++)
			finish(ops[i]);
		PQclear(call->result);
	}
	done->call_count = 0;
}

static void batch_committed(struct lane *lane)
{
	count_commit(lane, lane->count);
	for (size_t i = 0; i < lane->count; i++)
		op_queue_served(&lane->queue, lane->batch[i]);
	lane->state = LANE_IDLE;
	lane->count = 0;
	lane->moved_at = uv_now(lane->bridge->loop);
	op_queue_committed(&lane->queue, uv_now(lane->bridge->loop));
	calls_committed(lane);
}

static void batch_failed(struct lane *lane)
{
	counter_add(&lane->bridge->counts->failed_batches, 1);
	for (size_t i = 0; i < lane->count; i++)
		op_forget(lane->batch[i]);
	clear_calls(lane);
	lane->state = LANE_SINGLE;
	lane->next = 0;
	run_single(lane);
}

/* ---- one by one ---- */

static void send_single(struct lane *lane)
{
	lane->batch[lane->next]->tries++;
	send_calls(lane, lane->next, 1);
}

static void run_single(struct lane *lane)
{
	if (lane->next == lane->count) {
		lane->state = LANE_IDLE;
		lane->count = 0;
		return;
	}
	if (ask_bases(lane, &lane->batch[lane->next], 1) == 0)
		send_single(lane);
}

static void single_over(struct lane *lane)
{
	op_queue_served(&lane->queue, lane->batch[lane->next++]);
	lane->moved_at = uv_now(lane->bridge->loop);
}

static void single_failed(struct lane *lane)
{
	struct op *op = lane->batch[lane->next];
	enum sqlstate_kind kind = sqlstate_kind(lane->sqlstate);
	clear_calls(lane);
	op_forget(op);
	bool again = kind == SQLSTATE_STALE || kind == SQLSTATE_BUSY;
	if (!again || op->tries >= MAX_TRIES) {
		single_over(lane);
		fail(op, refusal_text(kind));
	}
	run_single(lane);
}

static void single_committed(struct lane *lane)
{
	count_commit(lane, 1);
	calls_committed(lane);
	single_over(lane);
	lane_answer(lane);
	run_single(lane);
}

/* ---- what the connection tells ---- */

static void take_failure(struct lane *lane, const struct op *op, const PGresult *r)
{
	char line[256];
	const char *sqlstate = db_sqlstate(r);
	/* Without SQLSTATE the error is libpq's own: the connection is going, and the outcome isn't known. */
	if (PQresultStatus(r) == PGRES_PIPELINE_ABORTED || !*sqlstate || lane->failed)
		return;
	lane->failed = true;
	(void)snprintf(lane->sqlstate, sizeof(lane->sqlstate), "%s", sqlstate);
	if (strcmp(sqlstate, DB_STALE) != 0)
		log_warn(op->conn->request_id, "%s failed: %s %s", op->type->name, sqlstate,
			 db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
}

/* Results are copied: the answers wait for the commit. */
static void take_outcome(struct lane *lane, const PGresult *r)
{
	struct call *call = &lane->calls[lane->call_next];
	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		take_failure(lane, lane->batch[call->first], r);
		return;
	}
	call->result = PQcopyResult(r, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	if (!call->result)
		abort(); /* out of memory */
	lane->call_next++;
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct lane *lane = user;
	struct expectation e = expected(lane);
	(void)link;
	if (e.what == EXPECT_BASE)
		op_take_base(e.op, r);
	else if (e.what == EXPECT_CALL)
		take_outcome(lane, r);
}

static void on_sync(struct pglink *link, void *user)
{
	struct lane *lane = user;
	struct expectation e = expected(lane);
	(void)link;
	if (e.what == EXPECT_BASES_END && lane->state == LANE_SINGLE)
		send_single(lane);
	else if (e.what == EXPECT_BASES_END)
		send_batch(lane);
	else if (e.what == EXPECT_COMMIT && lane->state == LANE_BATCH)
		lane->failed ? batch_failed(lane) : batch_committed(lane);
	else if (e.what == EXPECT_COMMIT)
		lane->failed ? single_failed(lane) : single_committed(lane);
}

static void on_ready(struct pglink *link, void *user)
{
	(void)link;
	lane_pump(user);
}

#define UNKNOWN_OUTCOME                                                                                                \
	"The database connection was lost while this change was being committed: its outcome is unknown. Reload to "   \
	"see whether it was applied"

/* Is a commit under way of which we'll never hear? */
static bool outcome_unknown(const struct lane *lane)
{
	for (size_t i = 0; i < lane->expect_count; i++) {
		if (lane->expected[(lane->expect_first + i) % EXPECT_MAX].what == EXPECT_COMMIT)
			return !lane->failed;
	}
	return false;
}

static void on_lost(struct pglink *link, void *user)
{
	struct lane *lane = user;
	bool single = lane->state == LANE_SINGLE;
	size_t first = single ? lane->next : 0;
	(void)link;
	if (outcome_unknown(lane)) {
		counter_add(&lane->bridge->counts->unknown_batches, 1);
		size_t end = single ? lane->next + 1 : lane->count;
		for (; first < end; first++) {
			op_queue_served(&lane->queue, lane->batch[first]);
			fail(lane->batch[first], UNKNOWN_OUTCOME);
		}
	}
	/* What wasn't sent, or surely rolled back, waits for the connection. */
	requeue_from(lane, first);
	lane->expect_count = lane->expect_first = 0;
	lane->failed = false;
	lane->state = LANE_IDLE;
	clear_calls(lane);
}

static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, NULL };

struct lane *lane_new(struct bridge *bridge, bool big, const char *application, struct histogram *commit_seconds)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));
	lane->bridge = bridge;
	lane->big = big;
	lane->commit_seconds = commit_seconds;
	lane->builder = call_builder_new();
	(void)uv_timer_init(bridge->loop, &lane->hint);
	(void)uv_timer_init(bridge->loop, &lane->pause);
	lane->hint.data = lane->pause.data = lane;
	op_queue_init(&lane->queue, big);
	lane->link =
		pglink_new(bridge->loop, bridge->conf.database_url, application, statements, STMT_COUNT, &events, lane);
	return lane;
}

static void free_lane(uv_handle_t *last)
{
	free(last->data);
}

static void on_hint_closed(uv_handle_t *hint)
{
	struct lane *lane = hint->data;
	uv_close((uv_handle_t *)&lane->pause, free_lane);
}

void lane_free(struct lane *lane)
{
	pglink_free(lane->link);
	clear_calls(lane);
	call_builder_free(lane->builder);
	buf_free(&lane->heads);
	uv_close((uv_handle_t *)&lane->hint, on_hint_closed);
}

/* ---- time ---- */

void lane_tick(struct lane *lane, uint64_t now)
{
	struct op *op;
	uint64_t limit = (uint64_t)lane->bridge->conf.ws_db_timeout;
	bool answers = now - feed_heard_at(lane->bridge->feed, lane->link) <= limit / 2;
	/* A big save may take its time, and who waits for others' has not been forgotten. */
	if (lane->state != LANE_IDLE && now - lane->sent_at > limit && !answers)
		pglink_drop(lane->link);
	if (answers && now - lane->moved_at <= limit)
		return;
	const char *text = refusal_text(answers ? SQLSTATE_BUSY : SQLSTATE_AWAY);
	while (now > limit && (op = op_queue_take_old(&lane->queue, now - limit)))
		fail(op, text);
}
