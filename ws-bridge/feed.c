/* feed.c: the reading connection of the bridge. */
#include "feed.h"

#include <inttypes.h>
#include <stdlib.h>

#include "conn.h"
#include "counts.h"
#include "hub.h"
#include "keys.h"
#include "lib/key_names.h"
#include "lib/log.h"
#include "lib/pglink.h"
#include "lib/sqlstate.h"
#include "room.h"
#include "sandbox_room.h"
#include "statements.h"
#include "upgrade.h"

#define PAGE_ROWS 500
#define PAGE_BYTES 131072 /* of a page: its events are encoded in one turn of the loop */
#define PRUNE_EVERY_MS 60000
#define PRUNE_AGAIN_MS 1000

enum question_kind {
	ASK_LISTEN,
	ASK_LISTEN_STREAMS,
	ASK_EPOCH,
	ASK_HEADS,
	ASK_SANDBOX_HEADS,
	ASK_CHANGES,
	ASK_SANDBOX,
	ASK_LISTEN_KEYS,
	ASK_KEY,
	ASK_KEYS_LIVE,
	ASK_KEYS_SINCE,
	ASK_PRUNE,
	ASK_LOG_LIMIT,
	ASK_LOG_USAGE
};

struct question {
	STAILQ_ENTRY(question) link;
	enum question_kind kind;
	struct room *room;
	struct conn *conn;
	int64_t since;
};
STAILQ_HEAD(questions, question);

struct feed {
	struct bridge *bridge;
	struct pglink *link;
	struct questions asked;	  /* sent, in order */
	struct questions waiting; /* for the connection */
	unsigned sweeping;	  /* questions of the sweep under way */
	bool keys_asked;	  /* which keys are good still: the answer is under way */
	bool keys_again;	  /* and is to be asked once more */
	uint64_t prune_at;
};

static const struct pglink_events events;

struct feed *feed_new(struct bridge *bridge)
{
	struct feed *feed = xcalloc(1, sizeof(*feed));
	feed->bridge = bridge;
	STAILQ_INIT(&feed->asked);
	STAILQ_INIT(&feed->waiting);
	feed->prune_at = uv_now(bridge->loop) + PRUNE_EVERY_MS;
	feed->link = pglink_new(bridge->loop, bridge->conf.database_url, "craft-ws-bridge read", statements, STMT_COUNT,
				&events, feed);
	return feed;
}

static void question_free(struct question *q)
{
	if (q->room)
		room_unref(q->room);
	if (q->conn)
		conn_unref(q->conn);
	free(q);
}

static struct question *pop(struct questions *list)
{
	struct question *q = STAILQ_FIRST(list);
	if (q)
		STAILQ_REMOVE_HEAD(list, link);
	return q;
}

void feed_free(struct feed *feed)
{
	struct question *q;
	pglink_free(feed->link);
	while ((q = pop(&feed->asked)) || (q = pop(&feed->waiting)))
		question_free(q);
	free(feed);
}

static enum statement statement_of(const struct question *q)
{
	static const enum statement statements_of[] = {
		[ASK_LISTEN] = STMT_LISTEN,
		[ASK_LISTEN_STREAMS] = STMT_LISTEN_STREAMS,
		[ASK_EPOCH] = STMT_EPOCH,
		[ASK_HEADS] = STMT_HEADS,
		[ASK_SANDBOX_HEADS] = STMT_SANDBOX_HEADS,
		[ASK_SANDBOX] = STMT_SANDBOX_OPEN,
		[ASK_LISTEN_KEYS] = STMT_LISTEN_KEYS,
		[ASK_KEY] = STMT_KEY_FIND,
		[ASK_KEYS_LIVE] = STMT_KEYS_LIVE,
		[ASK_KEYS_SINCE] = STMT_KEYS_SINCE,
		[ASK_PRUNE] = STMT_PRUNE,
		[ASK_LOG_LIMIT] = STMT_LOG_LIMIT,
		[ASK_LOG_USAGE] = STMT_LOG_USAGE,
	};
	return q->kind == ASK_CHANGES ? q->room->type->page : statements_of[q->kind];
}

