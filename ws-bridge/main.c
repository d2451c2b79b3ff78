/* main.c: the WebSocket bridge: options, the event loop's rhythm, and the way to the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "bounds.h"
#include "conn.h"
#include "counts.h"
#include "courier.h"
#include "deflate.h"
#include "feed.h"
#include "hub.h"
#include "keys.h"
#include "lane.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/startup.h"
#include "listener.h"
#include "message_list.h"
#include "packer.h"
#include "packs.h"
#include "sandbox_room.h"
#include "session_cache.h"
#include "turns.h"
#include "watched.h"

#define TICK_MS 100
#define SESSION_CACHE_BYTES (64u << 20)
#define ENTER_LIMIT_MS 2000 /* for handshakes that had begun */
#define DRAIN_LIMIT_MS 8000 /* for requests under way, then for closes */

enum phase { RUNNING, FINISHING, CLOSING, STOPPED };

struct program {
	struct bridge bridge;
	struct listener *listener;
	struct watch *watch; /* NULL: nobody watches */
	uv_signal_t term, interrupt;
	uv_timer_t tick;
	uv_check_t check;
	uv_prepare_t prepare;
	uv_idle_t busy; /* while messages are being compressed: the loop doesn't sleep */
	enum phase phase;
	uint64_t phase_since, second_at;
};

/* ---- the rhythm ---- */

/* After the sockets were read: what came goes to the database in batches, so that it has work while those that it did
 * are answered; what is to be sent leaves in one write each. */
static void end_of_turn(struct program *p)
{
	for (size_t i = 0; i < LANE_COUNT; i++)
		lane_pump(p->bridge.lanes[i]);
	for (size_t i = 0; i < LANE_COUNT; i++)
		lane_answer(p->bridge.lanes[i]);
	courier_pump(p->bridge.small_courier);
	courier_pump(p->bridge.big_courier);
	conn_flush_dirty(&p->bridge);
}

static void on_check(uv_check_t *check)
{
	struct program *p = check->data;
	turns_run(&p->bridge);
	if (packer_turn(p->bridge.packer))
		packs_wake(&p->bridge);
	bounds_relieve(&p->bridge);
	end_of_turn(p);
}

static void on_busy(uv_idle_t *busy)
{
	(void)busy;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct program *p = prepare->data;
	end_of_turn(p);
	if (packer_is_busy(p->bridge.packer))
		(void)uv_idle_start(&p->busy, on_busy);
	else
		(void)uv_idle_stop(&p->busy);
}

/* ---- the end ---- */

static void close_handles(struct program *p)
{
	watch_free(p->watch);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->tick, NULL);
	uv_close((uv_handle_t *)&p->bridge.turn_due, NULL);
	uv_close((uv_handle_t *)&p->check, NULL);
	uv_close((uv_handle_t *)&p->prepare, NULL);
	uv_close((uv_handle_t *)&p->busy, NULL);
}

static void enter(struct program *p, enum phase phase)
{
	p->phase = phase;
	p->phase_since = uv_now(p->bridge.loop);
}

/* SIGTERM: no new connections and messages; what is under way is finished. */
static void start_drain(struct program *p)
{
	struct conn *conn;
	log_info(NULL, "draining %zu connections", p->bridge.conn_count);
	notify_stopping();
	p->bridge.draining = true;
	listener_free(p->listener);
	TAILQ_FOREACH(conn, &p->bridge.conns, link)
	conn_pause(conn, PAUSE_DRAIN);
	enter(p, FINISHING);
}

static bool is_idle(const struct program *p)
{
	const struct conn *conn;
	TAILQ_FOREACH(conn, &p->bridge.conns, link)
	{
		if (conn->under_way || !TAILQ_EMPTY(&conn->backlog) || sandbox_client_waits(conn->sandbox))
			return false;
	}
	for (size_t i = 0; i < LANE_COUNT; i++) {
		if (!lane_is_idle(p->bridge.lanes[i]))
			return false;
	}
	return courier_is_idle(p->bridge.small_courier) && courier_is_idle(p->bridge.big_courier);
}

/* Is it still on its way in? It is let in, to be told to come back by a close like all others. */
static bool is_entering(const struct conn *conn, uint64_t now)
{
	return (conn->state == CONN_HTTP || conn->state == CONN_JOINING) && now - conn->since < ENTER_LIMIT_MS;
}

/* Closes a share of the connections, so that they don't all come back at once. */
static void close_some(struct program *p, uint64_t now)
{
	uint64_t span = (uint64_t)p->bridge.conf.ws_drain_time, age = now - p->phase_since;
	size_t open = 0;
	struct conn *conn, *next;
	TAILQ_FOREACH(conn, &p->bridge.conns, link)
	open += conn->state != CONN_CLOSING;
	uint64_t left = age < span ? (span - age) / TICK_MS + 1 : 1;
	size_t share = (size_t)((open + left - 1) / left);
	for (conn = TAILQ_FIRST(&p->bridge.conns); conn && share; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (is_entering(conn, now))
			continue;
		if (conn->state == CONN_HTTP) {
			conn_kill(conn);
			share--;
		} else if (conn->state != CONN_CLOSING) {
			conn_close(conn, FRAME_CLOSE_RESTART, "the server restarts", false);
			share--;
		}
	}
}

static void kill_all(struct program *p)
{
	struct conn *conn;
	while ((conn = TAILQ_FIRST(&p->bridge.conns)))
		conn_kill(conn);
}

