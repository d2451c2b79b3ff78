/* lane.c: group commit. The states of a lane:
 *   IDLE   nothing under way
 *   BASES  reading what the batch's statements need of their sessions
 *   BATCH  the batch was sent, as one implicit transaction
 *   SINGLE the batch failed as a whole: its requests go one at a time, each after reading its base
 * After each commit the workspaces are announced in a transaction of their own, which the next batch doesn't wait for.
 */
#include "lane.h"

#include <assert.h>
#include <stdlib.h>

#include "feed.h"
#include "lib/log.h"
#include "lib/pglink.h"
#include "op.h"
#include "room.h"
#include "session_cache.h"

#define BATCH_OPS 64
#define BATCH_BYTES (4u << 20)
#define BIG_MESSAGE (128u << 10) /* goes by the big lane */
#define RENEW_BYTES (16u << 20)	 /* libpq keeps buffers of the biggest query: after one of these it connects anew */
#define MAX_TRIES 50
#define EXPECT_MAX 256 /* two for each op of a batch, and what announcements leave */

enum lane_state { LANE_IDLE, LANE_BASES, LANE_BATCH, LANE_SINGLE };

/* What the connection will tell next, in order. */
enum expect { EXPECT_BASE, EXPECT_BASES_END, EXPECT_OP, EXPECT_COMMIT, EXPECT_ANNOUNCED, EXPECT_ANNOUNCED_END };

struct expectation {
	enum expect what;
	struct op *op;
};

TAILQ_HEAD(op_list, op);

struct lane {
	struct bridge *bridge;
	struct pglink *link;
	struct op_list queue;
	enum lane_state state;
	struct op *batch[BATCH_OPS];
	PGresult *results[BATCH_OPS];
	size_t count, next; /* ops of the batch; the one whose result comes next, or that runs singly */
	bool failed;	    /* a result of this transaction was an error of the server */
	char sqlstate[6];
	struct expectation expected[EXPECT_MAX];
	size_t expect_first, expect_count;
	uint64_t sent_at; /* ms */
	size_t biggest;
};

static void run_single(struct lane *lane);
static void send_batch(struct lane *lane);

/* ---- the queue ---- */

static struct lane *lane_for(const struct op *op)
{
	struct bridge *b = op->conn->bridge;
	return op->message.len > BIG_MESSAGE ? b->big_lane : b->small_lane;
}

static void enqueue(struct lane *lane, struct op *op)
{
	op->conn->lane = lane;
	op->conn->under_way++;
	TAILQ_INSERT_TAIL(&lane->queue, op, link);
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
		TAILQ_INSERT_HEAD(&lane->queue, lane->batch[i - 1], link);
	}
	lane->count = 0;
}

bool lane_is_idle(const struct lane *lane)
{
	return lane->state == LANE_IDLE && TAILQ_EMPTY(&lane->queue);
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

static void clear_results(struct lane *lane)
{
	for (size_t i = 0; i < BATCH_OPS; i++) {
		PQclear(lane->results[i]);
		lane->results[i] = NULL;
	}
}

static void sync_now(struct lane *lane, enum expect what)
{
	expect(lane, what, NULL);
	(void)pglink_sync(lane->link);
	lane->sent_at = uv_now(lane->bridge->loop);
}

/* Queues the hint for the other bridges; it runs in a transaction of its own, after the commit. */
static void announce(struct lane *lane, struct op *const *ops, size_t count)
{
	autobuf slugs = { 0 };
	struct db_params p = { 0 };
	size_t distinct = 0;
	for (size_t i = 0; i < count; i++)
		distinct += i == 0 || ops[i]->room != ops[i - 1]->room;
	db_array_begin(&slugs, DB_TEXT, distinct);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || ops[i]->room != ops[i - 1]->room)
			db_array_text(&slugs, room_name(ops[i]->room));
	}
	db_add_text(&p, buf_slice(&slugs));
	expect(lane, EXPECT_ANNOUNCED, NULL);
	(void)pglink_query(lane->link, STMT_ANNOUNCE, &p);
	expect(lane, EXPECT_ANNOUNCED_END, NULL);
	(void)pglink_sync(lane->link);
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

static void take_batch(struct lane *lane)
{
	struct op *op;
	size_t bytes = 0;
	lane->count = 0;
	while (lane->count < BATCH_OPS && (op = TAILQ_FIRST(&lane->queue)) &&
	       (lane->count == 0 || bytes + op->message.len <= BATCH_BYTES)) {
		TAILQ_REMOVE(&lane->queue, op, link);
		bytes += op->message.len;
		lane->batch[lane->count++] = op;
	}
	lane->biggest = bytes > lane->biggest ? bytes : lane->biggest;
	sort_batch(lane);
}

