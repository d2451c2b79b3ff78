/* keys.c: workspaces' keys and the connections that came with them. */
#include "keys.h"

#include <stdlib.h>

#include "bounds.h"
#include "conn.h"
#include "feed.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/key_names.h"
#include "lib/log.h"
#include "lib/map.h"
#include "upgrade.h"

#define FORGET_MS 60000	  /* then a limit of requests a minute is full again */
#define UNKNOWN_RATE 20.0 /* questions a second about ids that nobody is connected with */
#define UNKNOWN_AT_ONCE 1000

/* Columns of api.key_find and api.keys_live. */
enum find_column { FIND_WORKSPACE, FIND_SHA256, FIND_READ_ONLY, FIND_PER_MINUTE, FIND_EXPIRES };
enum live_column { LIVE_ID, LIVE_READ_ONLY, LIVE_PER_MINUTE, LIVE_EXPIRES };

/* A connection that waits for the list of all keys. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	struct conn *conn; /* a reference */
};

struct keys {
	struct bridge *bridge;
	struct map by_id;
	struct bucket unknown;
	struct key_names names;	       /* for what may not be asked one by one */
	STAILQ_HEAD(, waiter) waiting; /* for what is new among them */
	bool listing;		       /* which is asked for */
	int64_t listing_since;	       /* since then, uv_now's ms */
};

struct keys *keys_new(struct bridge *bridge)
{
	struct keys *keys = xcalloc(1, sizeof(*keys));
	keys->bridge = bridge;
	STAILQ_INIT(&keys->waiting);
	return keys;
}

static void key_free(void *value, void *arg)
{
	struct key *key = value;
	(void)arg;
	free(key->workspace);
	free(key);
}

static struct conn *next_waiting(struct keys *keys)
{
	struct waiter *w = STAILQ_FIRST(&keys->waiting);
	if (!w)
		return NULL;
	struct conn *conn = w->conn;
	STAILQ_REMOVE_HEAD(&keys->waiting, link);
	free(w);
	return conn;
}

void keys_free(struct keys *keys)
{
	struct conn *conn;
	while ((conn = next_waiting(keys)))
		conn_unref(conn);
	key_names_free(&keys->names);
	map_each(&keys->by_id, key_free, NULL);
	map_free(&keys->by_id);
	free(keys);
}

static struct slice id_of(const char *id)
{
	return slice_make(id, API_KEY_ID);
}

/* ---- getting in ---- */

/* As far as the list of all keys can tell. */
static void settle(struct keys *keys, struct conn *conn)
{
	switch (key_names_have(&keys->names, KEY_NAMES_ID, id_of(conn->given.id))) {
	case KEY_NAMES_YES:
		feed_find_key(keys->bridge->feed, conn);
		break;
	case KEY_NAMES_NO:
		upgrade_refuse_key(conn);
		break;
	case KEY_NAMES_UNTOLD:
		bounds_count(keys->bridge, LIMIT_UNCHECKED);
		conn_refuse(conn, 503, "The key can't be checked at the moment, try again in a second");
		break;
	}
}

/* Many may wait; the database is asked once. */
static void wait_for_list(struct keys *keys, struct conn *conn, int64_t now)
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	w->conn = conn_ref(conn);
	STAILQ_INSERT_TAIL(&keys->waiting, w, link);
	if (keys->listing)
		return;
	keys->listing = true;
	keys->listing_since = now;
	feed_list_keys(keys->bridge->feed, key_names_since(&keys->names));
}

static void look_into_list(struct keys *keys, struct conn *conn)
{
	int64_t now = (int64_t)uv_now(keys->bridge->loop);
	if (key_names_have(&keys->names, KEY_NAMES_ID, id_of(conn->given.id)) != KEY_NAMES_YES &&
	    key_names_is_due(&keys->names, now))
		wait_for_list(keys, conn, now);
	else
		settle(keys, conn);
}

void keys_listed(struct keys *keys, const PGresult *r)
{
	struct conn *conn;
	for (int i = 0; r && i < PQntuples(r); i++)
		key_names_take(&keys->names, r, i);
	if (r)
		key_names_asked(&keys->names, PQntuples(r), keys->listing_since);
	keys->listing = false;
	while ((conn = next_waiting(keys))) {
		if (conn->state == CONN_JOINING && r)
			settle(keys, conn);
		else if (conn->state == CONN_JOINING)
			conn_refuse(conn, 503, "Database unavailable, try again");
		conn_unref(conn);
	}
}

void keys_ask(struct conn *conn, struct slice text)
{
	struct keys *keys = conn->bridge->keys;
	struct slice id;
	if (!api_key_id(text, &id) || !api_key_hash(text, conn->given.hash)) {
		conn_refuse(conn, 401, "Unauthorized");
		return;
	}
	memcpy(conn->given.id, id.ptr, API_KEY_ID);
	/* Whoever makes up ids may not make the database work. */
	if (!map_get(&keys->by_id, id) &&
	    (!bounds_may_try(conn) ||
	     !bucket_take(&keys->unknown, UNKNOWN_RATE, UNKNOWN_AT_ONCE, uv_now(keys->bridge->loop))))
		look_into_list(keys, conn);
	else
		feed_find_key(keys->bridge->feed, conn);
}

