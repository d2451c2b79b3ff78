/* counts.c: the table of metrics, and their text. */
#include "counts.h"

#include "bounds.h"
#include "conn.h"
#include "lane.h"
#include "room.h"

/* In the order in which they are told. */
enum {
	M_CONNECTIONS,
	M_HANDSHAKES,
	M_CONNECTIONS_MAX,
	M_ACCEPTED,
	M_REFUSED,
	M_DISCONNECTS,
	M_MESSAGES,
	M_MESSAGE_SECONDS,
	M_SANDBOX_REQUESTS,
	M_REPLIES,
	M_COMMIT_SECONDS,
	M_BATCH_SIZE,
	M_BATCH_FAILURES,
	M_QUEUE_REQUESTS,
	M_QUEUE_BYTES,
	M_EVENTS,
	M_FANOUT_FRAMES,
	M_FANOUT_BYTES,
	M_FANOUT_LISTENERS,
	M_LOG_PAGES,
	M_LOG_BYTES,
	M_LOG_BYTES_MAX,
	M_STREAM_BYTES,
	M_STREAM_BYTES_MAX,
	M_ROOMS,
	M_RING_BYTES,
	M_SEND_QUEUE,
	M_SEND_QUEUE_MAX,
	M_HELD_BYTES,
	M_HELD_BYTES_MAX,
	M_RECEIVED_BYTES,
	M_SENT_BYTES,
	M_LIMITS,
	M_DRAINING
};

/* clang-format off */
static const struct metric metrics[] = {
	[M_CONNECTIONS] = { "craft_ws_connections", METRIC_GAUGE, "Clients that are connected" },
	[M_HANDSHAKES] = { "craft_ws_handshakes", METRIC_GAUGE, "Connections that are not let in yet, or refused and not gone yet" },
	[M_CONNECTIONS_MAX] = { "craft_ws_connections_max", METRIC_GAUGE, "WS_MAX_CONNECTIONS" },
	[M_ACCEPTED] = { "craft_ws_accepted_total", METRIC_COUNTER, "Upgrades that were let in" },
	[M_REFUSED] = { "craft_ws_refused_total", METRIC_COUNTER, "Upgrades that were answered with an HTTP error" },
	[M_DISCONNECTS] = { "craft_ws_disconnects_total", METRIC_COUNTER, "Clients that went, by the close code that was sent last; 1006: none" },
	[M_MESSAGES] = { "craft_ws_messages_total", METRIC_COUNTER, "Messages of workspaces' clients by type, refused ones too" },
	[M_MESSAGE_SECONDS] = { "craft_ws_message_seconds", METRIC_HISTOGRAM, "From a message's arrival until its change was committed, or refused by its function" },
	[M_SANDBOX_REQUESTS] = { "craft_ws_sandbox_requests_total", METRIC_COUNTER, "Messages of sandboxes' clients by kind" },
	[M_REPLIES] = { "craft_ws_replies_total", METRIC_COUNTER, "Answers to messages of workspaces' clients" },
	[M_COMMIT_SECONDS] = { "craft_ws_commit_seconds", METRIC_HISTOGRAM, "From the sending of a transaction until its commit" },
	[M_BATCH_SIZE] = { "craft_ws_batch_size", METRIC_HISTOGRAM, "Changes in one transaction" },
	[M_BATCH_FAILURES] = { "craft_ws_batch_failures_total", METRIC_COUNTER, "Transactions that rolled back (their changes were tried singly), or whose outcome was lost with the connection" },
	[M_QUEUE_REQUESTS] = { "craft_ws_queue_requests", METRIC_GAUGE, "Changes that wait for the database or are there" },
	[M_QUEUE_BYTES] = { "craft_ws_queue_bytes", METRIC_GAUGE, "Bytes of their messages" },
	[M_EVENTS] = { "craft_ws_events_total", METRIC_COUNTER, "Events that were given to the listeners of their workspace or sandbox" },
	[M_FANOUT_FRAMES] = { "craft_ws_fanout_frames_total", METRIC_COUNTER, "Frames that were queued for listeners, those that catch up too" },
	[M_FANOUT_BYTES] = { "craft_ws_fanout_bytes_total", METRIC_COUNTER, "Bytes of them" },
	[M_FANOUT_LISTENERS] = { "craft_ws_fanout_listeners", METRIC_HISTOGRAM, "Listeners of an event" },
	[M_LOG_PAGES] = { "craft_ws_log_pages_total", METRIC_COUNTER, "Reads of a log: for those that catch up, and of other bridges' changes" },
	[M_LOG_BYTES] = { "craft_ws_change_log_bytes", METRIC_GAUGE, "Changes that the database keeps of the workspace that has the most, a minute ago at most" },
	[M_LOG_BYTES_MAX] = { "craft_ws_change_log_bytes_max", METRIC_GAUGE, "CHANGE_LOG_BYTES" },
	[M_STREAM_BYTES] = { "craft_ws_sandbox_stream_bytes", METRIC_GAUGE, "The same of the messages of a workspace's sandboxes" },
	[M_STREAM_BYTES_MAX] = { "craft_ws_sandbox_stream_bytes_max", METRIC_GAUGE, "SANDBOX_STREAM_BYTES" },
	[M_ROOMS] = { "craft_ws_rooms", METRIC_GAUGE, "Workspaces and sandboxes with listeners, or that had some a minute ago" },
	[M_RING_BYTES] = { "craft_ws_ring_bytes", METRIC_GAUGE, "Recent events kept for those that come back" },
	[M_SEND_QUEUE] = { "craft_ws_send_queue_bytes", METRIC_GAUGE, "Queued for all clients; a frame for many counts for each" },
	[M_SEND_QUEUE_MAX] = { "craft_ws_send_queue_longest_bytes", METRIC_GAUGE, "Queued for the client for which the most is" },
	[M_HELD_BYTES] = { "craft_ws_held_bytes", METRIC_GAUGE, "Messages held for all connections together" },
	[M_HELD_BYTES_MAX] = { "craft_ws_held_bytes_max", METRIC_GAUGE, "WS_MAX_MEMORY" },
	[M_RECEIVED_BYTES] = { "craft_ws_received_bytes_total", METRIC_COUNTER, "Bytes read from clients" },
	[M_SENT_BYTES] = { "craft_ws_sent_bytes_total", METRIC_COUNTER, "Bytes written to clients" },
	[M_LIMITS] = { "craft_ws_limits_total", METRIC_COUNTER, "What limits refused, by limit; docs/hostile-clients.md" },
	[M_DRAINING] = { "craft_ws_draining", METRIC_GAUGE, "1 from SIGTERM on" },
};