static void send_batch(struct lane *lane)
{
	lane->state = LANE_BATCH;
	lane->failed = false;
	lane->next = 0;
	for (size_t i = 0; i < lane->count; i++) {
		expect(lane, EXPECT_OP, lane->batch[i]);
		(void)op_send(lane->batch[i], lane->link);
	}
	sync_now(lane, EXPECT_COMMIT);
	announce(lane, lane->batch, lane->count);
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
	if (TAILQ_EMPTY(&lane->queue))
		return;
	take_batch(lane);
	lane->state = LANE_BASES;
	if (ask_bases(lane, lane->batch, lane->count) == 0)
		send_batch(lane);
}

static void batch_committed(struct lane *lane)
{
	size_t count = lane->count;
	lane->state = LANE_IDLE;
	lane->count = 0;
	for (size_t i = 0; i < count; i++) {
		op_committed(lane->batch[i], lane->results[i]);
		finish(lane->batch[i]);
	}
	clear_results(lane);
}

static void batch_failed(struct lane *lane)
{
	for (size_t i = 0; i < lane->count; i++)
		op_forget(lane->batch[i]);
	clear_results(lane);
	lane->state = LANE_SINGLE;
	lane->next = 0;
	run_single(lane);
}

/* ---- one by one ---- */

static void send_single(struct lane *lane)
{
	struct op *op = lane->batch[lane->next];
	lane->failed = false;
	op->tries++;
	expect(lane, EXPECT_OP, op);
	(void)op_send(op, lane->link);
	sync_now(lane, EXPECT_COMMIT);
	announce(lane, &op, 1);
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

struct refusal {
	const char *sqlstate; /* a prefix */
	bool again;
	const char *text;
};

/* What the client gets to read for an error of the database. */
static const struct refusal refusals[] = {
	{ DB_STALE, true, "The session is being changed by others at the moment, try again" },
	{ "40", true, "The database is busy, try again" },
	{ "22", false, "The database can't store this value" },
	{ "23", false, "The database can't store this value" },
	{ "54", false, "The data exceed a limit of the database" },
	{ "53", false, "The database is out of resources, nothing was changed; try again later" },
	{ "55", false, "Database unavailable, nothing was changed; try again" },
	{ "57", false, "Database unavailable, nothing was changed; try again" },
	{ "25", false, "Database unavailable, nothing was changed; try again" },
	{ "", false, "Internal error, nothing was changed" },
};

static const struct refusal *refusal_for(const char *sqlstate)
{
	const struct refusal *r = refusals;
	while (strncmp(r->sqlstate, sqlstate, strlen(r->sqlstate)) != 0)
		r++;
	return r;
}

static void single_failed(struct lane *lane)
{
	struct op *op = lane->batch[lane->next];
	const struct refusal *r = refusal_for(lane->sqlstate);
	op_forget(op);
	if (!r->again || op->tries >= MAX_TRIES) {
		lane->next++;
		fail(op, r->text);
	}
	run_single(lane);
}

static void single_committed(struct lane *lane)
{
	struct op *op = lane->batch[lane->next];
	op_committed(op, lane->results[lane->next]);
	finish(op);
	clear_results(lane);
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
static void take_outcome(struct lane *lane, struct op *op, const PGresult *r)
{
	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		take_failure(lane, op, r);
		return;
	}
	lane->results[lane->next] = PQcopyResult(r, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	if (!lane->results[lane->next])
		abort(); /* out of memory */
	if (lane->state == LANE_BATCH)
		lane->next++;
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct lane *lane = user;
	struct expectation e = expected(lane);
	(void)link;
	if (e.what == EXPECT_BASE)
		op_take_base(e.op, r);
	else if (e.what == EXPECT_OP)
		take_outcome(lane, e.op, r);
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
		size_t end = single ? lane->next + 1 : lane->count;
		for (; first < end; first++)
			fail(lane->batch[first], UNKNOWN_OUTCOME);
	}
	/* What wasn't sent, or surely rolled back, waits for the connection. */
	requeue_from(lane, first);
	lane->expect_count = lane->expect_first = 0;
	lane->failed = false;
	lane->state = LANE_IDLE;
	clear_results(lane);
}

static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, NULL };

struct lane *lane_new(struct bridge *bridge, const char *application)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));
	lane->bridge = bridge;
	TAILQ_INIT(&lane->queue);
	lane->link =
		pglink_new(bridge->loop, bridge->conf.database_url, application, statements, STMT_COUNT, &events, lane);
	return lane;
}

void lane_free(struct lane *lane)
{
	pglink_free(lane->link);
	clear_results(lane);
	free(lane);
}

/* ---- time ---- */

static void expire_queue(struct lane *lane, uint64_t now, uint64_t limit)
{
	struct op_list old;
	struct op *op, *next;
	TAILQ_INIT(&old);
	for (op = TAILQ_FIRST(&lane->queue); op; op = next) {
		next = TAILQ_NEXT(op, link);
		if (now - op->started > limit) {
			TAILQ_REMOVE(&lane->queue, op, link);
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
	expire_queue(lane, now, limit);
}