static int64_t number(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? 0 : db_get_i64(r, row, column);
}

static struct key *open_key(struct keys *keys, const char *id, struct slice workspace)
{
	struct key *key = map_get(&keys->by_id, id_of(id));
	if (key)
		return key;
	key = xcalloc(1, sizeof(*key));
	memcpy(key->id, id, sizeof(key->id));
	key->workspace = slice_dup(workspace);
	map_put(&keys->by_id, id_of(id), key);
	return key;
}

bool keys_take(struct conn *conn, const PGresult *r)
{
	struct keys *keys = conn->bridge->keys;
	if (PQntuples(r) != 1 || !api_key_is(conn->given.hash, db_get(r, 0, FIND_SHA256)))
		return false;
	/* Many may come back at once, each with a key of its own. */
	if (!map_get(&keys->by_id, id_of(conn->given.id)))
		bucket_give(&keys->unknown);
	struct key *key = open_key(keys, conn->given.id, db_get(r, 0, FIND_WORKSPACE));
	key->read_only = db_get_bool(r, 0, FIND_READ_ONLY);
	key->per_minute = number(r, 0, FIND_PER_MINUTE);
	key->expires_ms = number(r, 0, FIND_EXPIRES);
	key->connections++;
	conn->key = key;
	return true;
}

void keys_leave(struct conn *conn)
{
	struct key *key = conn->key;
	conn->key = NULL;
	if (key && --key->connections == 0)
		key->idle_since = uv_now(conn->bridge->loop);
}

/* ---- limits ---- */

bool keys_read_only(const struct conn *conn)
{
	return conn->key && conn->key->read_only;
}

const char *keys_refuse(struct conn *conn, bool change, struct buf *text)
{
	struct key *key = conn->key;
	if (!key)
		return NULL;
	if (change && keys_read_only(conn))
		return API_KEY_READ_ONLY;
	double rate = (double)key->per_minute;
	if (!key->per_minute || bucket_take(&key->requests, rate / 60, rate, uv_now(conn->bridge->loop)))
		return NULL;
	bounds_count(conn->bridge, LIMIT_KEY_RATE);
	buf_addf(text, "Too many requests with this key, which may make %lld a minute: try again in %lld s",
		 (long long)key->per_minute, (long long)((60 + key->per_minute - 1) / key->per_minute));
	return buf_cstr(text);
}

/* ---- the end of a key ---- */

static void close_one(struct conn *conn, const char *why)
{
	if (conn->state == CONN_JOINING)
		conn_refuse(conn, 401, "Unauthorized");
	else if (conn->state == CONN_OPEN)
		conn_cut_off(conn, FRAME_CLOSE_POLICY, why, true);
}

static void close_all(struct keys *keys, struct key *key, const char *why)
{
	struct conn *conn, *next;
	size_t closed = 0;
	for (conn = TAILQ_FIRST(&keys->bridge->conns); conn; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->key != key || (conn->state != CONN_JOINING && conn->state != CONN_OPEN))
			continue;
		close_one(conn, why);
		closed++;
	}
	if (closed)
		log_info(NULL, "%s: %s, %zu connections closed", key->id, why, closed);
}

static void add_name(void *value, void *arg)
{
	struct key *key = value;
	/* Those that come while the answer is under way aren't in it. */
	key->asked = true;
	key->live = false;
	db_array_text(arg, id_of(key->id));
}

bool keys_names(struct keys *keys, struct buf *out)
{
	if (!keys->by_id.count)
		return false;
	db_array_begin(out, DB_TEXT, keys->by_id.count);
	map_each(&keys->by_id, add_name, out);
	db_array_end(out);
	return true;
}

static void judge(void *value, void *arg)
{
	struct key *key = value;
	if (key->asked && !key->live)
		close_all(arg, key, "the key was revoked");
	key->asked = false;
}

void keys_live(struct keys *keys, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		struct key *key = map_get(&keys->by_id, db_get(r, i, LIVE_ID));
		if (!key)
			continue;
		key->live = true;
		key->read_only = db_get_bool(r, i, LIVE_READ_ONLY);
		key->per_minute = number(r, i, LIVE_PER_MINUTE);
		key->expires_ms = number(r, i, LIVE_EXPIRES);
	}
	map_each(&keys->by_id, judge, keys);
}

struct moment {
	struct keys *keys;
	uint64_t now;  /* ms, the loop's */
	int64_t today; /* ms since 1970 */
};

static void tick(void *value, void *arg)
{
	struct key *key = value;
	const struct moment *m = arg;
	if (key->connections) {
		if (key->expires_ms && m->today >= key->expires_ms)
			close_all(m->keys, key, "the key has expired");
	} else if (m->now - key->idle_since > FORGET_MS) {
		(void)map_remove(&m->keys->by_id, id_of(key->id));
		key_free(key, NULL);
	}
}

void keys_tick(struct keys *keys, uint64_t now)
{
	struct moment m = { keys, now, clock_wall_ms() };
	map_each(&keys->by_id, tick, &m);
}
