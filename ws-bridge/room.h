/* room.h: the insides of a room, shared by hub.c (the gate) and join.c (getting in). */
#ifndef CRAFT_ROOM_H
#define CRAFT_ROOM_H

#include "conn.h"
#include "event.h"
#include "hub.h"
#include "lib/map.h"
#include "statements.h"

#define ROOM_UNKNOWN (-1)

struct hub {
	struct bridge *bridge;
	struct map rooms[ROOM_KINDS]; /* by name */
	struct map by_id;	      /* workspaces */
	TAILQ_HEAD(, room) rings;     /* rooms with recent events, the one that had one last at the end */
	size_t ring_bytes;	      /* of all of them */
	char *epoch;
};

/* What differs between the kinds of rooms. */
struct room_type {
	const char *noun;
	enum statement page;  /* reads the log; parameters: name, since, rows, bytes */
	int head, floor, seq; /* columns of a page */
	struct event *(*event)(struct room *room, const PGresult *page, int row);
};

struct room {
	struct hub *hub;
	enum room_kind kind;
	const struct room_type *type;
	char *name;
	size_t name_len;
	int64_t id;		     /* of a workspace; 0: not written to yet, as far as we know */
	unsigned refs;		     /* requests and reads under way */
	struct conn_list members;    /* all that joined or are joining; events go to those that are live */
	int64_t head;		     /* number of the last event delivered, or ROOM_UNKNOWN before the first read */
	int64_t wanted;		     /* the highest number heard of */
	bool reading;		     /* a page of the log is asked for */
	TAILQ_ENTRY(room) ring_link; /* hub->rings, when ring isn't empty */
	struct event_list ring;	     /* the latest events, without gaps, up to head */
	size_t ring_count, ring_bytes;
	struct event_list hold; /* events that came before their predecessors, ascending */
	size_t hold_count;
	uint64_t idle_since; /* ms */
	bool asked;	     /* of a workspace: its head was asked for, and hasn't come yet */
	uint64_t touched_at; /* ms: of a sandbox, when its clients last counted as active */
	/* Of a workspace: its big saves, which are all in one lane; those of them that wait there, since which turn, and
	 * that run; the small changes that wait for these, and how many of such are in their queue again. */
	struct lane *big_lane;
	size_t big_ops, big_waiting, big_running;
	uint64_t big_turn;
	struct op_list held;
	struct op_queue *held_from;
	size_t released;
};

/* Columns of api.changes and api.sandbox_messages. */
enum page_column {
	PAGE_WORKSPACE,
	PAGE_EPOCH,
	PAGE_HEAD,
	PAGE_FLOOR,
	PAGE_SEQ,
	PAGE_ENTITY,
	PAGE_ACTION,
	PAGE_ENTITY_ID,
	PAGE_ORIGIN,
	PAGE_DATA
};
enum message_column { MESSAGE_HEAD, MESSAGE_FLOOR, MESSAGE_SEQ, MESSAGE_TARGET, MESSAGE_BODY };

/* Finds or makes the room. */
struct room *room_open(struct hub *hub, enum room_kind kind, struct slice name);
/* The log goes up to seq: reads what is missing. Where the room's place isn't known yet, it starts there. */
void room_seen(struct room *room, int64_t seq);
/* Sends an event to a member, unless it is past it or made it itself, and moves its position. */
void room_give(struct conn *conn, struct event *e);

#endif