/* The last one is for all others. */
static const struct { uint16_t code; const char *name; } closes[COUNTS_CLOSES] = {
	{ 1000, "1000" }, { 1001, "1001" }, { 1002, "1002" }, { 1003, "1003" }, { 1005, "1005" }, { 1006, "1006" }, { 1007, "1007" },
	{ 1008, "1008" }, { 1009, "1009" }, { 1010, "1010" }, { 1011, "1011" }, { 1012, "1012" }, { 1013, "1013" }, { 0, "other" },
};
/* clang-format on */

void counts_close(struct bridge *bridge, uint16_t code)
{
	size_t i = 0;
	while (closes[i].code && closes[i].code != code)
		i++;
	counter_add(&bridge->counts->closes[i], 1);
}

static void print_connections(const struct bridge *b, struct buf *out)
{
	const struct counts *c = b->counts;
	metrics_single(out, &metrics[M_CONNECTIONS], b->client_count);
	metrics_single(out, &metrics[M_HANDSHAKES], b->conn_count - b->client_count);
	metrics_single(out, &metrics[M_CONNECTIONS_MAX], (uint64_t)b->conf.ws_max_connections);
	metrics_single(out, &metrics[M_ACCEPTED], counter_read(&c->accepted));
	metrics_single(out, &metrics[M_REFUSED], counter_read(&c->refused));
	metrics_begin(out, &metrics[M_DISCONNECTS]);
	for (size_t i = 0; i < COUNTS_CLOSES; i++)
		metrics_labelled(out, &metrics[M_DISCONNECTS], "code", closes[i].name, counter_read(&c->closes[i]));
}

static void print_messages(const struct counts *c, struct buf *out)
{
	const struct message_type *type;
	metrics_begin(out, &metrics[M_MESSAGES]);
	for (size_t i = 0; (type = message_type_at(i)); i++)
		metrics_labelled(out, &metrics[M_MESSAGES], "type", type->name, counter_read(&c->messages[i]));
	metrics_labelled(out, &metrics[M_MESSAGES], "type", "unknown", counter_read(&c->bad_messages));
	metrics_begin(out, &metrics[M_MESSAGE_SECONDS]);
	for (size_t i = 0; (type = message_type_at(i)); i++)
		metrics_labelled_histogram(out, &metrics[M_MESSAGE_SECONDS], "type", type->name, &metrics_short,
					   &c->message_seconds[i]);
	metrics_begin(out, &metrics[M_SANDBOX_REQUESTS]);
	for (int kind = SANDBOX_BAD; kind <= SANDBOX_DIFF; kind++)
		metrics_labelled(out, &metrics[M_SANDBOX_REQUESTS], "kind",
				 kind == SANDBOX_BAD ? "unknown" : sandbox_request_name((enum sandbox_request)kind),
				 counter_read(&c->sandbox_requests[kind]));
	metrics_begin(out, &metrics[M_REPLIES]);
	metrics_labelled(out, &metrics[M_REPLIES], "outcome", "data", counter_read(&c->replies));
	metrics_labelled(out, &metrics[M_REPLIES], "outcome", "error", counter_read(&c->errors));
}

