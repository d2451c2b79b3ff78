/* conn.c: one client's socket. */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bounds.h"
#include "counts.h"
#include "lib/log.h"
#include "packs.h"
#include "room.h"
#include "sandbox_room.h"
#include "sync.h"
#include "turns.h"
#include "upgrade.h"

#define READ_SIZE 65536
/* A client closed for slowness, or in the middle of a big message, gets more time. */
#define SLOW_CLOSE_LIMIT_MS 30000
#define BATCH_FRAMES 64
/* With more than this queued a client is sent no further events, and read no further. */
#define EVENT_QUEUE (1u << 20)
#define TURN_FRAMES 64 /* frames of one connection before others have their turn */
#define PING_BURST 10  /* seconds of WS_PING_RATE that may come at once */

static void on_poll(uv_poll_t *poll, int status, int events);
static void watch(struct conn *conn);
static void feed(struct conn *conn, uint8_t *data, size_t len);

/* Its part of the memory for what was received. */
static void weigh(struct conn *conn)
{
	if (conn->state != CONN_DEAD)
		bounds_hold(conn, conn->in.cap + frame_reader_memory(&conn->reader));
}

/* ---- life ---- */

void conn_new(struct bridge *bridge, int fd)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));
	conn->bridge = bridge;
	conn->fd = fd;
	conn->refs = 1;
	conn->serial = ++bridge->next_serial;
	conn->since = conn->last_heard = conn->rate_at = conn->progress_at = uv_now(bridge->loop);
	conn->rate_tokens = (double)bridge->conf.ws_message_rate;
	conn->since_seq = -1;
	replies_init(&conn->replies);
	TAILQ_INIT(&conn->backlog);
	if (uv_poll_init(bridge->loop, &conn->poll, fd) != 0) {
		(void)close(fd);
		free(conn);
		return;
	}
	conn->poll.data = conn;
	TAILQ_INSERT_TAIL(&bridge->conns, conn, link);
	bridge->conn_count++;
	watch(conn);
}

struct conn *conn_ref(struct conn *conn)
{
	conn->refs++;
	return conn;
}

void conn_unref(struct conn *conn)
{
	if (--conn->refs)
		return;
	replies_free(&conn->replies);
	sandbox_client_free(conn->sandbox);
	free(conn->client);
	free(conn->want_epoch);
	free(conn);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;
	(void)close(conn->fd);
	conn_unref(conn);
}

void conn_kill(struct conn *conn)
{
	if (conn->state == CONN_DEAD)
		return;
	if (conn->close_code)
		counts_close(conn->bridge, conn->close_code);
	if (conn->close_code && bounds_may_log(conn->bridge))
		log_info(conn->request_id, "client %llu disconnected: %u", (unsigned long long)conn->serial,
			 conn->close_code);
	hub_leave(conn);
	bounds_leave(conn);
	keys_leave(conn);
	conn->state = CONN_DEAD;
	outq_drop(&conn->out, 0);
	buf_free(&conn->in);
	frame_reader_free(&conn->reader);
	if (conn->dirty)
		TAILQ_REMOVE(&conn->bridge->dirty, conn, dirty_link);
	conn->dirty = false;
	packs_leave(conn);
	turns_leave(conn);
	TAILQ_REMOVE(&conn->bridge->conns, conn, link);
	conn->bridge->conn_count--;
	uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
}

static void heard(struct conn *conn)
{
	conn->last_heard = uv_now(conn->bridge->loop);
	conn->pings = 0;
}

/* ---- what is watched ---- */

static void watch(struct conn *conn)
{
	int events = 0;
	if (!conn->paused || conn->state == CONN_CLOSING)
		events |= UV_READABLE;
	if (outq_is_ready(&conn->out))
		events |= UV_WRITABLE;
	/* libuv takes a descriptor out of epoll and puts it in again, whatever is asked. */
	if (events == conn->watched)
		return;
	conn->watched = events;
	if (events)
		(void)uv_poll_start(&conn->poll, events, on_poll);
	else
		(void)uv_poll_stop(&conn->poll);
}

void conn_pause(struct conn *conn, enum conn_pause why)
{
	bool was = conn->paused;
	conn->paused |= (uint8_t)why;
	if (!was && (conn->state == CONN_OPEN || conn->state == CONN_JOINING))
		watch(conn);
}

