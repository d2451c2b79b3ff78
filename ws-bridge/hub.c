/* hub.c: rooms, and the gate that every event passes. Joining and catching up are in join.c. */
#include "hub.h"

#include <inttypes.h>
#include <stdlib.h>

#include "conn.h"
#include "counts.h"
#include "feed.h"
#include "join.h"
#include "lib/db.h"
#include "lib/log.h"
#include "room.h"
#include "sandbox_room.h"
#include "session_cache.h"

#define RING_EVENTS 1024
#define RING_BYTES (4u << 20)
#define RINGS_SHARE 16 /* of all rooms: so much of WS_MAX_MEMORY */
#define HOLD_EVENTS 4096
#define ROOM_LINGER_MS 60000

struct hub *hub_new(struct bridge *bridge)
{
	struct hub *hub = xcalloc(1, sizeof(*hub));
	hub->bridge = bridge;
	TAILQ_INIT(&hub->rings);
	return hub;
}

const char *hub_epoch_text(const struct hub *hub)
{
	return hub->epoch ? hub->epoch : "";
}

/* ---- rooms ---- */

static const struct room_type types[ROOM_KINDS];

static struct slice id_key(const int64_t *id)
{
	return slice_make((const char *)id, sizeof(*id));
}

struct room *room_open(struct hub *hub, enum room_kind kind, struct slice name)
{
	struct room *room = map_get(&hub->rooms[kind], name);
	if (room)
		return room;
	room = xcalloc(1, sizeof(*room));
	room->hub = hub;
	room->kind = kind;
	room->type = &types[kind];
	room->name = slice_dup(name);
	room->name_len = name.len;
	room->head = ROOM_UNKNOWN;
	TAILQ_INIT(&room->members);
	TAILQ_INIT(&room->ring);
	TAILQ_INIT(&room->hold);
	TAILQ_INIT(&room->held);
	room->idle_since = uv_now(hub->bridge->loop);
	map_put(&hub->rooms[kind], name, room);
	return room;
}

static void drop_events(struct event_list *list)
{
	struct event *e;
	while ((e = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, e, link);
		event_unref(e);
	}
}

static void drop_ring(struct room *room)
{
	if (!TAILQ_EMPTY(&room->ring))
		TAILQ_REMOVE(&room->hub->rings, room, ring_link);
	drop_events(&room->ring);
	room->hub->ring_bytes -= room->ring_bytes;
	room->ring_count = room->ring_bytes = 0;
}

static void room_free(struct room *room)
{
	(void)map_remove(&room->hub->rooms[room->kind], room_name(room));
	if (room->id)
		(void)map_remove(&room->hub->by_id, id_key(&room->id));
	drop_ring(room);
	drop_events(&room->hold);
	free(room->name);
	free(room);
}

static void free_room(void *value, void *arg)
{
	(void)arg;
	room_free(value);
}

void hub_free(struct hub *hub)
{
	for (size_t kind = 0; kind < ROOM_KINDS; kind++) {
		map_each(&hub->rooms[kind], free_room, NULL);
		map_free(&hub->rooms[kind]);
	}
	map_free(&hub->by_id);
	free(hub->epoch);
	free(hub);
}

struct slice room_name(const struct room *room)
{
	return slice_make(room->name, room->name_len);
}

struct room *room_ref(struct room *room)
{
	room->refs++;
	return room;
}

void room_unref(struct room *room)
{
	if (--room->refs == 0)
		room->idle_since = uv_now(room->hub->bridge->loop);
}

static void learn_id(struct room *room, int64_t id)
{
	if (room->id || !id)
		return;
	room->id = id;
	map_put(&room->hub->by_id, id_key(&id), room);
}

/* A room without members is kept fresh for a while: clients that reconnect find its recent events in memory. */
static void tick_room(void *value, void *arg)
{
	struct room *room = value;
	const uint64_t *now = arg;
	if (room->refs == 0 && TAILQ_EMPTY(&room->members) && *now - room->idle_since > ROOM_LINGER_MS)
		room_free(room);
}