static void add_parameters(const struct feed *feed, const struct question *q, struct buf *names, struct db_params *p)
{
	const struct conf *conf = &feed->bridge->conf;
	if (q->kind == ASK_HEADS || q->kind == ASK_SANDBOX_HEADS) {
		(void)hub_names(feed->bridge->hub, q->kind == ASK_HEADS ? ROOM_WORKSPACE : ROOM_SANDBOX, names);
		db_add_text(p, buf_slice(names));
	} else if (q->kind == ASK_CHANGES) {
		db_add_text(p, room_name(q->room));
		db_add_i64(p, q->since);
		db_add_i32(p, PAGE_ROWS);
		db_add_i32(p, PAGE_BYTES);
	} else if (q->kind == ASK_SANDBOX) {
		db_add_text(p, slice_of(q->conn->sandbox->workspace));
		db_add_text(p, slice_of(q->conn->sandbox->session));
	} else if (q->kind == ASK_KEY) {
		db_add_text(p, slice_of(q->conn->given.id));
	} else if (q->kind == ASK_KEYS_LIVE) {
		(void)keys_names(feed->bridge->keys, names);
		db_add_text(p, buf_slice(names));
	} else if (q->kind == ASK_KEYS_SINCE) {
		db_add_i64(p, q->since);
		db_add_i64(p, KEY_NAMES_MAX);
	} else if (q->kind == ASK_PRUNE) {
		db_add_i64(p, conf->change_log_keep);
		db_add_i32(p, (int32_t)conf->change_log_days);
		db_add_i32(p, (int32_t)conf->retry_hours);
	} else if (q->kind == ASK_LOG_LIMIT) {
		db_add_i64(p, conf->change_log_bytes);
		db_add_i64(p, conf->sandbox_stream_bytes);
	}
}

static void put(struct feed *feed, struct question *q)
{
	autobuf names = { 0 };
	struct db_params p = { 0 };
	add_parameters(feed, q, &names, &p);
	STAILQ_INSERT_TAIL(&feed->asked, q, link);
	/* A failure shows as on_lost, which clears what was asked. */
	if (pglink_query(feed->link, (int)statement_of(q), &p))
		(void)pglink_sync(feed->link);
}

/* Does somebody wait for the answer, however long it takes? */
static bool is_lasting(enum question_kind kind)
{
	return kind == ASK_CHANGES || kind == ASK_SANDBOX || kind == ASK_KEY || kind == ASK_KEYS_SINCE;
}

static void ask(struct feed *feed, enum question_kind kind, struct room *room, struct conn *conn, int64_t since)
{
	struct question *q = xcalloc(1, sizeof(*q));
	q->kind = kind;
	q->room = room ? room_ref(room) : NULL;
	q->conn = conn ? conn_ref(conn) : NULL;
	q->since = since;
	if (pglink_is_ready(feed->link))
		put(feed, q);
	else if (is_lasting(kind))
		STAILQ_INSERT_TAIL(&feed->waiting, q, link);
	else
		question_free(q);
}

void feed_changes(struct feed *feed, struct room *room, struct conn *conn, int64_t since)
{
	counter_add(&feed->bridge->counts->pages, 1);
	ask(feed, ASK_CHANGES, room, conn, since);
}

void feed_open_sandbox(struct feed *feed, struct conn *conn)
{
	ask(feed, ASK_SANDBOX, NULL, conn, 0);
}

void feed_find_key(struct feed *feed, struct conn *conn)
{
	ask(feed, ASK_KEY, NULL, conn, 0);
}

void feed_list_keys(struct feed *feed, int64_t since)
{
	ask(feed, ASK_KEYS_SINCE, NULL, NULL, since);
}