void conn_resume(struct conn *conn, enum conn_pause why)
{
	if (!(conn->paused & why))
		return;
	conn->paused &= (uint8_t)~why;
	if (conn->paused || conn->state != CONN_OPEN)
		return;
	struct buf held = conn->in;
	conn->in = (struct buf){ 0 };
	feed(conn, (uint8_t *)held.data, held.len);
	buf_free(&held);
	weigh(conn);
	if (conn->state != CONN_DEAD)
		watch(conn);
}

/* ---- sending ---- */

void conn_mark_dirty(struct conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	TAILQ_INSERT_TAIL(&conn->bridge->dirty, conn, dirty_link);
}

static void enqueue(struct conn *conn, struct frame_buf *frame)
{
	outq_add(&conn->out, frame);
	conn_mark_dirty(conn);
}

bool conn_has_room(const struct conn *conn)
{
	size_t limit = (size_t)conn->bridge->conf.ws_max_queue / 4;
	return conn->out.bytes <= (limit < EVENT_QUEUE ? limit : EVENT_QUEUE);
}

void conn_close_slow(struct conn *conn)
{
	bounds_count(conn->bridge, LIMIT_QUEUE);
	if (bounds_may_log(conn->bridge))
		log_info(conn->request_id, "client %llu is too slow: %zu bytes queued, %zu behind",
			 (unsigned long long)conn->serial, conn->out.bytes + conn->replies.held, conn->lag);
	conn_close(conn, FRAME_CLOSE_TRY_LATER, "too slow", true);
}

void conn_send(struct conn *conn, struct frame_buf *frame)
{
	if (conn->state != CONN_OPEN)
		return;
	enqueue(conn, frame);
	if (!conn_has_room(conn))
		conn_pause(conn, PAUSE_QUEUE);
	/* The frame that is being sent doesn't count: one message may be bigger than the queue. */
	if (outq_waiting(&conn->out) > (size_t)conn->bridge->conf.ws_max_queue)
		conn_close_slow(conn);
}

void conn_drained(struct conn *conn)
{
	if (conn->state != CONN_CLOSING)
		return;
	if (conn->peer_closed) {
		conn_kill(conn);
	} else if (conn->half_close && !conn->lingering && !conn->fin_sent) {
		/* Closing with unread bytes could take our last words from the peer: it gets an end of file first. */
		conn->fin_sent = true;
		(void)shutdown(conn->fd, SHUT_WR);
	}
}

static void flush(struct conn *conn)
{
	while (outq_is_ready(&conn->out)) {
		struct iovec iov[BATCH_FRAMES];
		struct msghdr msg = { .msg_iov = iov,
				      .msg_iovlen = (size_t)outq_gather(&conn->out, iov, BATCH_FRAMES) };
		ssize_t n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
			break;
		if (n < 0) {
			conn_kill(conn);
			return;
		}
		/* Its pongs lie behind what we don't read while it is backed up: taking data is its sign of life then.
		 */
		if (!conn_has_room(conn))
			heard(conn);
		counter_add(&conn->bridge->counts->sent_bytes, (uint64_t)n);
		conn->greeting = conn->greeting && (size_t)n < iov[0].iov_len;
		outq_sent(&conn->out, (size_t)n);
	}
	if (conn->out.count == 0)
		conn_drained(conn);
	if (conn->state == CONN_DEAD)
		return;
	if (conn->out.count && !outq_is_ready(&conn->out))
		packs_wait(conn);
	watch(conn);
	if (conn->state == CONN_OPEN && conn_has_room(conn)) {
		hub_drained(conn);
		conn_resume(conn, PAUSE_QUEUE);
	}
}

void conn_flush_dirty(struct bridge *bridge)
{
	struct conn *conn;
	while ((conn = TAILQ_FIRST(&bridge->dirty))) {
		TAILQ_REMOVE(&bridge->dirty, conn, dirty_link);
		conn->dirty = false;
		flush(conn);
	}
}

/* ---- ending ---- */

