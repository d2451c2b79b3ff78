/* join.c: joining a room without missing or repeating anything. How a client gets to a sandbox's room is in
 * sandbox_room.c; from then on it is the same.
 *
 * A member has a position: the last event that it got or needn't get. While it is behind the room's head and the ring
 * doesn't reach back that far, it reads the log page by page; events that the gate lets through meanwhile are not given
 * to it, they come from the log or the ring. Once its position has come to the head it is live. A member ahead of the
 * room (its page was read from a newer snapshot) is live at once: the gate gives it only what lies beyond its position.
 * A member whose queue fills up stops being live, and catches up in the same way when the queue has drained. */
#include "join.h"

#include <inttypes.h>
#include <stdlib.h>

#include "feed.h"
#include "lib/db.h"
#include "lib/json.h"
#include "lib/log.h"
#include "room.h"
#include "turns.h"

#define GIVE_BYTES 131072 /* of events from memory, in one turn */

static void ask(struct conn *conn, int64_t since)
{
	conn->reading_log = true;
	feed_changes(conn->bridge->feed, conn->room, conn, since);
}

static const struct event *ring_first(const struct room *room)
{
	return TAILQ_FIRST(&room->ring);
}

bool join_ring_reaches(const struct room *room, int64_t pos)
{
	return ring_first(room) && ring_first(room)->seq <= pos + 1;
}

/* What is many bytes is given in several turns: to encode it takes time. */
static void give_ring(struct conn *conn)
{
	size_t given = 0;
	struct event *e;
	TAILQ_FOREACH(e, &conn->room->ring, link)
	{
		if (conn->state != CONN_OPEN || !conn_has_room(conn))
			return;
		if (given > GIVE_BYTES) {
			conn->rests = true;
			turns_wait(conn);
			return;
		}
		given += e->seq > conn->pos ? e->data.len : 0;
		room_give(conn, e);
	}
}

/* Called again when a page came or the queue drained. */
void join_catch_up(struct conn *conn)
{
	struct room *room = conn->room;
	if (conn->pos < room->head && join_ring_reaches(room, conn->pos))
		give_ring(conn);
	if (conn->state != CONN_OPEN || conn->rests)
		return;
	if (conn->pos >= room->head) {
		conn->live = true;
		conn->lag = 0;
	} else if (conn_has_room(conn)) {
		ask(conn, conn->pos);
	}
}

static void send_hello(struct conn *conn, bool resumed)
{
	autobuf text = { 0 };
	buf_add_str(&text, "{\"type\":\"hello\",\"epoch\":");
	json_encode(&text, slice_of(hub_epoch_text(conn->room->hub)));
	buf_add_str(&text, ",\"seq\":");
	buf_add_i64(&text, conn->pos);
	buf_add_str(&text, resumed ? ",\"resumed\":true}" : ",\"resumed\":false}");
	struct slice part = buf_slice(&text);
	struct frame_buf *frame = frame_buf_new(FRAME_OP_TEXT, &part, 1, NULL);
	conn_send(conn, frame);
	frame_buf_unref(frame);
}

/* Rows are given only if they start where the connection stands: the ring may have been quicker. */
static void give_rows(struct conn *conn, const PGresult *r)
{
	int rows = PQntuples(r);
	for (int i = 0; i < rows && conn->state == CONN_OPEN && conn_has_room(conn); i++) {
		if (PQgetisnull(r, i, conn->room->type->seq))
			return;
		struct event *e = conn->room->type->event(conn->room, r, i);
		if (e->seq == conn->pos + 1)
			room_give(conn, e);
		event_unref(e);
	}
}

/* Lets the connection in. head: the workspace's latest number; start: where its events begin (after it); page: the
 * events after start as far as they were read, or NULL. */
static void admit(struct conn *conn, int64_t head, int64_t start, bool resumed, const PGresult *page)
{
	conn_accept(conn);
	if (conn->state != CONN_OPEN)
		return;
	conn->pos = head;
	if (conn->since_seq >= 0)
		send_hello(conn, resumed);
	conn->pos = start;
	if (page)
		give_rows(conn, page);
	if (conn->state == CONN_OPEN)
		join_catch_up(conn);
	conn_resume(conn, PAUSE_JOIN);
}

