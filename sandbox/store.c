/* store.c: one of the daemon's connections to PostgreSQL. */
#include "store.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "lib/log.h"
#include "lib/pglink.h"
#include "lib/sqlstate.h"

#define MAX_TEXTS 5
#define RENEW_BYTES                                                                                                    \
	((size_t)4 << 20) /* libpq keeps buffers of the biggest query: after one of these it connects anew */
#define MAX_TRIES 5	  /* of a statement for which the server has no memory: else it is asked for ever */

struct store_op {
	STAILQ_ENTRY(store_op) link;
	enum statement statement;
	struct db_params params;
	char *texts[MAX_TEXTS];
	int text_count;
	store_done done;
	void (*committed)(void *user, bool ok);
	void *user;
	bool last; /* of its transaction */
	unsigned tries;
};
STAILQ_HEAD(op_list, store_op);

struct store {
	struct pglink *link;
	const struct store_events *events;
	void *user;
	bool listen;
	struct op_list ops; /* not answered yet, in order; as long as the link is up all of them are under way */
	struct store_op
		*answering; /* the next that gets a result; NULL: all have one, the end of the transaction is left */
	bool failed;	    /* a statement of the transaction that is being answered was refused */
	bool greeting;	    /* the answer to LISTEN is still to come */
	size_t biggest;	    /* bytes of the biggest statement since the connection was made */
};

/* ---- statements ---- */

struct store_op *store_op_new(enum statement statement, store_done done, void *user)
{
	struct store_op *op = xcalloc(1, sizeof(*op));
	op->statement = statement;
	op->done = done;
	op->user = user;
	return op;
}

void store_op_text(struct store_op *op, struct slice text)
{
	if (!text.ptr) {
		db_add_null(&op->params);
		return;
	}
	if (op->text_count == MAX_TEXTS)
		abort();
	char *copy = slice_dup(text);
	op->texts[op->text_count++] = copy;
	db_add_text(&op->params, slice_make(copy, text.len));
}

void store_op_take(struct store_op *op, struct buf *text)
{
	if (op->text_count == MAX_TEXTS)
		abort();
	op->texts[op->text_count++] = text->data;
	db_add_text(&op->params, buf_slice(text));
	*text = (struct buf){ 0 };
}

void store_op_i64(struct store_op *op, int64_t v)
{
	db_add_i64(&op->params, v);
}

void store_op_i32(struct store_op *op, int32_t v)
{
	db_add_i32(&op->params, v);
}

void store_op_bool(struct store_op *op, bool v)
{
	db_add_bool(&op->params, v);
}

void store_op_committed(struct store_op *op, void (*committed)(void *user, bool ok))
{
	op->committed = committed;
}

static void op_free(struct store_op *op)
{
	for (int i = 0; i < op->text_count; i++)
		free(op->texts[i]);
	free(op);
}

/* ---- asking ---- */

/* A failure shows as on_lost; it is asked again then. */
static void put(struct store *store, struct store_op *op)
{
	size_t bytes = 0;
	for (int i = 0; i < op->params.count; i++)
		bytes += (size_t)op->params.lengths[i];
	store->biggest = bytes > store->biggest ? bytes : store->biggest;
	if (pglink_query(store->link, (int)op->statement, &op->params) && op->last)
		(void)pglink_sync(store->link);
}

void store_send(struct store *store, struct store_op *op, bool last)
{
	op->last = last;
	STAILQ_INSERT_TAIL(&store->ops, op, link);
	if (!pglink_is_ready(store->link))
		return;
	if (!store->answering)
		store->answering = op;
	put(store, op);
}

void store_forget(struct store *store, const void *user)
{
	struct store_op *op;
	STAILQ_FOREACH(op, &store->ops, link)
	{
		if (op->user != user)
			continue;
		op->done = NULL;
		op->committed = NULL;
	}
}

bool store_connected(const struct store *store)
{
	return pglink_is_ready(store->link);
}