void hub_tick(struct hub *hub, uint64_t now)
{
	for (size_t kind = 0; kind < ROOM_KINDS; kind++)
		map_each(&hub->rooms[kind], tick_room, &now);
}

static void add_name(void *value, void *arg)
{
	struct room *room = value;
	room->asked = room->id != 0;
	db_array_text(arg, room_name(room));
}

bool hub_names(struct hub *hub, enum room_kind kind, struct buf *out)
{
	struct map *rooms = &hub->rooms[kind];
	db_array_begin(out, DB_TEXT, rooms->count);
	map_each(rooms, add_name, out);
	return rooms->count > 0;
}

/* ---- the gate ---- */

static void ring_add(struct room *room, struct event *e)
{
	struct hub *hub = room->hub;
	size_t before = room->ring_bytes;
	if (!TAILQ_EMPTY(&room->ring))
		TAILQ_REMOVE(&hub->rings, room, ring_link);
	TAILQ_INSERT_TAIL(&hub->rings, room, ring_link);
	TAILQ_INSERT_TAIL(&room->ring, e, link);
	room->ring_count++;
	room->ring_bytes += e->head.cap + e->data.cap;
	while (room->ring_count > RING_EVENTS || (room->ring_bytes > RING_BYTES && room->ring_count > 1)) {
		struct event *oldest = TAILQ_FIRST(&room->ring);
		TAILQ_REMOVE(&room->ring, oldest, link);
		room->ring_count--;
		room->ring_bytes -= oldest->head.cap + oldest->data.cap;
		event_unref(oldest);
	}
	hub->ring_bytes += room->ring_bytes - before;
	/* Who needs what goes here reads the log. */
	while (hub->ring_bytes > (size_t)hub->bridge->conf.ws_max_memory / RINGS_SHARE &&
	       TAILQ_FIRST(&hub->rings) != room)
		drop_ring(TAILQ_FIRST(&hub->rings));
}

void room_give(struct conn *conn, struct event *e)
{
	size_t size = e->data.len;
	if (e->seq <= conn->pos)
		return;
	conn->lag -= conn->lag < size ? conn->lag : size;
	if (e->origin != conn->serial && (!e->target || sandbox_hears(conn, e))) {
		struct frame_buf *frame =
			event_frame(e, conn->since_seq >= 0, conn->deflate ? conn->bridge->packer : NULL);
		counter_add(&conn->bridge->counts->frames, 1);
		counter_add(&conn->bridge->counts->frame_bytes, frame->len);
		conn_send(conn, frame);
	}
	conn->pos = e->seq;
	replies_advance(conn);
}

/* e is the next event: it goes to everybody who is live, and onto the ring, which takes over the reference. */
static void deliver(struct room *room, struct event *e)
{
	struct conn *conn, *next;
	struct counts *counts = room->hub->bridge->counts;
	uint64_t listeners = 0;
	room->head = e->seq;
	for (conn = TAILQ_FIRST(&room->members); conn; conn = next) {
		next = TAILQ_NEXT(conn, room_link); /* a slow one leaves the room here */
		listeners++;
		/* Who can't take it now gets it from the ring or the log when its queue has drained. */
		conn->live = conn->live && conn_has_room(conn);
		if (conn->live)
			room_give(conn, e);
		else
			conn->lag += e->data.len;
	}
	counter_add(&counts->events, 1);
	histogram_add(&counts->listeners, &metrics_count, listeners);
	ring_add(room, e);
}

static void hold(struct room *room, struct event *e)
{
	struct event *after = TAILQ_LAST(&room->hold, event_list);
	while (after && after->seq > e->seq)
		after = TAILQ_PREV(after, event_list, link);
	if ((after && after->seq == e->seq) || room->hold_count >= HOLD_EVENTS) {
		event_unref(e); /* what isn't held comes from the log */
		return;
	}
	if (after)
		TAILQ_INSERT_AFTER(&room->hold, after, e, link);
	else
		TAILQ_INSERT_HEAD(&room->hold, e, link);
	room->hold_count++;
}

