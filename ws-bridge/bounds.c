/* bounds.c: places, keys, memory, and the counters. */
#include "bounds.h"

#include <malloc.h>
#include <stdlib.h>

#include "conn.h"
#include "lib/log.h"

#define TELL_EVERY_MS 10000
#define TRIM_EVERY_MS 1000
#define RELIEVE_EVERY_MS 100 /* where there is nobody to close */
#define WORTH_TRIMMING (16u << 20)
#define LINES_PER_SECOND 20
#define LINES_AT_ONCE 1000
#define CONNECT_BURST 5		  /* seconds of WS_ADDRESS_CONNECT_RATE that may come at once */
#define WORTH_CLOSING (64u << 10) /* a connection that holds less isn't what fills the memory */

const struct tally_row limit_rows[LIMIT_COUNT] = {
	[LIMIT_WRONG_KEY] = { "wrong_key", "upgrades with a wrong key or none, answered with 401" },
	[LIMIT_WRONG_KEY_RATE] = { "wrong_key_rate", "the same above WRONG_KEY_RATE, answered with 429" },
	[LIMIT_BAD_REQUEST] = { "bad_request", "requests that are no HTTP, or whose head is too long" },
	[LIMIT_HANDSHAKES] = { "handshakes", "connections refused with 503 above WS_MAX_HANDSHAKES" },
	[LIMIT_HANDSHAKE_TIME] = { "handshake_time", "heads that took longer than WS_HANDSHAKE_TIMEOUT" },
	[LIMIT_CONNECTIONS] = { "connections", "upgrades refused with 503 above WS_MAX_CONNECTIONS" },
	[LIMIT_CONNECT_RATE] = { "connect_rate", "upgrades refused with 429 above WS_CONNECT_RATE" },
	[LIMIT_ADDRESS_CONNECTIONS] = { "address_connections",
					"upgrades refused with 429 above WS_ADDRESS_CONNECTIONS" },
	[LIMIT_ADDRESS_RATE] = { "address_rate", "upgrades refused with 429 above WS_ADDRESS_CONNECT_RATE" },
	[LIMIT_MESSAGE_SIZE] = { "message_size", "connections closed with 1009 above WS_MAX_MESSAGE" },
	[LIMIT_MESSAGE_TIME] = { "message_time", "connections closed with 1008 after WS_MESSAGE_TIMEOUT" },
	[LIMIT_MESSAGE_RATE] = { "message_rate", "pauses in reading a connection above WS_MESSAGE_RATE" },
	[LIMIT_PINGS] = { "pings", "connections closed with 1008 above WS_PING_RATE" },
	[LIMIT_REQUESTS] = { "requests", "pauses in reading a connection with WS_MAX_REQUESTS or _REQUEST_BYTES" },
	[LIMIT_QUEUE] = { "queue", "connections closed with 1013 above WS_MAX_QUEUE" },
	[LIMIT_MEMORY] = { "memory", "connections closed with 1013 above WS_MAX_MEMORY" },
	[LIMIT_ADDRESS_MEMORY] = { "address_memory", "connections closed with 1013 above WS_ADDRESS_MEMORY" },
	[LIMIT_SILENT] = { "silent", "connections dropped that missed two pings" },
	[LIMIT_PROTOCOL] = { "protocol", "connections closed for breaking RFC 6455" },
	[LIMIT_HEADER] = { "header", "changes refused whose session's header would pass SESSION_HEADER_MAX" },
	[LIMIT_MESSAGES] = { "messages",
			     "saves refused whose session would have more messages than are stored in one" },
	[LIMIT_KEY_RATE] = { "key_rate", "requests above the rate of a workspace's key, refused" },
	[LIMIT_UNCHECKED] = { "unchecked", "upgrades whose key could not be checked, answered with 503" },
	[LIMIT_JOB_BYTES] = { "job_bytes", "requests to sandboxes beyond the bytes that may wait, refused" },
	[LIMIT_LOG] = { "log_lines", "lines about single clients that were left out of the log" },
};