/* ---- the database ---- */

static void add_lane(struct buf *labels, size_t lane)
{
	char number[24];
	buf_clear(labels);
	(void)snprintf(number, sizeof(number), "big%zu", lane);
	metrics_label(labels, "lane", lane ? slice_of(number) : SLICE_LIT("small"));
}

static void print_lanes(const struct bridge *b, struct buf *out)
{
	const struct counts *c = b->counts;
	autobuf labels = { 0 };
	metrics_begin(out, &metrics[M_COMMIT_SECONDS]);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		add_lane(&labels, i);
		metrics_histogram(out, &metrics[M_COMMIT_SECONDS], &labels, &metrics_short, &c->commit_seconds[i]);
	}
	metrics_single_histogram(out, &metrics[M_BATCH_SIZE], &metrics_count, &c->batch_size);
	metrics_begin(out, &metrics[M_BATCH_FAILURES]);
	metrics_labelled(out, &metrics[M_BATCH_FAILURES], "outcome", "rolled_back", counter_read(&c->failed_batches));
	metrics_labelled(out, &metrics[M_BATCH_FAILURES], "outcome", "unknown", counter_read(&c->unknown_batches));
	metrics_begin(out, &metrics[M_QUEUE_REQUESTS]);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		add_lane(&labels, i);
		metrics_value(out, &metrics[M_QUEUE_REQUESTS], &labels, lane_load(b->lanes[i]).requests);
	}
	metrics_begin(out, &metrics[M_QUEUE_BYTES]);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		add_lane(&labels, i);
		metrics_value(out, &metrics[M_QUEUE_BYTES], &labels, lane_load(b->lanes[i]).bytes);
	}
}

/* ---- events ---- */

static void print_events(const struct bridge *b, struct buf *out)
{
	const struct counts *c = b->counts;
	metrics_single(out, &metrics[M_EVENTS], counter_read(&c->events));
	metrics_single(out, &metrics[M_FANOUT_FRAMES], counter_read(&c->frames));
	metrics_single(out, &metrics[M_FANOUT_BYTES], counter_read(&c->frame_bytes));
	metrics_single_histogram(out, &metrics[M_FANOUT_LISTENERS], &metrics_count, &c->listeners);
	metrics_single(out, &metrics[M_LOG_PAGES], counter_read(&c->pages));
	metrics_single(out, &metrics[M_LOG_BYTES], c->change_log_bytes);
	metrics_single(out, &metrics[M_LOG_BYTES_MAX], (uint64_t)b->conf.change_log_bytes);
	metrics_single(out, &metrics[M_STREAM_BYTES], c->stream_bytes);
	metrics_single(out, &metrics[M_STREAM_BYTES_MAX], (uint64_t)b->conf.sandbox_stream_bytes);
	metrics_begin(out, &metrics[M_ROOMS]);
	metrics_labelled(out, &metrics[M_ROOMS], "kind", "workspace", b->hub->rooms[ROOM_WORKSPACE].count);
	metrics_labelled(out, &metrics[M_ROOMS], "kind", "sandbox", b->hub->rooms[ROOM_SANDBOX].count);
	metrics_single(out, &metrics[M_RING_BYTES], b->hub->ring_bytes);
}

static void print_memory(const struct bridge *b, struct buf *out)
{
	const struct conn *conn;
	size_t all = 0, most = 0;
	TAILQ_FOREACH(conn, &b->conns, link)
	{
		all += conn->out.bytes;
		most = conn->out.bytes > most ? conn->out.bytes : most;
	}
	metrics_single(out, &metrics[M_SEND_QUEUE], all);
	metrics_single(out, &metrics[M_SEND_QUEUE_MAX], most);
	metrics_single(out, &metrics[M_HELD_BYTES], b->bounds->bytes + frame_buf_bytes());
	metrics_single(out, &metrics[M_HELD_BYTES_MAX], (uint64_t)b->conf.ws_max_memory);
	metrics_single(out, &metrics[M_RECEIVED_BYTES], counter_read(&b->counts->received_bytes));
	metrics_single(out, &metrics[M_SENT_BYTES], counter_read(&b->counts->sent_bytes));
}

void counts_print(const struct bridge *b, struct buf *out)
{
	print_connections(b, out);
	print_messages(b->counts, out);
	print_lanes(b, out);
	print_events(b, out);
	print_memory(b, out);
	metrics_begin(out, &metrics[M_LIMITS]);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		metrics_labelled(out, &metrics[M_LIMITS], "limit", limit_rows[i].name, b->bounds->counters[i]);
	metrics_single(out, &metrics[M_DRAINING], b->draining);
}