static void ask_keys(struct feed *feed)
{
	autobuf names = { 0 };
	feed->keys_again = feed->keys_asked;
	if (feed->keys_asked || !pglink_is_ready(feed->link) || !keys_names(feed->bridge->keys, &names))
		return;
	feed->keys_asked = true;
	ask(feed, ASK_KEYS_LIVE, NULL, NULL, 0);
}

void feed_sweep(struct feed *feed)
{
	autobuf slugs = { 0 }, sessions = { 0 };
	if (feed->sweeping || !pglink_is_ready(feed->link))
		return;
	bool workspaces = hub_names(feed->bridge->hub, ROOM_WORKSPACE, &slugs);
	bool sandboxes = hub_names(feed->bridge->hub, ROOM_SANDBOX, &sessions);
	if (!workspaces && !sandboxes)
		return;
	feed->sweeping = (unsigned)workspaces + (unsigned)sandboxes;
	ask(feed, ASK_EPOCH, NULL, NULL, 0);
	if (workspaces)
		ask(feed, ASK_HEADS, NULL, NULL, 0);
	if (sandboxes)
		ask(feed, ASK_SANDBOX_HEADS, NULL, NULL, 0);
}

/* LISTEN first, then the epoch, then whoever waited: nothing committed from here on goes unseen. */
static void on_ready(struct pglink *link, void *user)
{
	struct feed *feed = user;
	struct question *q;
	(void)link;
	ask(feed, ASK_LISTEN, NULL, NULL, 0);
	ask(feed, ASK_LISTEN_STREAMS, NULL, NULL, 0);
	ask(feed, ASK_LISTEN_KEYS, NULL, NULL, 0);
	ask(feed, ASK_EPOCH, NULL, NULL, 0);
	ask(feed, ASK_LOG_LIMIT, NULL, NULL, 0);
	ask(feed, ASK_LOG_USAGE, NULL, NULL, 0);
	feed_sweep(feed);
	ask_keys(feed);
	while ((q = pop(&feed->waiting)))
		put(feed, q);
}

static void on_lost(struct pglink *link, void *user)
{
	struct feed *feed = user;
	struct question *q;
	(void)link;
	feed->sweeping = 0;
	feed->keys_asked = feed->keys_again = false;
	while ((q = pop(&feed->asked))) {
		if (is_lasting(q->kind))
			STAILQ_INSERT_TAIL(&feed->waiting, q, link);
		else
			question_free(q);
	}
}

static void take_heads(struct feed *feed, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++)
		hub_head(feed->bridge->hub, db_get(r, i, 0), db_get_i64(r, i, 1), db_get_i64(r, i, 2));
	hub_heads_end(feed->bridge->hub);
}

static void take_sandbox_heads(struct feed *feed, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++)
		hub_sandbox_head(feed->bridge->hub, db_get(r, i, 0), db_get_i64(r, i, 1));
}

static void take_usage(struct counts *counts, const PGresult *r)
{
	counts->change_log_bytes = (uint64_t)db_get_i64(r, 0, 0);
	counts->stream_bytes = (uint64_t)db_get_i64(r, 0, 1);
}

