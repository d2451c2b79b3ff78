/* keys.h: the keys that open one workspace each (lib/api_key.h): whom they let in, their limits, and that connections
 * end with the key that they came with. */
#ifndef CRAFT_KEYS_H
#define CRAFT_KEYS_H

#include <libpq-fe.h>

#include "bridge.h"
#include "lib/api_key.h"
#include "lib/bucket.h"

/* What came with a request to upgrade. All zero: API_KEY. */
struct key_given {
	char id[API_KEY_ID + 1]; /* "": API_KEY */
	unsigned char hash[API_KEY_HASH];
};

/* A key that connections came with, which share its limits. */
struct key {
	char id[API_KEY_ID + 1];
	char *workspace; /* slug */
	bool read_only;
	int64_t per_minute; /* 0: any number */
	int64_t expires_ms; /* since 1970; 0: it doesn't */
	struct bucket requests;
	unsigned connections;
	uint64_t idle_since; /* ms: since when it has none */
	bool asked, live;    /* in the question that is under way, in its answer */
};

struct keys;
struct keys *keys_new(struct bridge *bridge);
void keys_free(struct keys *keys);

/* A request came with a key that looks like a workspace's: asks the database, which is answered by upgrade_key_read().
 * While many unknown ones come, only for what the list of all keys has (lib/key_names.h); others are refused. text: the
 * key. */
void keys_ask(struct conn *conn, struct slice text);

/* The row that the database has for it (api.key_find; none: there is no such key). False: the connection's key is
 * another. Else conn->key is set until keys_leave(). */
bool keys_take(struct conn *conn, const PGresult *row);
void keys_leave(struct conn *conn);

/* May the connection only listen? */
bool keys_read_only(const struct conn *conn);
/* A request of the connection: NULL, or the text that refuses it: its key is read-only and this is a `change`, or made
 * too many. Appended to *text, which the caller frees. */
const char *keys_refuse(struct conn *conn, bool change, struct buf *text);

/* ---- called by feed.c ---- */

/* What is new in the list of all keys (api.keys_since); NULL: the database refused to say. */
void keys_listed(struct keys *keys, const PGresult *result);

/* The ids of all keys that connections came with, as a binary text[]; false: there are none. */
bool keys_names(struct keys *keys, struct buf *out);
/* Which of those are good still (api.keys_live): the connections of the others are closed with 1008. One question is
 * under way at a time. */
void keys_live(struct keys *keys, const PGresult *result);

/* Once a second: closes the connections of keys that have expired, forgets keys. */
void keys_tick(struct keys *keys, uint64_t now);

#endif
