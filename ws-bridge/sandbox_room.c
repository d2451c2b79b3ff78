/* sandbox_room.c: the clients of sandboxes. A sandbox's messages are a numbered log like a workspace's changes, and
 * come to its clients through a room of the same kind; see hub.h and join.c. */
#include "sandbox_room.h"

#include <stdlib.h>

#include "counts.h"
#include "courier.h"
#include "event.h"
#include "feed.h"
#include "hub.h"
#include "join.h"
#include "lib/db.h"
#include "lib/json.h"
#include "lib/uuid.h"
#include "room.h"
#include "sandbox_message.h"

#define TOUCH_MS 1000

/* Columns of api.sandbox_open. */
enum open_column { OPEN_STATUS, OPEN_HEAD, OPEN_FLOOR, OPEN_STATE };

static struct sandbox_client *client_new(struct slice workspace, struct slice session)
{
	struct sandbox_client *client = xcalloc(1, sizeof(*client));
	client->workspace = slice_dup(workspace);
	client->session = slice_dup(session);
	TAILQ_INIT(&client->backlog);
	return client;
}

void sandbox_client_free(struct sandbox_client *client)
{
	if (!client)
		return;
	free(client->workspace);
	free(client->session);
	free(client);
}

bool sandbox_client_waits(const struct sandbox_client *client)
{
	return client && client->requests;
}

static void send_text(struct conn *conn, struct slice text)
{
	struct frame_buf *frame = frame_buf_new(FRAME_OP_TEXT, &text, 1, NULL);
	conn_send(conn, frame);
	frame_buf_unref(frame);
}

/* ---- getting in ---- */

void sandbox_join(struct conn *conn, struct slice workspace, struct slice session)
{
	struct bridge *bridge = conn->bridge;
	if (!uuid_valid(session)) {
		conn_refuse(conn, 404, "Sandbox session not found");
		return;
	}
	conn->sandbox = client_new(workspace, session);
	conn->sandbox->unnamed = !conn->client;
	if (!conn->client) {
		autobuf name = { 0 };
		buf_addf(&name, "%s-%llu", bridge->id, (unsigned long long)conn->serial);
		conn->client = slice_dup(buf_slice(&name));
	}
	courier_start(bridge->small_courier);
	feed_open_sandbox(bridge->feed, conn);
}

/* The first thing that a client hears whose last message was followed by some that are no longer kept. */
static void tell_missed(struct conn *conn, int64_t floor, struct slice state)
{
	autobuf text = { 0 };
	buf_add_str(&text, "{\"type\":\"status\",\"status\":");
	json_encode(&text, state);
	buf_add_str(&text, ",\"missedUntil\":");
	buf_add_i64(&text, floor);
	buf_add_str(&text, ",\"seq\":");
	buf_add_i64(&text, floor);
	buf_add_char(&text, '}');
	send_text(conn, buf_slice(&text));
}

static void admit(struct conn *conn, int64_t head, int64_t floor, struct slice state)
{
	struct room *room = room_open(conn->bridge->hub, ROOM_SANDBOX, slice_of(conn->sandbox->session));
	int64_t since = conn->since_seq;
	join_room(conn, room);
	room_seen(room, head);
	if (room->head > head)
		head = room->head;
	if (since < 0 || since > head)
		since = head;
	bool missed = since < floor && !join_ring_reaches(room, since);
	conn_accept(conn);
	if (conn->state != CONN_OPEN)
		return;
	conn->pos = missed ? floor : since;
	if (missed)
		tell_missed(conn, floor, state);
	join_catch_up(conn);
	conn_resume(conn, PAUSE_JOIN);
}

void sandbox_opened(struct conn *conn, const PGresult *r)
{
	struct slice status = r ? db_get(r, 0, OPEN_STATUS) : (struct slice){ 0 };
	if (conn->state != CONN_JOINING)
		return;
	if (!r)
		conn_refuse(conn, 503, "Database unavailable, try again");
	else if (slice_eq_str(status, "ok"))
		admit(conn, db_get_i64(r, 0, OPEN_HEAD), db_get_i64(r, 0, OPEN_FLOOR), db_get(r, 0, OPEN_STATE));
	else if (slice_eq_str(status, "expired"))
		conn_refuse(conn, 410, "Sandbox session expired");
	else
		conn_refuse(conn, 404, "Sandbox session not found");
}

/* ---- what is for one client ---- */

/* The serial in a name that sandbox_join() gave; 0: it is another bridge's, or a client's own. */
static uint64_t serial_of(const struct bridge *bridge, const char *name)
{
	size_t n = strlen(bridge->id);
	return strncmp(name, bridge->id, n) == 0 && name[n] == '-' ? strtoull(name + n + 1, NULL, 10) : 0;
}