size_t store_waiting(const struct store *store)
{
	const struct store_op *op;
	size_t n = 0;
	STAILQ_FOREACH(op, &store->ops, link)
	{
		n++;
	}
	return n;
}

bool store_idle(const struct store *store)
{
	return STAILQ_EMPTY(&store->ops);
}

/* ---- answers ---- */

static void on_ready(struct pglink *link, void *user)
{
	struct store *store = user;
	struct store_op *op;
	store->answering = STAILQ_FIRST(&store->ops);
	store->failed = false;
	store->biggest = 0;
	store->greeting = store->listen;
	if (store->listen && pglink_query(link, STMT_LISTEN, NULL))
		(void)pglink_sync(link);
	STAILQ_FOREACH(op, &store->ops, link)
	{
		put(store, op);
	}
	if (store->events->on_ready)
		store->events->on_ready(store->user);
}

static void on_lost(struct pglink *link, void *user)
{
	struct store *store = user;
	(void)link;
	store->answering = NULL;
}

/* Errors that pass: all is asked again then. */
static bool is_outage(const PGresult *r)
{
	return sqlstate_passes(sqlstate_kind(db_sqlstate(r)));
}

/* Where memory was out several times it is the statement itself that needs too much. */
static bool may_try_again(struct store_op *op, const PGresult *r)
{
	return strcmp(db_sqlstate(r), "53200") != 0 || ++op->tries < MAX_TRIES;
}

static void on_result(struct pglink *link, void *user, const PGresult *r)
{
	struct store *store = user;
	struct store_op *op = store->answering;
	char line[256];
	if (store->greeting)
		return;
	ExecStatusType status = PQresultStatus(r);
	bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
	if (!ok && status != PGRES_PIPELINE_ABORTED) {
		log_error(NULL, "%s failed: %s", statements[op->statement].name,
			  db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
		if (is_outage(r) && may_try_again(op, r)) {
			pglink_drop(link);
			return;
		}
	}
	store->failed = store->failed || !ok;
	store->answering = STAILQ_NEXT(op, link);
	if (op->done)
		op->done(op->user, ok ? r : NULL);
}

static void on_sync(struct pglink *link, void *user)
{
	struct store *store = user;
	struct store_op *op;
	bool last, ok = !store->failed;
	(void)link;
	if (store->greeting) {
		store->greeting = false;
		return;
	}
	store->failed = false;
	do {
		op = STAILQ_FIRST(&store->ops);
		STAILQ_REMOVE_HEAD(&store->ops, link);
		last = op->last;
		if (op->committed)
			op->committed(op->user, ok);
		op_free(op);
	} while (!last);
	if (STAILQ_EMPTY(&store->ops) && store->biggest > RENEW_BYTES && !store->listen)
		pglink_renew(link);
}

static void on_notify(struct pglink *link, void *user, const char *channel, const char *payload)
{
	struct store *store = user;
	(void)link;
	(void)channel;
	if (store->events->on_notify)
		store->events->on_notify(store->user, payload);
}

static const struct pglink_events link_events = { on_ready, on_lost, on_result, on_sync, on_notify };

/* ---- life ---- */

struct store *store_new(uv_loop_t *loop, const struct conf *conf, const char *application, bool listen,
			const struct store_events *events, void *user)
{
	struct store *store = xcalloc(1, sizeof(*store));
	STAILQ_INIT(&store->ops);
	store->events = events;
	store->user = user;
	store->listen = listen;
	store->link = pglink_new(loop, conf->database_url, application, statements, STMT_COUNT, &link_events, store);
	return store;
}

void store_free(struct store *store)
{
	struct store_op *op;
	pglink_free(store->link);
	while ((op = STAILQ_FIRST(&store->ops))) {
		STAILQ_REMOVE_HEAD(&store->ops, link);
		op_free(op);
	}
	free(store);
}
