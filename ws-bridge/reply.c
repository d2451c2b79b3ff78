/* reply.c: answers in order. */
#include "reply.h"

#include <stdlib.h>

#include "bounds.h"
#include "conn.h"
#include "counts.h"
#include "lib/json.h"

void replies_init(struct replies *r)
{
	*r = (struct replies){ 0 };
	STAILQ_INIT(&r->list);
}

static void reply_free(struct reply *reply)
{
	buf_free(&reply->request_id);
	if (reply->frame)
		frame_buf_unref(reply->frame);
	free(reply);
}

void replies_free(struct replies *r)
{
	struct reply *reply;
	while ((reply = STAILQ_FIRST(&r->list))) {
		STAILQ_REMOVE_HEAD(&r->list, link);
		reply_free(reply);
	}
	*r = (struct replies){ 0 };
	STAILQ_INIT(&r->list);
}

void replies_bound(struct conn *conn, size_t requests, size_t bytes)
{
	const struct conf *conf = &conn->bridge->conf;
	size_t most = (size_t)conf->ws_max_requests, most_bytes = (size_t)conf->ws_max_request_bytes;
	if (requests >= most || bytes >= most_bytes) {
		if (!(conn->paused & PAUSE_REPLIES))
			bounds_count(conn->bridge, LIMIT_REQUESTS);
		conn_pause(conn, PAUSE_REPLIES);
	} else if (requests <= most / 2 && bytes <= most_bytes / 2) {
		conn_resume(conn, PAUSE_REPLIES);
	}
}

struct reply *reply_expect(struct conn *conn, struct slice request_id, size_t cost)
{
	struct reply *reply = xcalloc(1, sizeof(*reply));
	buf_add_slice(&reply->request_id, request_id);
	reply->cost = cost;
	STAILQ_INSERT_TAIL(&conn->replies.list, reply, link);
	conn->replies.count++;
	conn->replies.bytes += cost;
	replies_bound(conn, conn->replies.count, conn->replies.bytes);
	return reply;
}

static bool may_leave(const struct conn *conn, const struct reply *reply)
{
	return reply->frame && reply->wait_seq <= conn->pos;
}

/* Sends what is complete at the head of the row. */
static void send_ready(struct conn *conn)
{
	struct replies *r = &conn->replies;
	struct reply *reply;
	while ((reply = STAILQ_FIRST(&r->list)) && may_leave(conn, reply)) {
		STAILQ_REMOVE_HEAD(&r->list, link);
		r->count--;
		r->waiting -= reply->wait_seq ? 1 : 0;
		r->held -= reply->frame->weight;
		conn_send(conn, reply->frame);
		reply_free(reply);
	}
	replies_bound(conn, r->count, r->bytes);
}

static void complete(struct conn *conn, struct reply *reply, struct frame_buf *frame)
{
	reply->frame = frame;
	conn->replies.held += frame->weight;
	conn->replies.bytes -= reply->cost;
	reply->cost = 0;
	send_ready(conn);
}

static void begin(struct buf *text, const struct reply *reply)
{
	buf_add_str(text, "{\"type\":\"response\"");
	if (reply->request_id.len) {
		buf_add_str(text, ",\"requestId\":");
		buf_add_slice(text, buf_slice(&reply->request_id));
	}
}

static struct frame_buf *text_frame(const struct conn *conn, const struct buf *text)
{
	struct slice whole = buf_slice(text);
	return frame_buf_new(FRAME_OP_TEXT, &whole, 1, conn->deflate ? conn->bridge->packer : NULL);
}

void reply_data(struct conn *conn, struct reply *reply, struct slice data, int64_t seq)
{
	autobuf text = { 0 };
	counter_add(&conn->bridge->counts->replies, 1);
	begin(&text, reply);
	buf_add_str(&text, ",\"data\":");
	buf_add_slice(&text, data);
	if (conn->since_seq >= 0 && seq) {
		buf_add_str(&text, ",\"seq\":");
		buf_add_i64(&text, seq);
		reply->wait_seq = seq;
		reply->waits_since = uv_now(conn->bridge->loop);
		conn->replies.waiting++;
	}
	buf_add_char(&text, '}');
	complete(conn, reply, text_frame(conn, &text));
}

static struct frame_buf *error_frame(const struct conn *conn, const struct reply *reply, const char *error)
{
	autobuf text = { 0 };
	begin(&text, reply);
	buf_add_str(&text, ",\"error\":");
	json_encode(&text, slice_of(error));
	buf_add_char(&text, '}');
	return text_frame(conn, &text);
}

void reply_error(struct conn *conn, struct reply *reply, const char *error)
{
	counter_add(&conn->bridge->counts->errors, 1);
	complete(conn, reply, error_frame(conn, reply, error));
}

void replies_advance(struct conn *conn)
{
	if (conn->replies.waiting)
		send_ready(conn);
}

/* Its number must not be told before those below it: the client would resume behind events that it never got. */
#define APPLIED                                                                                                        \
	"This change was applied, but the database went away before its place among the others was known: reload to "  \
	"see it"

void replies_give_up(struct conn *conn, uint64_t since)
{
	struct replies *r = &conn->replies;
	struct reply *reply;
	if (!r->waiting)
		return;
	STAILQ_FOREACH(reply, &r->list, link)
	{
		if (!reply->wait_seq || reply->wait_seq <= conn->pos || reply->waits_since >= since)
			continue;
		r->held -= reply->frame->weight;
		frame_buf_unref(reply->frame);
		reply->frame = error_frame(conn, reply, APPLIED);
		r->held += reply->frame->weight;
		reply->wait_seq = 0;
		r->waiting--;
	}
	send_ready(conn);
}