static void release_held(struct room *room)
{
	struct event *e;
	while ((e = TAILQ_FIRST(&room->hold)) && e->seq <= room->head + 1) {
		TAILQ_REMOVE(&room->hold, e, link);
		room->hold_count--;
		if (e->seq == room->head + 1)
			deliver(room, e);
		else
			event_unref(e);
	}
}

static void read_gap(struct room *room)
{
	if (room->reading || room->head == ROOM_UNKNOWN)
		return;
	room->reading = true;
	feed_changes(room->hub->bridge->feed, room, NULL, room->head);
}

static void want(struct room *room, int64_t seq)
{
	if (seq > room->wanted)
		room->wanted = seq;
	if (room->head != ROOM_UNKNOWN && room->wanted > room->head)
		read_gap(room);
}

void room_seen(struct room *room, int64_t seq)
{
	if (room->head == ROOM_UNKNOWN)
		room->head = room->wanted = seq;
	want(room, seq);
}

/* Takes over the reference. */
static void pass(struct room *room, struct event *e)
{
	if (room->head == ROOM_UNKNOWN || e->seq <= room->head) {
		event_unref(e);
		return;
	}
	if (e->seq > room->head + 1) {
		hold(room, e);
		return;
	}
	deliver(room, e);
	release_held(room);
}

void hub_committed(struct room *room, int64_t workspace_id, int64_t seq, const char *entity, const char *action,
		   struct slice data, const struct conn *origin)
{
	learn_id(room, workspace_id);
	pass(room, event_new(seq, slice_of(entity), slice_of(action), data, origin->serial));
	want(room, seq);
}

/* ---- what the feed brings ---- */

static char restored[] = "the database was restored or failed over, reload";
static char deleted[] = "the workspace was deleted, reload";
static char no_way_back[] = "the log doesn't reach back so far, reload";

/* why: the text that clients are closed with. */
static void dismiss(void *value, void *why)
{
	struct room *room = value;
	struct conn *conn, *next;
	for (conn = TAILQ_FIRST(&room->members); conn; conn = next) {
		next = TAILQ_NEXT(conn, room_link);
		if (conn->state == CONN_OPEN) /* those still joining start from what is there now */
			conn_close(conn, FRAME_CLOSE_RESTART, why, false);
	}
	drop_ring(room);
	drop_events(&room->hold);
	room->hold_count = 0;
	room->head = ROOM_UNKNOWN;
	room->wanted = 0;
	if (room->id)
		(void)map_remove(&room->hub->by_id, id_key(&room->id));
	room->id = 0;
}

void hub_epoch(struct hub *hub, struct slice epoch)
{
	if (hub->epoch && slice_eq_str(epoch, hub->epoch))
		return;
	if (hub->epoch) {
		log_warn(NULL, "the database's epoch changed: all clients are sent to reload");
		for (size_t kind = 0; kind < ROOM_KINDS; kind++)
			map_each(&hub->rooms[kind], dismiss, restored);
		session_cache_clear(hub->bridge->cache);
	}
	free(hub->epoch);
	hub->epoch = slice_dup(epoch);
}

/* origin is "<bridge id>-<serial>" of whichever bridge made the change. */
static uint64_t own_serial(const struct hub *hub, struct slice origin)
{
	size_t n = strlen(hub->bridge->id);
	if (origin.len <= n + 1 || memcmp(origin.ptr, hub->bridge->id, n) != 0)
		return 0;
	return strtoull(origin.ptr + n + 1, NULL, 10);
}