/* Of another bridge's connections nothing is known: they count as gone, as after a bridge's restart. */
static bool is_orphaned(const struct room *room, const char *target)
{
	const struct conn *conn;
	const char *dash = strrchr(target, '-');
	if (!dash || (size_t)(dash - target) != sizeof(room->hub->bridge->id) - 1 ||
	    dash[1 + strspn(dash + 1, "0123456789")])
		return false;
	uint64_t serial = serial_of(room->hub->bridge, target);
	TAILQ_FOREACH(conn, &room->members, room_link)
	{
		if (serial && conn->serial == serial)
			return false;
	}
	return true;
}

bool sandbox_hears(const struct conn *conn, struct event *e)
{
	uint64_t now = uv_now(conn->bridge->loop);
	if (strcmp(e->target, conn->client) == 0)
		return true;
	if (!conn->sandbox || !conn->sandbox->unnamed || conn->since_seq <= 0)
		return false;
	/* Looked up once for all that get it in a turn of the loop. */
	if (!e->asked_at || e->asked_at != now)
		e->orphaned = is_orphaned(conn->room, e->target);
	e->asked_at = now;
	/* Who was here before can't be the one that came back. */
	return e->orphaned && serial_of(conn->bridge, e->target) < conn->serial;
}

/* ---- what clients send ---- */

void sandbox_refuse(struct conn *conn, bool tool, struct slice id, const char *text)
{
	autobuf answer = { 0 };
	sandbox_message_refusal(&answer, tool, id, text);
	send_text(conn, buf_slice(&answer));
}

/* A sign of life. One write stands for all that come within a second, of however many clients. */
static void touch(struct conn *conn)
{
	static const struct sandbox_message ping = { .kind = SANDBOX_PING };
	const struct bridge *bridge = conn->bridge;
	struct room *room = conn->room;
	uint64_t now = uv_now(bridge->loop), idle = (uint64_t)bridge->conf.sandbox_idle_timeout * 1000;
	if (room->touched_at && now - room->touched_at < (idle / 4 < TOUCH_MS ? idle / 4 : TOUCH_MS))
		return;
	room->touched_at = now;
	courier_submit(conn, &ping, (struct buf){ 0 });
}

/* Who may only listen gets an answer, but keeps nothing alive. */
static void answer(struct conn *conn, struct slice text)
{
	if (!keys_read_only(conn))
		touch(conn);
	send_text(conn, text);
}

/* NULL, or why the client may not ask for it. Signs of life don't count against the rate of its key. */
static const char *refusal_for(struct conn *conn, enum sandbox_request kind, struct buf *text)
{
	bool changes = sandbox_request_effect(kind) == SANDBOX_CHANGES;
	if (changes && keys_read_only(conn))
		return API_KEY_READ_ONLY;
	if (kind == SANDBOX_PING || kind == SANDBOX_HEARTBEAT || kind == SANDBOX_BAD)
		return NULL;
	return keys_refuse(conn, changes, text);
}

static bool refused(struct conn *conn, const struct sandbox_message *m)
{
	autobuf text = { 0 };
	const char *refusal = refusal_for(conn, m->kind, &text);
	if (refusal)
		sandbox_refuse(conn, m->kind == SANDBOX_TOOL, m->id, refusal);
	return refusal != NULL;
}

static void submit(struct conn *conn, const struct sandbox_message *m)
{
	struct buf stored = { 0 };
	sandbox_message_store(m, &stored);
	courier_submit(conn, m, stored);
}

void sandbox_received(struct conn *conn, const struct frame_event *ev)
{
	autobuf why = { 0 };
	struct sandbox_message m = sandbox_message_parse(ev->payload, &why);
	if (refused(conn, &m))
		return;
	counter_add(&conn->bridge->counts->sandbox_requests[m.kind], 1);
	switch (m.kind) {
	case SANDBOX_BAD:
		sandbox_refuse(conn, m.tool, m.id, m.error);
		break;
	case SANDBOX_PING:
		answer(conn, SLICE_LIT("{\"type\":\"pong\"}"));
		break;
	case SANDBOX_HEARTBEAT:
		answer(conn, SLICE_LIT("{\"type\":\"heartbeat_ack\"}"));
		break;
	case SANDBOX_EXECUTE:
	case SANDBOX_TOOL:
	case SANDBOX_CANCEL:
	case SANDBOX_DIFF:
		submit(conn, &m);
		break;
	}
}