static void take_pruned(struct feed *feed, const PGresult *r)
{
	int64_t removed = db_get_i64(r, 0, 0);
	if (removed)
		log_info(NULL, "pruned %" PRId64 " rows of the change log and the request memory", removed);
	if (removed >= 10000)
		feed->prune_at = uv_now(feed->bridge->loop) + PRUNE_AGAIN_MS;
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct feed *feed = user;
	struct question *q = STAILQ_FIRST(&feed->asked);
	char line[256];
	(void)link;
	bool ok = PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
	if (!ok)
		log_error(NULL, "reading failed: %s", db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
	/* on_lost follows, and the question is asked again. */
	if (!ok && sqlstate_ends_connection(db_sqlstate(r)))
		return;
	if (q->kind == ASK_CHANGES)
		hub_page(q->room, q->conn, ok ? r : NULL);
	else if (q->kind == ASK_SANDBOX)
		sandbox_opened(q->conn, ok ? r : NULL);
	else if (q->kind == ASK_KEY)
		upgrade_key_read(q->conn, ok ? r : NULL);
	else if (q->kind == ASK_KEYS_SINCE)
		keys_listed(feed->bridge->keys, ok ? r : NULL);
	else if (q->kind == ASK_KEYS_LIVE && ok)
		keys_live(feed->bridge->keys, r);
	else if (q->kind == ASK_EPOCH && ok)
		hub_epoch(feed->bridge->hub, db_get(r, 0, 0));
	else if (q->kind == ASK_HEADS && ok)
		take_heads(feed, r);
	else if (q->kind == ASK_SANDBOX_HEADS && ok)
		take_sandbox_heads(feed, r);
	else if (q->kind == ASK_PRUNE && ok)
		take_pruned(feed, r);
	else if (q->kind == ASK_LOG_USAGE && ok)
		take_usage(feed->bridge->counts, r);
}

static void on_sync(struct pglink *link, void *user)
{
	struct feed *feed = user;
	struct question *q = pop(&feed->asked);
	(void)link;
	if (q->kind == ASK_HEADS || q->kind == ASK_SANDBOX_HEADS)
		feed->sweeping--;
	feed->keys_asked = feed->keys_asked && q->kind != ASK_KEYS_LIVE;
	question_free(q);
	if (feed->keys_again)
		ask_keys(feed);
}

/* One pair "id:seq". */
static bool take_hint(struct feed *feed, bool sandbox, struct slice pair)
{
	const char *colon = pair.len ? memchr(pair.ptr, ':', pair.len) : NULL;
	if (!colon)
		return false;
	int64_t seq = strtoll(colon + 1, NULL, 10);
	if (sandbox)
		hub_sandbox_head(feed->bridge->hub, slice_make(pair.ptr, (size_t)(colon - pair.ptr)), seq);
	else
		hub_hint(feed->bridge->hub, strtoll(pair.ptr, NULL, 10), seq);
	return true;
}

/* "id:seq,id:seq": see api.announce and api.stream_announce; "epoch": see api.epoch_renew; "gone": see
 * api.workspace_delete. */
static void on_notify(struct pglink *link, void *user, const char *channel, const char *payload)
{
	struct feed *feed = user;
	bool sandbox = strcmp(channel, "craft_streams") == 0;
	(void)link;
	if (strcmp(channel, "craft_keys") == 0) {
		ask_keys(feed);
		return;
	}
	if (!sandbox && strcmp(payload, "epoch") == 0) {
		ask(feed, ASK_EPOCH, NULL, NULL, 0);
		return;
	}
	if (!sandbox && strcmp(payload, "gone") == 0) {
		feed_sweep(feed);
		return;
	}
	for (;;) {
		size_t n = strcspn(payload, ",");
		if (!take_hint(feed, sandbox, slice_make(payload, n)) || !payload[n])
			return;
		payload += n + 1;
	}
}

static const struct pglink_events events = { on_ready, on_lost, on_result, on_sync, on_notify };

uint64_t feed_heard_at(const struct feed *feed, const struct pglink *link)
{
	uint64_t own = pglink_heard_at(feed->link), other = pglink_heard_at(link);
	return own > other ? own : other;
}

void feed_tick(struct feed *feed, uint64_t now)
{
	feed_sweep(feed);
	ask_keys(feed);
	if (now >= feed->prune_at && pglink_is_ready(feed->link)) {
		feed->prune_at = now + PRUNE_EVERY_MS;
		ask(feed, ASK_PRUNE, NULL, NULL, 0);
		ask(feed, ASK_LOG_USAGE, NULL, NULL, 0);
	}
}

bool feed_is_connected(const struct feed *feed)
{
	return pglink_is_ready(feed->link);
}
