/* stream.c: the numbered messages of one sandbox to its clients. */
#include "stream.h"

#include <inttypes.h>
#include <stdlib.h>

#include "message.h"
#include "store.h"

#define BATCH_MESSAGES 2000

/* A message, or the end of a job. */
struct stream_item {
	STAILQ_ENTRY(stream_item) link;
	char *client;
	struct draft draft;
	size_t size; /* as it is counted */
	int64_t job; /* 0: a message */
	const char *outcome;
	int exit_code;
	int64_t bytes;
};

void stream_init(struct stream *stream, struct daemon *daemon, const struct log_ids *ids, int64_t seq)
{
	*stream = (struct stream){ .daemon = daemon, .ids = ids, .seq = seq };
	STAILQ_INIT(&stream->waiting);
	STAILQ_INIT(&stream->sent);
}

static void item_free(struct stream_item *item)
{
	free(item->client);
	draft_free(&item->draft);
	free(item);
}

static struct stream_item *take_first(struct stream_items *items)
{
	struct stream_item *item = STAILQ_FIRST(items);
	if (item)
		STAILQ_REMOVE_HEAD(items, link);
	return item;
}

static void free_all(struct stream_items *items)
{
	struct stream_item *item;
	while ((item = take_first(items)))
		item_free(item);
}

void stream_free(struct stream *stream)
{
	store_forget(stream->daemon->streams, stream);
	store_forget(stream->daemon->big_streams, stream);
	free_all(&stream->waiting);
	free_all(&stream->sent);
}

static void add(struct stream *stream, struct stream_item *item)
{
	STAILQ_INSERT_TAIL(&stream->waiting, item, link);
	stream->waiting_bytes += item->size;
}

void stream_add(struct stream *stream, const char *client, struct draft *draft)
{
	struct stream_item *item = xcalloc(1, sizeof(*item));
	item->client = xstrdup(client ? client : "");
	item->draft = *draft;
	item->size = draft_size(draft);
	*draft = (struct draft){ 0 };
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
	return stream->waiting_bytes + stream->sent_bytes;
}

bool stream_idle(const struct stream *stream)
{
	return STAILQ_EMPTY(&stream->waiting) && STAILQ_EMPTY(&stream->sent);
}

/* ---- what the database refused ---- */

/* What is said in the place of a message that can't be stored; false: nothing. */
static bool replace(struct stream_item *item)
{
	struct buf instead = item->draft.instead;
	item->draft.instead = (struct buf){ 0 };
	if (item->draft.line)
		message_left_out(&instead, item->size);
	draft_free(&item->draft);
	item->draft.out = instead;
	item->size = instead.len;
	return instead.len;
}

static void leave_out(const struct stream *stream, struct stream_item *item, struct stream_items *left)
{
	log_about(LOG_ERROR, stream->ids, "the database refused %s of %zu bytes, which is left out",
		  item->job ? "the end of a job" : "a message", item->size);
	if (!item->job && replace(item))
		STAILQ_INSERT_TAIL(left, item, link);
	else
		item_free(item);
}

/* Not the transaction as a whole was wrong, but one row of it: which one shows when each goes by itself. One that is big
 * was the only message, and its text is gone. */
static void on_refused(struct stream *stream)
{
	struct stream_items left = STAILQ_HEAD_INITIALIZER(left);
	struct stream_item *item;
	bool single = !STAILQ_NEXT(STAILQ_FIRST(&stream->sent), link);
	while ((item = take_first(&stream->sent))) {
		if (single || (!item->job && !item->draft.out.len))
			leave_out(stream, item, &left);
		else
			STAILQ_INSERT_TAIL(&left, item, link);
	}
	STAILQ_FOREACH(item, &left, link)
	{
		stream->waiting_bytes += item->size;
	}
	STAILQ_CONCAT(&left, &stream->waiting);
	STAILQ_CONCAT(&stream->waiting, &left);
	stream->alone = true;
}

/* ---- one transaction ---- */

static void on_appended(void *user, const PGresult *r)
{
	struct stream *stream = user;
	/* Null: the session is gone, or another host's. */
	stream->lost = r && !(PQntuples(r) == 1 && db_get(r, 0, 0).ptr);
}

static void lose(struct stream *stream)
{
	log_about(LOG_WARN, stream->ids, "the database takes no messages of this sandbox any more");
	if (stream->on_lost)
		stream->on_lost(stream->user);
}

