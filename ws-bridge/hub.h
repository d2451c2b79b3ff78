/* hub.h: workspaces and sandboxes that have listeners (rooms), and the one gate through which their events go out,
 * strictly by number: the next one is sent, a higher one waits while the gap is read from the log, a lower one was sent
 * already. */
#ifndef CRAFT_HUB_H
#define CRAFT_HUB_H

#include <libpq-fe.h>

#include "bridge.h"
#include "event.h"

struct room;

enum room_kind { ROOM_WORKSPACE, ROOM_SANDBOX, ROOM_KINDS };

struct hub *hub_new(struct bridge *bridge);
void hub_free(struct hub *hub);

/* An upgrade wants to listen to a workspace: accepts it when the place in the workspace's order where it starts is
 * known, after a catch-up read where needed. */
void hub_join(struct conn *conn, struct slice slug);
/* The connection is going; it gets nothing any more. */
void hub_leave(struct conn *conn);
/* A connection's queue has room: goes on with its catch-up, if there is one. */
void hub_drained(struct conn *conn);

/* A change of this process was committed. origin: the connection that made it. */
void hub_committed(struct room *room, int64_t workspace_id, int64_t seq, const char *entity, const char *action,
		   struct slice data, const struct conn *origin);

/* The workspace's slug or the sandbox's id; lives as long as the room. A room lives while it has members or references.
 */
struct slice room_name(const struct room *room);
struct room *room_ref(struct room *room);
void room_unref(struct room *room);

/* ---- called by feed.c ---- */

/* The database is reachable (again): the epoch was read. Everybody is sent away when it is another one than before. */
void hub_epoch(struct hub *hub, struct slice epoch);
const char *hub_epoch_text(const struct hub *hub); /* "" until it is known */
/* A page of the log for the room itself (conn NULL) or for one catching up. result NULL: the query failed. */
void hub_page(struct room *room, struct conn *conn, const PGresult *result);
/* A workspace's head was seen: by id (a hint; unknown ids are looked up by a sweep) or by slug (the sweep). */
void hub_hint(struct hub *hub, int64_t workspace_id, int64_t seq);
void hub_head(struct hub *hub, struct slice slug, int64_t workspace_id, int64_t seq);
/* All that the sweep asked for came by hub_head(): a workspace that didn't was deleted, and its clients have to reload.
 */
void hub_heads_end(struct hub *hub);
/* A sandbox's head was seen. */
void hub_sandbox_head(struct hub *hub, struct slice session, int64_t seq);
/* Names of all rooms of a kind as a binary text[]; false: there are none. */
bool hub_names(struct hub *hub, enum room_kind kind, struct buf *out);

/* Once a second: forgets rooms without members. */
void hub_tick(struct hub *hub, uint64_t now);

#endif