static void enter_closing(struct conn *conn)
{
	hub_leave(conn);
	conn->state = CONN_CLOSING;
	conn->since = uv_now(conn->bridge->loop);
	buf_free(&conn->in);
	weigh(conn);
}

/* The rest of a message is still coming: if we ended now, nginx would drop the connection and our Close. */
static void linger(struct conn *conn, uint64_t limit)
{
	conn->half_close = true;
	conn->lingering = true;
	conn->since = uv_now(conn->bridge->loop) + limit - CLOSE_LIMIT_MS;
}

void conn_close(struct conn *conn, uint16_t code, const char *reason, bool discard)
{
	if (conn->state == CONN_JOINING) {
		conn_refuse(conn, 503, "The server is restarting, try again");
		return;
	}
	if (conn->state != CONN_OPEN)
		return;
	/* A frame that went out in part must go out whole, and so must the 101: what follows would not be understood
	 * otherwise. */
	if (discard && conn->out.count)
		outq_drop(&conn->out, conn->out.offset || conn->greeting ? 1 : 0);
	struct frame_buf *frame = frame_buf_close(code, reason);
	enqueue(conn, frame);
	frame_buf_unref(frame);
	enter_closing(conn);
	conn->close_code = code;
	if (discard)
		conn->since += SLOW_CLOSE_LIMIT_MS - CLOSE_LIMIT_MS;
}

void conn_cut_off(struct conn *conn, uint16_t code, const char *reason, bool discard)
{
	conn_close(conn, code, reason, discard);
	if (conn->state != CONN_CLOSING)
		return;
	frame_reader_free(&conn->reader);
	weigh(conn);
	linger(conn, discard ? SLOW_CLOSE_LIMIT_MS : CLOSE_LIMIT_MS);
}

/* Only those that had a right key and a place get a line each. */
static void log_refusal(const struct conn *conn, uint16_t status, const char *text)
{
	if (!conn->has_place)
		log_debug(conn->request_id, "upgrade refused: %u %s", status, text);
	else if (bounds_may_log(conn->bridge))
		log_info(conn->request_id, "upgrade refused: %u %s", status, text);
}

void conn_refuse(struct conn *conn, uint16_t status, const char *text)
{
	autobuf response = { 0 };
	handshake_error(&response, status, text);
	struct frame_buf *frame = frame_buf_raw(buf_slice(&response));
	enqueue(conn, frame);
	frame_buf_unref(frame);
	log_refusal(conn, status, text);
	counter_add(&conn->bridge->counts->refused, 1);
	enter_closing(conn);
	conn->half_close = true;
}

void conn_accept(struct conn *conn)
{
	autobuf response = { 0 };
	if (!handshake_accept(&conn->hs, &response)) {
		conn_refuse(conn, 500, "Internal error");
		return;
	}
	struct frame_buf *frame = frame_buf_raw(buf_slice(&response));
	enqueue(conn, frame);
	frame_buf_unref(frame);
	conn->greeting = true;
	conn->close_code = FRAME_CLOSE_ABNORMAL;
	counter_add(&conn->bridge->counts->accepted, 1);
	conn->state = CONN_OPEN;
	conn->since = uv_now(conn->bridge->loop);
	/* A broadcast is compressed once, with the full window: who wants a smaller one gets none compressed. */
	conn->deflate = conn->hs.deflate && (!conn->hs.deflate_window || conn->hs.deflate_window == 15);
	frame_reader_init(&conn->reader, (size_t)conn->bridge->conf.ws_max_message, conn->hs.deflate);
	buf_drop_front(&conn->in, conn->hs.head_len);
	conn->hs = (struct handshake){ 0 };
	struct slice name = room_name(conn->room);
	if (!bounds_may_log(conn->bridge))
		return;
	log_info(conn->request_id, "client %llu connected to %s %.*s", (unsigned long long)conn->serial,
		 conn->room->type->noun, (int)name.len, name.ptr);
}

/* ---- receiving ---- */

static void send_pong(struct conn *conn, struct slice payload)
{
	struct frame_buf *frame = frame_buf_new(FRAME_OP_PONG, &payload, 1, NULL);
	conn_send(conn, frame);
	frame_buf_unref(frame);
}

