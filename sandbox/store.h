/* store.h: one of the daemon's connections to PostgreSQL. What is asked is asked again after a lost connection until
 * the database has answered: every statement of ours may be run twice, as the functions of schema api that it calls
 * say. */
#ifndef CRAFT_SANDBOX_STORE_H
#define CRAFT_SANDBOX_STORE_H

#include <uv.h>

#include "lib/conf.h"
#include "statements.h"

struct store;
struct store_op;

/* Called with the rows; NULL: the database refused the statement, which was logged. */
typedef void (*store_done)(void *user, const PGresult *result);

struct store_events {
	void (*on_ready)(void *user); /* connected, again maybe; before what waited is asked again. May be NULL */
	void (*on_notify)(void *user, const char *payload); /* on channel craft_sandbox; may be NULL */
};

/* application: shows in pg_stat_activity. listen: to craft_sandbox. All but the loop must outlive it. */
struct store *store_new(uv_loop_t *loop, const struct conf *conf, const char *application, bool listen,
			const struct store_events *events, void *user);
/* What was asked and not answered is dropped. */
void store_free(struct store *store);

/* A statement with its parameters, which are copied. done may be NULL. Owned by the store from store_send() on. */
struct store_op *store_op_new(enum statement statement, store_done done, void *user);
void store_op_text(struct store_op *op, struct slice text); /* text or an array; ptr NULL: null */
/* The same, which takes the bytes over. */
void store_op_take(struct store_op *op, struct buf *text);
void store_op_i64(struct store_op *op, int64_t v);
void store_op_i32(struct store_op *op, int32_t v);
void store_op_bool(struct store_op *op, bool v);

/* Asks it in the transaction of what is sent before without an end. last: the transaction ends here. */
void store_send(struct store *store, struct store_op *op, bool last);
/* Calls committed(user, ok) when the transaction that ends with the op has ended; in place of done. */
void store_op_committed(struct store_op *op, void (*committed)(void *user, bool ok));
/* No callback any more for what this user has asked. */
void store_forget(struct store *store, const void *user);
/* Is there a connection? */
bool store_connected(const struct store *store);
/* Statements that aren't answered. */
size_t store_waiting(const struct store *store);
/* Is everything answered? */
bool store_idle(const struct store *store);

#endif
