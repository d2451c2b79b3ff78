/* conn.h: one client's socket: reading, the queue of frames to send, pings, and the ways it ends.
 * States: HTTP (head not complete) -> JOINING (upgrade accepted, waiting for the workspace's state) -> OPEN
 * -> CLOSING (a Close frame was queued or an HTTP error sent; nothing is queued any more) -> DEAD (no socket;
 * freed when the last reference goes). */
#ifndef CRAFT_CONN_H
#define CRAFT_CONN_H

#include "bridge.h"
#include "frame_buf.h"
#include "handshake.h"
#include "keys.h"
#include "lib/bucket.h"
#include "outq.h"
#include "reply.h"

#define CLOSE_LIMIT_MS 3000 /* for the peer's Close, and its end */

enum conn_state { CONN_HTTP, CONN_JOINING, CONN_OPEN, CONN_CLOSING, CONN_DEAD };

/* Why a connection isn't read at the moment. */
enum conn_pause {
	PAUSE_REPLIES = 1,
	PAUSE_RATE = 2,
	PAUSE_JOIN = 4,
	PAUSE_DRAIN = 8,
	PAUSE_QUEUE = 16,
	PAUSE_TURN = 32
};

struct op;
struct peer;
struct room;
struct sandbox_client;

TAILQ_HEAD(op_list, op);

struct conn {
	TAILQ_ENTRY(conn) link;	      /* bridge->conns */
	TAILQ_ENTRY(conn) dirty_link; /* bridge->dirty, when dirty */
	TAILQ_ENTRY(conn) pack_link;  /* bridge->packs, when awaits_pack */
	TAILQ_ENTRY(conn) turn_link;  /* bridge->turns, when has_turn */
	TAILQ_ENTRY(conn) room_link;  /* the room's members, when room */
	struct bridge *bridge;
	uv_poll_t poll;
	int fd;
	enum conn_state state;
	unsigned refs; /* the socket's one, and one for each request under way */
	uint64_t serial;
	char request_id[65]; /* for logs; nginx's */
	uint64_t since;	     /* when the state began, ms */
	uint64_t last_heard; /* ms */
	uint8_t pings;	     /* unanswered */
	uint16_t close_code; /* how it ended, for the log: 1006 until a Close frame was sent; 0 before the 101 */
	int watched;	     /* what the loop was asked to look for */
	uint8_t paused;
	bool dirty;
	bool awaits_pack;
	bool has_turn;		  /* its next turn is waited for */
	bool has_place;		  /* counts as a client (bounds.c) */
	bool peer_closed;	  /* its Close came */
	bool half_close;	  /* nothing more is expected from it */
	bool lingering, fin_sent; /* waiting until it has stopped sending; our end of file is out */
	bool deflate;		  /* may be sent compressed messages */
	bool greeting;		  /* the 101 hasn't left yet */

	struct frame_reader reader;
	struct buf in; /* HTTP head, or bytes held back by a pause */
	struct handshake hs;

	struct outq out;

	struct replies replies; /* answers in order */
	double rate_tokens;
	uint64_t rate_at;

	/* Limits. */
	struct peer *peer; /* where its address is known */
	size_t held;	   /* bytes received and not dealt with, as counted in bounds */
	struct bucket pings_received;
	size_t progress;      /* bytes that came since progress_at */
	uint64_t progress_at; /* ms: since when the message under way, if there is one, gets on slowly */

	struct key_given given; /* the key that it came with, where that isn't API_KEY */
	struct key *key;	/* the same, once it was found */

	/* Its place in a workspace or sandbox (hub.c, join.c). */
	struct room *room;
	struct sandbox_client *sandbox; /* NULL: of a workspace */
	char *client;			/* ?client=; without it NULL, in a sandbox a name of our own */
	char *want_epoch;		/* ?epoch=, or NULL */
	int64_t since_seq;		/* ?since=, or -1 */
	bool live;			/* gets events as they come */
	bool reading_log;		/* a page of the log is asked for */
	bool rests;			/* it gets more from the ring in its next turn */
	int64_t pos;			/* last event that it got or needn't get */
	size_t lag; /* bytes of events that passed the gate while it wasn't live and that it hasn't got since */
	uint64_t slow_since; /* ms: since when queue and lag together are beyond WS_MAX_QUEUE; 0: they aren't */

	/* Sync (lane.c). */
	struct lane *lane;	     /* where its requests under way are */
	size_t under_way, heavy_ops; /* see op_queue.c */
	uint64_t busy_until;	     /* ms: so long its requests count as many */
	struct op_list backlog;	     /* requests that wait for those in the other lane */
};

/* Takes over an accepted, non-blocking socket. */
void conn_new(struct bridge *bridge, int fd);

/* Queues a frame (its reference stays the caller's). Dropped when the connection isn't OPEN. A client whose queue
 * passes WS_MAX_QUEUE is closed with 1013. */
void conn_send(struct conn *conn, struct frame_buf *frame);
/* Has the queue room for events? A client without room gets them later, from the ring or the log. */
bool conn_has_room(const struct conn *conn);

/* It has something new to send, or can now. */
void conn_mark_dirty(struct conn *conn);
/* Writes out what was queued, for all connections that have something new. */
void conn_flush_dirty(struct bridge *bridge);

/* Sends a Close frame, waits for the peer's, then disconnects. discard: drops what is queued before it. */
void conn_close(struct conn *conn, uint16_t code, const char *reason, bool discard);
/* The same for a client that is in the middle of sending something: the rest of it is not looked at. */
void conn_cut_off(struct conn *conn, uint16_t code, const char *reason, bool discard);
/* Answers an upgrade request with an HTTP error and disconnects. */
void conn_refuse(struct conn *conn, uint16_t status, const char *text);
/* Sends 101: JOINING -> OPEN. What the client sends is read once conn_resume(conn, PAUSE_JOIN) is called. */
void conn_accept(struct conn *conn);
/* Closes a client that can't keep up, with 1013. */
void conn_close_slow(struct conn *conn);
/* Everything that was queued has left, or nothing more is awaited: a connection that is CLOSING gets on. */
void conn_drained(struct conn *conn);
/* Disconnects at once. */
void conn_kill(struct conn *conn);

void conn_pause(struct conn *conn, enum conn_pause why);
void conn_resume(struct conn *conn, enum conn_pause why);

struct conn *conn_ref(struct conn *conn);
void conn_unref(struct conn *conn);

/* Pings, timeouts, rate limits: call it a few times a second (conn_tick.c). */
void conn_tick(struct bridge *bridge, uint64_t now);

#endif
