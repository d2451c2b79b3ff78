/* room.h: the insides of a room, shared by hub.c (the gate) and join.c (getting in). */
#ifndef CRAFT_ROOM_H
#define CRAFT_ROOM_H

#include "conn.h"
#include "event.h"
#include "hub.h"
#include "lib/map.h"

#define ROOM_UNKNOWN (-1)

struct hub {
	struct bridge *bridge;
	struct map by_slug, by_id;
	char *epoch;
};

struct room {
	struct hub *hub;
	char *slug;
	size_t slug_len;
	int64_t id;		  /* 0: not written to yet, as far as we know */
	unsigned refs;		  /* requests and reads under way */
	struct conn_list members; /* all that joined or are joining; events go to those that are live */
	int64_t head;		  /* number of the last event delivered, or ROOM_UNKNOWN before the first read */
	int64_t wanted;		  /* the highest number heard of */
	bool reading;		  /* a page of the log is asked for */
	struct event_list ring;	  /* the latest events, without gaps, up to head */
	size_t ring_count, ring_bytes;
	struct event_list hold; /* events that came before their predecessors, ascending */
	size_t hold_count;
	uint64_t idle_since; /* ms */
};

/* Columns of api.changes. */
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

/* Finds or makes the room. */
struct room *room_open(struct hub *hub, struct slice slug);
void room_learn_id(struct room *room, int64_t id);
/* The event of one row of a page; the caller holds the reference. */
struct event *room_page_event(struct room *room, const PGresult *r, int row);
/* Sends an event to a member, unless it is past it or made it itself, and moves its position. */
void room_give(struct conn *conn, struct event *e);

#endif
