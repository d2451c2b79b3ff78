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
#include "refusal.h"
#include "room.h"
#include "session_cache.h"

#define BATCH_OPS CALL_OPS
#define BATCH_BYTES (4u << 20)
#define BIG_MESSAGE (128u << 10) /* goes by the big lane */
#define RENEW_BYTES (16u << 20)	 /* libpq keeps buffers of the biggest query: after one of these it connects anew */
#define MAX_TRIES 50
/* Who has more under way than this, or had a moment ago, gets what the others leave of a batch: a share of this many
 * requests and bytes while others send, so that these find short batches; all of it else. After a batch with requests
 * of others it waits a moment, so that who asks one thing after the other finds the lane free. */
#define HEAVY_FROM 4
#define HEAVY_OPS 4
#define HEAVY_WAIT_MS 10
#define HEAVY_BYTES (64u << 10)
#define HEAVY_FOR_MS 1000
#define OTHERS_FOR_MS 250
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

TAILQ_HEAD(op_list, op);

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
	struct pglink *link;
	struct op_list queue, heavy;
	uint64_t others_until; /* ms: so long connections with few requests count as sending */
	uint64_t heavy_at;     /* ms: not before that those of the others go without any of theirs */
	enum lane_state state;
	struct op *batch[BATCH_OPS];
	size_t count, next; /* ops of the batch; the one that runs singly */
	struct call calls[BATCH_OPS];
	size_t call_count, call_next; /* calls sent; the one whose result comes next */
	struct call_builder *builder;
	struct committed committed;
	bool just_committed;
	bool with_others; /* the batch has requests of connections with few */
	uv_timer_t hint, heavy_due;
	struct buf heads; /* what was committed and not yet announced: "id:seq,id:seq" */
	bool failed;	  /* a result of this transaction was an error of the server */
	char sqlstate[6];
	struct expectation expected[EXPECT_MAX];
	size_t expect_first, expect_count;
	uint64_t sent_at, announced_at; /* ms */
	uint64_t calls_sent;		/* ns */
	struct histogram *commit_seconds;
	size_t biggest;	   /* bytes of the biggest batch since the connection was made */
	size_t ops, bytes; /* queued or under way, and of their messages */
};

static void run_single(struct lane *lane);
static void send_batch(struct lane *lane);

/* ---- the queue ---- */

/* Big saves go where the least waits, but behind those of the same connection. */
static struct lane *lane_for(const struct op *op)
{
	struct lane *const *lanes = op->conn->bridge->lanes, *least = lanes[1];
	if (op->message.len <= BIG_MESSAGE)
		return lanes[0];
	for (size_t i = 1; i < LANE_COUNT; i++) {
		if (op->conn->under_way && op->conn->lane == lanes[i])
			return lanes[i];
		if (lanes[i]->bytes < least->bytes)
			least = lanes[i];
	}
	return least;
}

static struct op_list *queue_of(struct lane *lane, const struct op *op)
{
	return op->heavy ? &lane->heavy : &lane->queue;
}

static bool nothing_queued(const struct lane *lane)
{
	return TAILQ_EMPTY(&lane->queue) && TAILQ_EMPTY(&lane->heavy);
}

static void enqueue(struct lane *lane, struct op *op)
{
	uint64_t now = uv_now(lane->bridge->loop);
	op->conn->lane = lane;
	if (op->conn->under_way++ >= HEAVY_FROM)
		op->conn->busy_until = now + HEAVY_FOR_MS;
	/* Those that went before are in the other queue, which goes first. */
	op->heavy = now < op->conn->busy_until || op->conn->heavy_ops;
	op->conn->heavy_ops += op->heavy;
	if (!op->heavy)
		lane->others_until = now + OTHERS_FOR_MS;
	lane->ops++;
	lane->bytes += op->message.len;
	TAILQ_INSERT_TAIL(queue_of(lane, op), op, link);
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
	conn->under_way--;
	conn->heavy_ops -= op->heavy;
	conn->lane->ops--;
	conn->lane->bytes -= op->message.len;
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
		TAILQ_INSERT_HEAD(queue_of(lane, lane->batch[i - 1]), lane->batch[i - 1], link);
	}
	lane->count = 0;
}

