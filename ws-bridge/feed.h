/* feed.h: reading the database: the change log by cursor, heads of all rooms once a second, hints by LISTEN, pruning.
 */
#ifndef CRAFT_FEED_H
#define CRAFT_FEED_H

#include "bridge.h"
#include "lib/pglink.h"

struct room;

struct feed *feed_new(struct bridge *bridge);
void feed_free(struct feed *feed);

/* Asks for the log of a room after `since`; the answer goes to hub_page(). Takes references on both until then.
 * While the database is away the question waits. */
void feed_changes(struct feed *feed, struct room *room, struct conn *conn, int64_t since);
/* Reads the heads of all rooms, unless that is under way. */
void feed_sweep(struct feed *feed);

/* Asks whether a connection may have its sandbox; the answer goes to sandbox_opened(). As feed_changes() otherwise. */
void feed_open_sandbox(struct feed *feed, struct conn *conn);

/* Asks for the key that a connection came with (conn->given); the answer goes to upgrade_key_read(). As feed_changes()
 * otherwise. */
void feed_find_key(struct feed *feed, struct conn *conn);

/* Asks for the names of the keys made since then (ms since 1970, see lib/key_names.h); the answer goes to keys_listed().
 * While the database is away the question waits. */
void feed_list_keys(struct feed *feed, int64_t since);

/* When the database last said something on this link or on the feed's (uv_now's clock): a server that answers others is
 * slow, not away. */
uint64_t feed_heard_at(const struct feed *feed, const struct pglink *link);
bool feed_is_connected(const struct feed *feed);

/* Once a second: sweep, and now and then pruning. */
void feed_tick(struct feed *feed, uint64_t now);

#endif