static void on_close_frame(struct conn *conn, const struct frame_event *ev)
{
	conn->peer_closed = true;
	if (conn->state == CONN_OPEN)
		conn_close(conn, ev->code, "", false);
	if (conn->out.count == 0)
		conn_kill(conn);
}

static void on_failure(struct conn *conn, const struct frame_event *ev)
{
	bool too_big = ev->code == FRAME_CLOSE_TOO_BIG;
	bounds_count(conn->bridge, too_big ? LIMIT_MESSAGE_SIZE : LIMIT_PROTOCOL);
	if (bounds_may_log(conn->bridge))
		log_info(conn->request_id, "client %llu broke the protocol: %u %s", (unsigned long long)conn->serial,
			 ev->code, ev->reason);
	conn_close(conn, ev->code, ev->reason, false);
	conn->half_close = true;
	if (too_big)
		linger(conn, SLOW_CLOSE_LIMIT_MS);
}

static void take_token(struct conn *conn)
{
	if (!conn->bridge->conf.ws_message_rate)
		return;
	conn->rate_tokens -= 1;
	if (conn->rate_tokens >= 1)
		return;
	bounds_count(conn->bridge, LIMIT_MESSAGE_RATE);
	conn_pause(conn, PAUSE_RATE);
}

static void on_ping(struct conn *conn, const struct frame_event *ev)
{
	double rate = (double)conn->bridge->conf.ws_ping_rate;
	take_token(conn);
	if (rate <= 0 || bucket_take(&conn->pings_received, rate, rate * PING_BURST, uv_now(conn->bridge->loop))) {
		send_pong(conn, ev->payload);
		return;
	}
	bounds_count(conn->bridge, LIMIT_PINGS);
	conn_cut_off(conn, FRAME_CLOSE_POLICY, "too many pings", false);
}

static void on_event(struct conn *conn, const struct frame_event *ev)
{
	switch (ev->kind) {
	case FRAME_TEXT:
		take_token(conn);
		conn->sandbox ? sandbox_received(conn, ev) : sync_message(conn, ev);
		break;
	case FRAME_PING:
		on_ping(conn, ev);
		break;
	case FRAME_CLOSE:
		on_close_frame(conn, ev);
		break;
	case FRAME_FAIL:
		on_failure(conn, ev);
		break;
	case FRAME_NONE:
	case FRAME_BUSY:
	case FRAME_BINARY:
	case FRAME_PONG:
		break;
	}
}

static void feed(struct conn *conn, uint8_t *data, size_t len)
{
	struct frame_event ev = { 0 };
	unsigned frames = 0;
	do {
		if (conn->paused && conn->state == CONN_OPEN) {
			buf_add(&conn->in, data, len);
			return;
		}
		size_t n = frame_reader_feed(&conn->reader, data, len, &ev);
		data += n;
		len -= n;
		if (conn->state == CONN_OPEN || ev.kind == FRAME_CLOSE)
			on_event(conn, &ev);
		if (ev.kind == FRAME_BUSY || ++frames == TURN_FRAMES)
			turns_wait(conn);
	} while (ev.kind != FRAME_NONE && conn->state != CONN_DEAD);
}

static void received(struct conn *conn, uint8_t *data, size_t len)
{
	heard(conn);
	switch (conn->state) {
	case CONN_HTTP:
		/* Frames that come with the head stay in the buffer until the 101 was sent. */
		buf_add(&conn->in, data, len);
		upgrade_received(conn);
		break;
	case CONN_OPEN:
	case CONN_CLOSING:
		if (!conn->half_close)
			feed(conn, data, len);
		break;
	case CONN_JOINING:
	case CONN_DEAD:
		break;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	static uint8_t data[READ_SIZE];
	struct conn *conn = poll->data;
	if (status < 0) {
		conn_kill(conn);
		return;
	}
	if (events & UV_READABLE) {
		ssize_t n = recv(conn->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n > 0) {
			conn->progress += (size_t)n;
			counter_add(&conn->bridge->counts->received_bytes, (uint64_t)n);
			received(conn, data, (size_t)n);
			weigh(conn);
		} else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
			conn_kill(conn);
			return;
		}
	}
	if ((events & UV_WRITABLE) && conn->state != CONN_DEAD)
		conn_mark_dirty(conn);
}
