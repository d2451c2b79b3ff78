/* sync.c: checking a client's message and taking its envelope apart. */
#include "sync.h"

#include "conn.h"
#include "counts.h"
#include "lane.h"
#include "lib/json.h"
#include "op.h"

#define SHOWN_TYPE 100
#define PONG "{\"type\":\"pong\"}"
#define UNKNOWN_REQUEST SLICE_LIT("\"unknown\"")

struct envelope {
	struct slice type, data, request_id; /* raw; empty when absent */
};

static void read_envelope(struct slice message, struct envelope *e)
{
	struct json_iter it = json_iter(message);
	while (json_next(&it)) {
		autobuf key = { 0 };
		if (it.key.len > 100 || !json_decode(it.key, &key))
			continue;
		if (slice_eq_str(buf_slice(&key), "type"))
			e->type = it.value;
		else if (slice_eq_str(buf_slice(&key), "data"))
			e->data = it.value;
		else if (slice_eq_str(buf_slice(&key), "requestId"))
			e->request_id = it.value;
	}
}

static void refuse(struct conn *conn, struct slice request_id, const char *text)
{
	reply_error(conn, reply_expect(conn, request_id, 0), text);
}

/* The type as text: a string's characters, anything else as it stands. */
static void type_text(struct slice type, struct buf *out)
{
	if (type.len && json_kind_of(type) == JSON_STRING)
		json_decode_lossy(type, out, SHOWN_TYPE);
	else
		buf_add_slice(out, slice_make(type.ptr, type.len > SHOWN_TYPE ? SHOWN_TYPE : type.len));
}

static void refuse_type(struct conn *conn, const struct envelope *e)
{
	autobuf name = { 0 }, text = { 0 };
	type_text(e->type, &name);
	if (!utf8_valid(name.data, name.len))
		buf_clear(&name); /* cut inside a character */
	buf_addf(&text, "Unknown message type: %s", e->type.len ? buf_cstr(&name) : "(none)");
	refuse(conn, e->request_id, buf_cstr(&text));
}

/* A requestId that is too deep itself is not echoed. */
static void refuse_depth(struct conn *conn, const struct envelope *e)
{
	size_t depth = 0;
	if (e->request_id.len)
		(void)json_check(e->request_id, &depth);
	refuse(conn, depth > JSON_MAX_DEPTH ? UNKNOWN_REQUEST : e->request_id,
	       "Invalid data: nested more than 1000 levels deep");
}

/* Answered at once: it isn't behind what waits for the database. */
static bool is_ping(struct slice type)
{
	autobuf name = { 0 };
	return type.len && type.len <= 200 && json_kind_of(type) == JSON_STRING && json_decode(type, &name) &&
	       slice_eq_str(buf_slice(&name), SYNC_PING);
}

static void send_pong(struct conn *conn)
{
	const struct slice text = SLICE_LIT(PONG);
	struct frame_buf *frame = frame_buf_new(FRAME_OP_TEXT, &text, 1, NULL);
	conn_send(conn, frame);
	frame_buf_unref(frame);
}

static const struct message_type *find_type(const struct envelope *e)
{
	autobuf name = { 0 };
	if (!e->type.len || json_kind_of(e->type) != JSON_STRING || e->type.len > 200 || !json_decode(e->type, &name))
		return NULL;
	return message_type_find(buf_slice(&name));
}

static void handle(struct conn *conn, const struct message_type *type, const struct envelope *e, struct buf *message)
{
	autobuf error = { 0 };
	size_t size = message->len;
	const char *refusal = keys_refuse(conn, true, &error);
	if (refusal) {
		refuse(conn, e->request_id, refusal);
		return;
	}
	struct op *op = op_new(type, conn, message, e->data, e->request_id, &error);
	if (!op) {
		refuse(conn, e->request_id, buf_cstr(&error));
		return;
	}
	op->reply = reply_expect(conn, e->request_id, size);
	lane_submit(op);
}

void sync_message(struct conn *conn, const struct frame_event *ev)
{
	struct envelope e = { 0 };
	size_t depth;
	if (!json_check(ev->payload, &depth) || json_kind_of(json_trim(ev->payload)) != JSON_OBJECT) {
		counter_add(&conn->bridge->counts->bad_messages, 1);
		refuse(conn, UNKNOWN_REQUEST, "Invalid JSON");
		return;
	}
	autobuf message = frame_reader_take(&conn->reader, ev);
	read_envelope(buf_slice(&message), &e);
	if (is_ping(e.type)) {
		send_pong(conn);
		return;
	}
	const struct message_type *type = find_type(&e);
	struct counts *counts = conn->bridge->counts;
	counter_add(type ? &counts->messages[message_type_place(type)] : &counts->bad_messages, 1);
	if (depth > JSON_MAX_DEPTH)
		refuse_depth(conn, &e);
	else if (!type)
		refuse_type(conn, &e);
	else if (!e.data.len)
		refuse(conn, e.request_id, "Missing data");
	else if (json_kind_of(e.data) != JSON_OBJECT)
		refuse(conn, e.request_id, "Invalid data: must be an object");
	else
		handle(conn, type, &e, &message);
}