static void on_committed(void *user, bool ok)
{
	struct stream *stream = user;
	if (ok) {
		stream->seq += stream->sent_messages;
		free_all(&stream->sent);
		stream->alone = stream->alone && !STAILQ_EMPTY(&stream->waiting);
	} else {
		on_refused(stream);
	}
	stream->sent_bytes = 0;
	stream->sent_messages = 0;
	if (stream->lost)
		lose(stream);
	stream->lost = false;
	(void)stream_flush(stream);
	if (stream->on_drained)
		stream->on_drained(stream->user);
}

static struct store_op *append_op(struct stream *stream, struct buf *clients, struct buf *bodies)
{
	struct store_op *op = store_op_new(STMT_APPEND, on_appended, stream);
	store_op_text(op, slice_of(stream->daemon->host));
	store_op_text(op, slice_of(stream->ids->sandbox));
	store_op_i64(op, stream->seq);
	store_op_take(op, clients);
	store_op_take(op, bodies);
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
static void send_announce(struct stream *stream, struct store *store)
{
	autobuf pair = { 0 };
	buf_addf(&pair, "%s:%" PRId64, stream->ids->sandbox, stream->seq + stream->sent_messages);
	struct store_op *op = store_op_new(STMT_ANNOUNCE, NULL, stream);
	store_op_text(op, buf_slice(&pair));
	store_send(store, op, true);
}

/* Moves what goes now from the front of what waits: messages up to a batch, or one that is bigger, and the ends of jobs
 * before, between and right behind them. */
static void take_batch(struct stream *stream)
{
	struct stream_item *item;
	size_t messages = 0, bytes = 0;
	while ((item = STAILQ_FIRST(&stream->waiting)) && draft_done(&item->draft)) {
		bool full = messages == BATCH_MESSAGES || (messages && bytes + item->size > STREAM_BATCH);
		if ((!item->job && full) || (stream->alone && !STAILQ_EMPTY(&stream->sent)))
			break;
		messages += !item->job;
		bytes += item->size;
		STAILQ_REMOVE_HEAD(&stream->waiting, link);
		STAILQ_INSERT_TAIL(&stream->sent, item, link);
	}
	stream->waiting_bytes -= bytes;
	stream->sent_bytes = bytes;
	stream->sent_messages = (int64_t)messages;
}

/* A big one goes alone: its text isn't needed any more, as it is known which one is wrong when it is refused. */
static void add_bodies(struct stream *stream, struct buf *clients, struct buf *bodies)
{
	struct stream_item *item;
	size_t count = (size_t)stream->sent_messages;
	db_array_begin(clients, DB_TEXT, count);
	db_array_begin(bodies, DB_TEXT, count);
	(void)buf_reserve(bodies, stream->sent_bytes + count * 4);
	STAILQ_FOREACH(item, &stream->sent, link)
	{
		if (item->job)
			continue;
		db_array_text(clients, slice_of(item->client));
		db_array_text(bodies, buf_slice(&item->draft.out));
		if (item->size > STREAM_BATCH)
			buf_free(&item->draft.out);
	}
	db_array_end(clients);
	db_array_end(bodies);
}

static void send_batch(struct stream *stream)
{
	struct buf clients = { 0 }, bodies = { 0 };
	struct stream_item *item;
	struct daemon *d = stream->daemon;
	struct store *store = stream->sent_bytes > STREAM_BATCH ? d->big_streams : d->streams;
	add_bodies(stream, &clients, &bodies);
	struct store_op *op = append_op(stream, &clients, &bodies);
	STAILQ_FOREACH(item, &stream->sent, link)
	{
		if (!item->job)
			continue;
		store_send(store, op, false);
		op = job_end_op(stream, item);
	}
	store_send(store, op, true);
	send_announce(stream, store);
}

/* The first that isn't encoded yet gets further. False: there is none. */
static bool encode(struct stream *stream)
{
	struct stream_item *item;
	STAILQ_FOREACH(item, &stream->waiting, link)
	{
		if (draft_done(&item->draft))
			continue;
		(void)draft_step(&item->draft);
		stream->waiting_bytes -= item->size;
		item->size = draft_size(&item->draft);
		stream->waiting_bytes += item->size;
		return true;
	}
	return false;
}

bool stream_flush(struct stream *stream)
{
	bool more = encode(stream);
	if (!STAILQ_EMPTY(&stream->sent))
		return more;
	take_batch(stream);
	if (!STAILQ_EMPTY(&stream->sent))
		send_batch(stream);
	return more;
}