/* Does it want what came after since? Alone, since=0 means "from now on"; who names the epoch too has been here before,
 * when nothing had been written yet. */
static bool resumes(const struct conn *conn)
{
	return conn->since_seq > 0 || (conn->since_seq == 0 && conn->want_epoch);
}

static bool other_epoch(const struct conn *conn)
{
	return conn->want_epoch && strcmp(conn->want_epoch, hub_epoch_text(conn->room->hub)) != 0;
}

/* Joins from memory where that is possible. */
static bool join_now(struct conn *conn)
{
	struct room *room = conn->room;
	int64_t since = conn->since_seq;
	if (room->head == ROOM_UNKNOWN || !*hub_epoch_text(room->hub))
		return false;
	if (!resumes(conn))
		admit(conn, room->head, room->head, true, NULL);
	else if (other_epoch(conn))
		admit(conn, room->head, room->head, false, NULL);
	else if (since == room->head || (since < room->head && join_ring_reaches(room, since)))
		admit(conn, room->head, since, true, NULL);
	else
		return false;
	return true;
}

void join_room(struct conn *conn, struct room *room)
{
	conn->room = room;
	TAILQ_INSERT_TAIL(&room->members, conn, room_link);
}

void hub_join(struct conn *conn, struct slice slug)
{
	join_room(conn, room_open(conn->bridge->hub, ROOM_WORKSPACE, slug));
	if (!join_now(conn))
		ask(conn, resumes(conn) ? conn->since_seq : INT64_MAX);
}

void hub_leave(struct conn *conn)
{
	struct room *room = conn->room;
	if (!room)
		return;
	TAILQ_REMOVE(&room->members, conn, room_link);
	if (TAILQ_EMPTY(&room->members))
		room->idle_since = uv_now(conn->bridge->loop);
	conn->live = false;
	conn->room = NULL;
}

void hub_drained(struct conn *conn)
{
	if (conn->state == CONN_OPEN && conn->room && !conn->live && !conn->reading_log && !conn->rests)
		join_catch_up(conn);
}

/* The first page, which tells where the workspace stands. */
static void first_page(struct room *room, struct conn *conn, const PGresult *r)
{
	int64_t head = db_get_i64(r, 0, PAGE_HEAD), floor = db_get_i64(r, 0, PAGE_FLOOR), since = conn->since_seq;
	if (room->head == ROOM_UNKNOWN) {
		room->head = head;
		room->wanted = head;
	}
	/* What the gate let through since the page was read is given from the ring or the log. */
	if (!resumes(conn))
		admit(conn, head, head, true, NULL);
	else if (other_epoch(conn) || since > head || since < floor)
		admit(conn, head, head, false, NULL);
	else
		admit(conn, head, since, true, r);
}

void join_page(struct room *room, struct conn *conn, const PGresult *r)
{
	conn->reading_log = false;
	if (conn->room != room)
		return;
	if (!r) {
		if (conn->state == CONN_JOINING)
			conn_refuse(conn, 503, "Database unavailable, try again");
		else
			conn_close(conn, FRAME_CLOSE_RESTART, "the log can't be read, resume later", true);
		return;
	}
	if (conn->state == CONN_JOINING) {
		first_page(room, conn, r);
		return;
	}
	if (PQgetisnull(r, 0, room->type->head) && room->kind == ROOM_SANDBOX) {
		conn_close(conn, FRAME_CLOSE_RESTART, "the sandbox is gone", true);
		return;
	}
	if (db_get_i64(r, 0, room->type->floor) > conn->pos) {
		conn_close(conn, FRAME_CLOSE_RESTART, "the log was pruned, reload", true);
		return;
	}
	give_rows(conn, r);
	if (conn->state == CONN_OPEN)
		join_catch_up(conn);
}
