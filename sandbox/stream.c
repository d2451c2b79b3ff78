/* stream.c: the numbered messages of one sandbox to its clients. */
#include "stream.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store.h"

#define BATCH_MESSAGES 2000
#define BATCH_BYTES ((size_t)4 << 20)

/* A message, or the end of a job. */
struct stream_item {
	STAILQ_ENTRY(stream_item) link;
	char *client;
	struct buf body;
	int64_t job; /* 0: a message */
	const char *outcome;
	int exit_code;
	int64_t bytes;
};

void stream_init(struct stream *stream, struct daemon *daemon, const struct log_ids *ids, int64_t seq)
{
	*stream = (struct stream){ .daemon = daemon, .ids = ids, .seq = seq };
	STAILQ_INIT(&stream->waiting);
}

static void item_free(struct stream_item *item)
{
	free(item->client);
	buf_free(&item->body);
	free(item);
}

static struct stream_item *pop(struct stream *stream)
{
	struct stream_item *item = STAILQ_FIRST(&stream->waiting);
	STAILQ_REMOVE_HEAD(&stream->waiting, link);
	stream->waiting_bytes -= item->body.len;
	return item;
}

void stream_free(struct stream *stream)
{
	store_forget(stream->daemon->streams, stream);
	while (!STAILQ_EMPTY(&stream->waiting))
		item_free(pop(stream));
}

static void add(struct stream *stream, struct stream_item *item)
{
	STAILQ_INSERT_TAIL(&stream->waiting, item, link);
	stream->waiting_bytes += item->body.len;
}

void stream_add(struct stream *stream, const char *client, struct buf *body)
{
	struct stream_item *item = xcalloc(1, sizeof(*item));
	item->client = xstrdup(client ? client : "");
	item->body = *body;
	*body = (struct buf){ 0 };
	add(stream, item);
}

void stream_job_end(struct stream *stream, int64_t job, const char *outcome, int exit_code, int64_t bytes)
{
	struct stream_item *item = xcalloc(1, sizeof(*item));
	item->job = job;
	item->outcome = outcome;
	item->exit_code = exit_code;
	item->bytes = bytes;
	add(stream, item);
}

size_t stream_queued(const struct stream *stream)
{
	return stream->waiting_bytes + stream->in_flight;
}

bool stream_idle(const struct stream *stream)
{
	return STAILQ_EMPTY(&stream->waiting) && !stream->in_flight;
}

/* ---- one transaction ---- */

static void on_appended(void *user, const PGresult *r)
{
	struct stream *stream = user;
	/* Null: the session is gone, or another host's. */
	if (r && PQntuples(r) == 1 && db_get(r, 0, 0).ptr)
		return;
	log_about(LOG_WARN, stream->ids, "the database takes no messages of this sandbox any more");
	if (stream->on_lost)
		stream->on_lost(stream->user);
}

static void on_committed(void *user, bool ok)
{
	struct stream *stream = user;
	if (ok)
		stream->seq += stream->in_flight_messages;
	stream->in_flight = 0;
	stream->in_flight_messages = 0;
	stream_flush(stream);
	if (stream->on_drained)
		stream->on_drained(stream->user);
}

static struct store_op *append_op(struct stream *stream, const struct buf *clients, const struct buf *bodies)
{
	struct store_op *op = store_op_new(STMT_APPEND, on_appended, stream);
	store_op_text(op, slice_of(stream->daemon->host));
	store_op_text(op, slice_of(stream->ids->sandbox));
	store_op_i64(op, stream->seq);
	store_op_text(op, buf_slice(clients));
	store_op_text(op, buf_slice(bodies));
	store_op_committed(op, on_committed);
	return op;
}

static struct store_op *job_end_op(struct stream *stream, const struct stream_item *item)
{
	struct store_op *op = store_op_new(STMT_JOB_END, NULL, stream);
	store_op_i64(op, item->job);
	store_op_text(op, slice_of(item->outcome));
	store_op_i32(op, item->exit_code);
	store_op_i64(op, item->bytes);
	return op;
}

/* Only a hint to the bridges, after the commit and in a transaction of its own: see api.announce(). */
static void send_announce(struct stream *stream)
{
	autobuf pair = { 0 };
	buf_addf(&pair, "%s:%" PRId64, stream->ids->sandbox, stream->seq + stream->in_flight_messages);
	struct store_op *op = store_op_new(STMT_ANNOUNCE, NULL, stream);
	store_op_text(op, buf_slice(&pair));
	store_send(stream->daemon->streams, op, true);
}

/* How many messages go now, from the front. */
static size_t count_batch(const struct stream *stream)
{
	size_t count = 0, bytes = 0;
	const struct stream_item *item;
	STAILQ_FOREACH(item, &stream->waiting, link)
	{
		if (item->job)
			continue;
		if (count == BATCH_MESSAGES || (count && bytes + item->body.len > BATCH_BYTES))
			break;
		count++;
		bytes += item->body.len;
	}
	return count;
}

/* Takes that many messages off, and the ends of jobs before, between and right behind them. */
static struct store_op *take_messages(struct stream *stream, size_t count, struct stream_items *ends)
{
	autobuf clients = { 0 }, bodies = { 0 };
	size_t left = count;
	db_array_begin(&clients, DB_TEXT, count);
	db_array_begin(&bodies, DB_TEXT, count);
	while (!STAILQ_EMPTY(&stream->waiting) && (left || STAILQ_FIRST(&stream->waiting)->job)) {
		struct stream_item *item = pop(stream);
		if (item->job) {
			STAILQ_INSERT_TAIL(ends, item, link);
			continue;
		}
		left--;
		db_array_text(&clients, slice_of(item->client));
		db_array_text(&bodies, buf_slice(&item->body));
		item_free(item);
	}
	db_array_end(&clients);
	db_array_end(&bodies);
	stream->in_flight = bodies.len;
	stream->in_flight_messages = (int64_t)count;
	return append_op(stream, &clients, &bodies);
}

void stream_flush(struct stream *stream)
{
	struct stream_items ends = STAILQ_HEAD_INITIALIZER(ends);
	if (stream->in_flight || STAILQ_EMPTY(&stream->waiting))
		return;
	struct store_op *op = take_messages(stream, count_batch(stream), &ends);
	while (!STAILQ_EMPTY(&ends)) {
		struct stream_item *item = STAILQ_FIRST(&ends);
		STAILQ_REMOVE_HEAD(&ends, link);
		store_send(stream->daemon->streams, op, false);
		op = job_end_op(stream, item);
		item_free(item);
	}
	store_send(stream->daemon->streams, op, true);
	send_announce(stream);
}