static struct event *change_event(struct room *room, const PGresult *r, int row)
{
	uint64_t origin = own_serial(room->hub, db_get(r, row, PAGE_ORIGIN));
	struct slice entity = db_get(r, row, PAGE_ENTITY);
	if (!origin && slice_eq_str(entity, "session"))
		session_cache_drop(room->hub->bridge->cache, room_name(room), db_get(r, row, PAGE_ENTITY_ID));
	return event_new(db_get_i64(r, row, PAGE_SEQ), entity, db_get(r, row, PAGE_ACTION), db_get(r, row, PAGE_DATA),
			 origin);
}

static struct event *message_event(struct room *room, const PGresult *r, int row)
{
	(void)room;
	return event_new_message(db_get_i64(r, row, MESSAGE_SEQ), db_get(r, row, MESSAGE_BODY),
				 db_get(r, row, MESSAGE_TARGET));
}

static const struct room_type types[ROOM_KINDS] = {
	[ROOM_WORKSPACE] = { "workspace", STMT_CHANGES, PAGE_HEAD, PAGE_FLOOR, PAGE_SEQ, change_event },
	[ROOM_SANDBOX] = { "sandbox", STMT_SANDBOX_MESSAGES, MESSAGE_HEAD, MESSAGE_FLOOR, MESSAGE_SEQ, message_event },
};

static void room_page(struct room *room, const PGresult *r)
{
	int rows = PQntuples(r);
	room->reading = false;
	for (int i = 0; i < rows; i++) {
		if (!PQgetisnull(r, i, room->type->seq))
			pass(room, room->type->event(room, r, i));
	}
	if (room->head == ROOM_UNKNOWN)
		return;
	int64_t floor = db_get_i64(r, 0, room->type->floor);
	if (floor > room->head) {
		/* Its log was pruned beyond us (we were cut off for long), or it was imported or made anew: nobody here
		 * can be served without a gap. */
		log_warn(NULL, "a %s's log doesn't reach back to what its listeners have: they are sent to reload",
			 room->type->noun);
		dismiss(room, no_way_back);
		return;
	}
	if (PQgetisnull(r, 0, room->type->head) && room->kind == ROOM_SANDBOX)
		room->wanted = room->head; /* it is gone: what was announced can't be read any more */
	want(room, db_get_i64(r, 0, room->type->head));
}

void hub_page(struct room *room, struct conn *conn, const PGresult *result)
{
	if (result && room->kind == ROOM_WORKSPACE) {
		hub_epoch(room->hub, db_get(result, 0, PAGE_EPOCH));
		learn_id(room, db_get_i64(result, 0, PAGE_WORKSPACE));
	}
	if (conn)
		join_page(room, conn, result);
	else if (result)
		room_page(room, result);
	else
		room->reading = false; /* the next sweep asks again */
}

void hub_hint(struct hub *hub, int64_t workspace_id, int64_t seq)
{
	struct room *room = map_get(&hub->by_id, id_key(&workspace_id));
	if (room)
		want(room, seq);
	else if (hub->by_id.count < hub->rooms[ROOM_WORKSPACE].count)
		feed_sweep(hub->bridge->feed); /* it may be one of those that had no number when they were opened */
}

void hub_head(struct hub *hub, struct slice slug, int64_t workspace_id, int64_t seq)
{
	struct room *room = map_get(&hub->rooms[ROOM_WORKSPACE], slug);
	if (!room)
		return;
	room->asked = false;
	if (room->id && room->id != workspace_id) {
		dismiss(room, deleted); /* and made again */
		return;
	}
	learn_id(room, workspace_id);
	want(room, seq);
}

static void miss(void *value, void *arg)
{
	struct room *room = value;
	(void)arg;
	if (room->asked && room->id)
		dismiss(room, deleted);
	room->asked = false;
}

void hub_heads_end(struct hub *hub)
{
	map_each(&hub->rooms[ROOM_WORKSPACE], miss, NULL);
}

void hub_sandbox_head(struct hub *hub, struct slice session, int64_t seq)
{
	struct room *room = map_get(&hub->rooms[ROOM_SANDBOX], session);
	if (room)
		want(room, seq);
}