static void drain(struct program *p, uint64_t now)
{
	uint64_t age = now - p->phase_since;
	if (p->phase == FINISHING && (is_idle(p) || age > DRAIN_LIMIT_MS))
		enter(p, CLOSING);
	if (p->phase != CLOSING)
		return;
	close_some(p, now);
	if (age > DRAIN_LIMIT_MS + (uint64_t)p->bridge.conf.ws_drain_time)
		kill_all(p);
	if (TAILQ_EMPTY(&p->bridge.conns)) {
		enter(p, STOPPED);
		close_handles(p);
		uv_stop(p->bridge.loop);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	(void)number;
	if (p->phase == RUNNING)
		start_drain(p);
}

static void on_tick(uv_timer_t *timer)
{
	struct program *p = timer->data;
	struct bridge *b = &p->bridge;
	uint64_t now = uv_now(b->loop);
	notify_alive((int64_t)now);
	conn_tick(b, now);
	bounds_tick(b, now);
	for (size_t i = 0; i < LANE_COUNT; i++)
		lane_tick(b->lanes[i], now);
	courier_tick(b->small_courier, now);
	courier_tick(b->big_courier, now);
	if (now >= p->second_at) {
		p->second_at = now + 1000;
		hub_tick(b->hub, now);
		keys_tick(b->keys, now);
		feed_tick(b->feed, now);
	}
	if (p->phase != RUNNING)
		drain(p, now);
}

/* ---- the start ---- */

static void make_id(char *id)
{
	unsigned char random[8];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(id + i * 2, 3, "%02x", random[i]);
}

/* Each client costs a descriptor. */
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void start_handles(struct program *p)
{
	uv_loop_t *loop = p->bridge.loop;
	(void)uv_signal_init(loop, &p->term);
	(void)uv_signal_init(loop, &p->interrupt);
	(void)uv_timer_init(loop, &p->tick);
	(void)uv_timer_init(loop, &p->bridge.turn_due);
	(void)uv_check_init(loop, &p->check);
	(void)uv_prepare_init(loop, &p->prepare);
	(void)uv_idle_init(loop, &p->busy);
	p->term.data = p->interrupt.data = p->tick.data = p->check.data = p->prepare.data = p;
	(void)uv_signal_start(&p->term, on_signal, SIGTERM);
	(void)uv_signal_start(&p->interrupt, on_signal, SIGINT);
	(void)uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
	(void)uv_check_start(&p->check, on_check);
	(void)uv_prepare_start(&p->prepare, on_prepare);
}

static void start_parts(struct bridge *b)
{
	make_id(b->id);
	TAILQ_INIT(&b->conns);
	TAILQ_INIT(&b->dirty);
	TAILQ_INIT(&b->packs);
	TAILQ_INIT(&b->turns);
	b->bounds = bounds_new();
	b->counts = xcalloc(1, sizeof(*b->counts));
	b->packer = packer_new(DEFLATE_LEVEL_DEFAULT);
	b->cache = session_cache_new(SESSION_CACHE_BYTES);
	b->hub = hub_new(b);
	b->keys = keys_new(b);
	b->feed = feed_new(b);
	for (size_t i = 0; i < LANE_COUNT; i++)
		b->lanes[i] = lane_new(b, i > 0, i ? "craft-ws-bridge big writes" : "craft-ws-bridge write",
				       &b->counts->commit_seconds[i]);
	b->small_courier = courier_new(b, "craft-ws-bridge sandbox");
	b->big_courier = courier_new(b, "craft-ws-bridge big sandbox");
}

static void free_parts(struct bridge *b)
{
	for (size_t i = 0; i < LANE_COUNT; i++)
		lane_free(b->lanes[i]);
	courier_free(b->small_courier);
	courier_free(b->big_courier);
	feed_free(b->feed);
	/* What is closing needs one more turn of the loop. */
	(void)uv_run(b->loop, UV_RUN_DEFAULT);
	hub_free(b->hub);
	keys_free(b->keys);
	session_cache_free(b->cache);
	bounds_free(b->bounds);
	free(b->counts);
	packer_free(b->packer);
}

static int run(struct program *p)
{
	autobuf error = { 0 };
	uv_loop_t loop;
	(void)uv_loop_init(&loop);
	p->bridge.loop = &loop;
	raise_file_limit();
	(void)signal(SIGPIPE, SIG_IGN);
	start_parts(&p->bridge);
	p->listener = listener_new(&p->bridge, &error);
	if (!p->listener) {
		(void)fprintf(stderr, "craft-ws-bridge: %s\n", buf_cstr(&error));
		return 1;
	}
	start_handles(p);
	p->watch = watched_new(&p->bridge);
	log_info(NULL, "listening on %s", p->bridge.conf.ws_listen);
	notify_ready();
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	free_parts(&p->bridge);
	(void)uv_loop_close(&loop);
	log_info(NULL, "stopped");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct startup about = {
		.name = "craft-ws-bridge",
		.program = CONF_BRIDGE,
		.purpose =
			"Carries workspace changes, and what sandboxes say, between WebSocket clients and PostgreSQL.",
		.signals = "SIGTERM finishes what is under way, closes all connections with 1012, and exits.",
		.lists = { { "list-messages", "print the messages that clients may send, and exit",
			     message_list_print } },
	};
	static struct program program;
	int status;
	if (!startup(&about, argc, argv, &program.bridge.conf, &status))
		return status;
	status = run(&program);
	conf_free(&program.bridge.conf);
	return status;
}