struct bounds *bounds_new(void)
{
	struct bounds *l = xcalloc(1, sizeof(*l));
	l->peers = xcalloc(1, sizeof(*l->peers));
	peers_init(l->peers);
	return l;
}

void bounds_free(struct bounds *l)
{
	free(l->peers);
	free(l);
}

/* ---- counters ---- */

void bounds_count(struct bridge *bridge, enum limit which)
{
	bridge->bounds->counters[which]++;
}

bool bounds_may_log(struct bridge *bridge)
{
	bool may = bucket_take(&bridge->bounds->lines, LINES_PER_SECOND, LINES_AT_ONCE, uv_now(bridge->loop));
	if (!may)
		bounds_count(bridge, LIMIT_LOG);
	return may;
}

/* After a flood its memory goes back to the system: what lies between small things stays with malloc(3) otherwise. */
static void give_back(struct bounds *l, uint64_t now)
{
	size_t held = l->bytes + frame_buf_bytes();
	l->most = held > l->most ? held : l->most;
	if (l->most - held < WORTH_TRIMMING || now - l->trim_at < TRIM_EVERY_MS)
		return;
	l->trim_at = now;
	l->most = held;
	(void)malloc_trim(0);
}

void bounds_tick(struct bridge *bridge, uint64_t now)
{
	struct bounds *l = bridge->bounds;
	give_back(l, now);
	autobuf line = { 0 };
	if (now - l->told_at < TELL_EVERY_MS || !tally_add(&line, limit_rows, LIMIT_COUNT, l->counters, l->told))
		return;
	l->told_at = now;
	log_warn(NULL, "limits:%s", buf_cstr(&line));
}

/* ---- places ---- */

static struct peer *peer_of(struct conn *conn)
{
	struct slice text = conn->hs.real_ip;
	uint64_t key;
	return peer_key(text, &key) ? peers_find(conn->bridge->bounds->peers, key, uv_now(conn->bridge->loop)) : NULL;
}

static bool within_rate(struct bucket *b, int64_t rate, double burst, uint64_t now)
{
	return !rate || bucket_take(b, (double)rate, (double)rate * burst, now);
}

static const char *refuse(struct conn *conn, enum limit which, uint16_t *status, uint16_t with, const char *text)
{
	bounds_count(conn->bridge, which);
	*status = with;
	return text;
}

const char *bounds_admit(struct conn *conn, uint16_t *status)
{
	struct bridge *b = conn->bridge;
	const struct conf *conf = &b->conf;
	struct peer *peer = peer_of(conn);
	uint64_t now = uv_now(b->loop);
	if (b->client_count >= (size_t)conf->ws_max_connections)
		return refuse(conn, LIMIT_CONNECTIONS, status, 503, "Too many connections, try again later");
	if (peer && conf->ws_address_connections && peer->connections >= (uint64_t)conf->ws_address_connections)
		return refuse(conn, LIMIT_ADDRESS_CONNECTIONS, status, 429,
			      "Too many connections from your address, close some");
	if (peer && !within_rate(&peer->connects, conf->ws_address_connect_rate, CONNECT_BURST, now))
		return refuse(conn, LIMIT_ADDRESS_RATE, status, 429,
			      "Too many new connections from your address, try again later");
	if (!within_rate(&b->bounds->connects, conf->ws_connect_rate, 1, now))
		return refuse(conn, LIMIT_CONNECT_RATE, status, 429, "Too many new connections, try again later");
	conn->has_place = true;
	b->client_count++;
	conn->peer = peer;
	if (peer)
		peer->connections++;
	return NULL;
}

void bounds_leave(struct conn *conn)
{
	bounds_hold(conn, 0);
	if (!conn->has_place)
		return;
	conn->has_place = false;
	conn->bridge->client_count--;
	if (conn->peer)
		conn->peer->connections--;
	conn->peer = NULL;
}