bool lane_is_idle(const struct lane *lane)
{
	return lane->state == LANE_IDLE && nothing_queued(lane) && lane->committed.call_count == 0;
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

/* Moves requests into the batch, up to so many and so many bytes, but one at least. Returns their bytes. */
static size_t take_from(struct lane *lane, struct op_list *queue, size_t most, size_t most_bytes)
{
	struct op *op;
	size_t first = lane->count, bytes = 0;
	while (lane->count < BATCH_OPS && lane->count - first < most && (op = TAILQ_FIRST(queue)) &&
	       (lane->count == first || bytes + op->message.len <= most_bytes)) {
		TAILQ_REMOVE(queue, op, link);
		bytes += op->message.len;
		lane->batch[lane->count++] = op;
	}
	return bytes;
}

static void take_batch(struct lane *lane)
{
	bool others = uv_now(lane->bridge->loop) < lane->others_until;
	lane->count = 0;
	size_t kept = TAILQ_EMPTY(&lane->heavy) ? 0 : HEAVY_OPS;
	size_t bytes = take_from(lane, &lane->queue, BATCH_OPS - kept, BATCH_BYTES);
	lane->with_others = lane->count > 0;
	if (bytes < BATCH_BYTES)
		bytes += take_from(lane, &lane->heavy, others ? HEAVY_OPS : BATCH_OPS,
				   others ? HEAVY_BYTES : BATCH_BYTES - bytes);
	lane->biggest = bytes > lane->biggest ? bytes : lane->biggest;
	sort_batch(lane);
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

static void on_heavy_due(uv_timer_t *timer)
{
	lane_pump(timer->data);
}

/* Is only that queued which lets the others go first? */
static bool heavy_waits(struct lane *lane)
{
	uint64_t now = uv_now(lane->bridge->loop);
	if (!TAILQ_EMPTY(&lane->queue) || now >= lane->heavy_at)
		return false;
	if (!uv_is_active((uv_handle_t *)&lane->heavy_due))
		(void)uv_timer_start(&lane->heavy_due, on_heavy_due, lane->heavy_at - now, 0);
	return true;
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
	if (nothing_queued(lane) || heavy_waits(lane)) {
		/* The answers first: they leave between two calls. */
		if (!lane->just_committed)
			announce_when_due(lane);
		lane->just_committed = false;
		return;
	}
	take_batch(lane);
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
	lane->state = LANE_IDLE;
	lane->count = 0;
	if (lane->with_others)
		lane->heavy_at = uv_now(lane->bridge->loop) + HEAVY_WAIT_MS;
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

static void single_failed(struct lane *lane)
{
	struct op *op = lane->batch[lane->next];
	const struct refusal *r = refusal_for(lane->sqlstate);
	clear_calls(lane);
	op_forget(op);
	if (!r->again || op->tries >= MAX_TRIES) {
		lane->next++;
		fail(op, r->text);
	}
	run_single(lane);
}

static void single_committed(struct lane *lane)
{
	count_commit(lane, 1);
	calls_committed(lane);
	lane_answer(lane);
	lane->next++;
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
		for (; first < end; first++)
			fail(lane->batch[first], UNKNOWN_OUTCOME);
	}
	/* What wasn't sent, or surely rolled back, waits for the connection. */
	requeue_from(lane, first);
	lane->expect_count = lane->expect_first = 0;
	lane->failed = false;
	lane->state = LANE_IDLE;
	clear_calls(lane);
}

static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, NULL };

struct lane *lane_new(struct bridge *bridge, const char *application, struct histogram *commit_seconds)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));
	lane->bridge = bridge;
	lane->commit_seconds = commit_seconds;
	lane->builder = call_builder_new();
	(void)uv_timer_init(bridge->loop, &lane->hint);
	(void)uv_timer_init(bridge->loop, &lane->heavy_due);
	lane->hint.data = lane->heavy_due.data = lane;
	TAILQ_INIT(&lane->queue);
	TAILQ_INIT(&lane->heavy);
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
	uv_close((uv_handle_t *)&lane->heavy_due, free_lane);
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

static void expire_queue(struct op_list *queue, uint64_t now, uint64_t limit)
{
	struct op_list old;
	struct op *op, *next;
	TAILQ_INIT(&old);
	for (op = TAILQ_FIRST(queue); op; op = next) {
		next = TAILQ_NEXT(op, link);
		if (now - op->started > limit) {
			TAILQ_REMOVE(queue, op, link);
			TAILQ_INSERT_TAIL(&old, op, link);
		}
	}
	while ((op = TAILQ_FIRST(&old))) {
		TAILQ_REMOVE(&old, op, link);
		fail(op, "Database unavailable, nothing was changed; try again");
	}
}

void lane_tick(struct lane *lane, uint64_t now)
{
	uint64_t limit = (uint64_t)lane->bridge->conf.ws_db_timeout;
	uint64_t heard = pglink_heard_at(lane->link), feed = feed_heard_at(lane->bridge->feed);
	if (feed > heard)
		heard = feed;
	/* A server that answers others is slow, not away: a big save may take its time. */
	if (lane->state != LANE_IDLE && now - lane->sent_at > limit && now - heard > limit / 2)
		pglink_drop(lane->link);
	expire_queue(&lane->queue, now, limit);
	expire_queue(&lane->heavy, now, limit);
}
