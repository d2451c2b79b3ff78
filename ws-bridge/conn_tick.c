/* conn_tick.c: what becomes of a connection as time goes by: pings, rates, and those that are too slow. */
#include "bounds.h"
#include "conn.h"
#include "lib/log.h"

#define QUIET_MS 250 /* of a client that was told 1009: then what it was sending is through */
#define PINGS_MISSED 2
#define PROGRESS 16384 /* bytes that a message has to get further in WS_MESSAGE_TIMEOUT */
#define SLOW_MS 300    /* how long a client may be beyond WS_MAX_QUEUE: a burst isn't slowness */

static void ping(struct conn *conn, uint64_t now)
{
	if (conn->pings >= PINGS_MISSED) {
		bounds_count(conn->bridge, LIMIT_SILENT);
		if (bounds_may_log(conn->bridge))
			log_info(conn->request_id, "client %llu doesn't answer pings",
				 (unsigned long long)conn->serial);
		conn_kill(conn);
		return;
	}
	struct frame_buf *frame = frame_buf_new(FRAME_OP_PING, NULL, 0, NULL);
	conn_send(conn, frame);
	frame_buf_unref(frame);
	/* last_heard is when the next ping's time starts to run. */
	conn->pings++;
	conn->last_heard = now;
}

static void refill_rate(struct conn *conn, uint64_t now)
{
	double rate = (double)conn->bridge->conf.ws_message_rate;
	conn->rate_tokens += rate * (double)(now - conn->rate_at) / 1000;
	conn->rate_at = now;
	if (conn->rate_tokens > rate)
		conn->rate_tokens = rate;
	if (conn->rate_tokens >= 1)
		conn_resume(conn, PAUSE_RATE);
}

/* Has it been unable to keep up for a while? */
static bool is_slow(struct conn *conn, uint64_t now)
{
	if (outq_waiting(&conn->out) + conn->replies.held + conn->lag <= (size_t)conn->bridge->conf.ws_max_queue)
		conn->slow_since = 0;
	else if (!conn->slow_since)
		conn->slow_since = now;
	return conn->slow_since && now - conn->slow_since >= SLOW_MS;
}

/* Is a message under way that has hardly got on for so long that somebody must mean it? While we don't read it that is
 * our doing. */
static bool is_stalled(struct conn *conn, uint64_t now)
{
	if (conn->paused || conn->progress >= PROGRESS || frame_reader_is_idle(&conn->reader)) {
		conn->progress = 0;
		conn->progress_at = now;
	}
	return now - conn->progress_at >= (uint64_t)conn->bridge->conf.ws_message_timeout;
}

static void tick_open(struct conn *conn, uint64_t now)
{
	if (is_stalled(conn, now)) {
		bounds_count(conn->bridge, LIMIT_MESSAGE_TIME);
		conn_cut_off(conn, FRAME_CLOSE_POLICY, "the message came too slowly", false);
		return;
	}
	if (is_slow(conn, now)) {
		conn_close_slow(conn);
		return;
	}
	if (conn->bridge->conf.ws_message_rate)
		refill_rate(conn, now);
	if (now > (uint64_t)conn->bridge->conf.ws_db_timeout)
		replies_give_up(conn, now - (uint64_t)conn->bridge->conf.ws_db_timeout);
	if (now - conn->last_heard >= (uint64_t)conn->bridge->conf.ws_ping_interval && conn->state == CONN_OPEN)
		ping(conn, now);
}

static void end_lingering(struct conn *conn)
{
	conn->lingering = false;
	if (conn->out.count == 0)
		conn_drained(conn);
}

static void tick(struct conn *conn, uint64_t now)
{
	uint64_t age = now > conn->since ? now - conn->since : 0;
	switch (conn->state) {
	case CONN_HTTP:
		if (age <= (uint64_t)conn->bridge->conf.ws_handshake_timeout)
			break;
		bounds_count(conn->bridge, LIMIT_HANDSHAKE_TIME);
		conn_refuse(conn, 408, "The request took too long to arrive");
		break;
	case CONN_JOINING:
		if (age > (uint64_t)conn->bridge->conf.ws_db_timeout)
			conn_refuse(conn, 503, "Database unavailable, try again");
		break;
	case CONN_OPEN:
		tick_open(conn, now);
		break;
	case CONN_CLOSING:
		if (age > CLOSE_LIMIT_MS)
			conn_kill(conn);
		else if (conn->lingering && now - conn->last_heard >= QUIET_MS)
			end_lingering(conn);
		break;
	case CONN_DEAD:
		break;
	}
}

void conn_tick(struct bridge *bridge, uint64_t now)
{
	struct conn *conn, *next;
	for (conn = TAILQ_FIRST(&bridge->conns); conn; conn = next) {
		next = TAILQ_NEXT(conn, link);
		tick(conn, now);
	}
}