const char *bounds_wrong_key(struct conn *conn, uint16_t *status)
{
	struct bridge *b = conn->bridge;
	struct peer *peer = b->conf.wrong_key_rate ? peer_of(conn) : NULL;
	double rate = (double)b->conf.wrong_key_rate;
	if (peer && !bucket_take(&peer->failures, rate / 60, rate, uv_now(b->loop)))
		return refuse(
			conn, LIMIT_WRONG_KEY_RATE, status, 429,
			"Unauthorized, and too many attempts with a wrong key from your address: try again later");
	return refuse(conn, LIMIT_WRONG_KEY, status, 401, "Unauthorized");
}

bool bounds_may_try(struct conn *conn)
{
	struct bridge *b = conn->bridge;
	const struct peer *peer = b->conf.wrong_key_rate ? peer_of(conn) : NULL;
	struct bucket failures = peer ? peer->failures : (struct bucket){ 0 };
	double rate = (double)b->conf.wrong_key_rate;
	return !peer || bucket_take(&failures, rate / 60, rate, uv_now(b->loop));
}

/* ---- memory ---- */

void bounds_add_bytes(struct bridge *bridge, size_t bytes)
{
	bridge->bounds->bytes += bytes;
}

void bounds_remove_bytes(struct bridge *bridge, size_t bytes)
{
	bridge->bounds->bytes -= bytes;
}

static bool holds_too_much(const struct conn *conn)
{
	uint64_t most = (uint64_t)conn->bridge->conf.ws_address_memory;
	return most && conn->peer && conn->peer->bytes > most;
}

void bounds_hold(struct conn *conn, size_t bytes)
{
	struct bounds *l = conn->bridge->bounds;
	l->bytes += bytes - conn->held;
	if (conn->peer)
		conn->peer->bytes += bytes - conn->held;
	if (bytes > conn->held && holds_too_much(conn))
		l->crowded = true;
	conn->held = bytes;
}

/* What would be free without it, as far as nobody else has it too. */
static size_t weight(const struct conn *conn)
{
	return conn->state == CONN_OPEN ? conn->held + conn->out.bytes + conn->replies.held : 0;
}

static bool weighs_more(const struct conn *a, const struct conn *b)
{
	uint64_t peer_a = a->peer ? a->peer->bytes : a->held, peer_b = b->peer ? b->peer->bytes : b->held;
	return peer_a == peer_b ? weight(a) > weight(b) : peer_a > peer_b;
}

static struct conn *heaviest(struct bridge *bridge)
{
	struct conn *conn, *most = NULL;
	TAILQ_FOREACH(conn, &bridge->conns, link)
	{
		if (weight(conn) >= WORTH_CLOSING && (!most || weighs_more(conn, most)))
			most = conn;
	}
	return most;
}

static void relieve_all(struct bridge *bridge)
{
	struct bounds *l = bridge->bounds;
	uint64_t now = uv_now(bridge->loop);
	struct conn *conn = now >= l->relieve_at ? heaviest(bridge) : NULL;
	if (!conn) {
		l->relieve_at = now >= l->relieve_at ? now + RELIEVE_EVERY_MS : l->relieve_at;
		return;
	}
	bounds_count(bridge, LIMIT_MEMORY);
	conn_cut_off(conn, FRAME_CLOSE_TRY_LATER, "the server is short of memory, try again later", true);
}

static void relieve_address(struct bridge *bridge)
{
	struct conn *conn = heaviest(bridge);
	bridge->bounds->crowded = conn && holds_too_much(conn);
	if (!bridge->bounds->crowded)
		return;
	bounds_count(bridge, LIMIT_ADDRESS_MEMORY);
	conn_cut_off(conn, FRAME_CLOSE_TRY_LATER, "too much is under way from your address, try again later", true);
}

void bounds_relieve(struct bridge *bridge)
{
	struct bounds *l = bridge->bounds;
	if (l->bytes + frame_buf_bytes() > (uint64_t)bridge->conf.ws_max_memory)
		relieve_all(bridge);
	else if (l->crowded)
		relieve_address(bridge);
}
