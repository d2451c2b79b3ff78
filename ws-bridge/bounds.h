/* bounds.h: the limits that are for a client address or for all connections together, and a counter for each time that
 * any limit was reached. What is for one connection alone is kept where the connection is (conn.c). */
#ifndef CRAFT_BOUNDS_H
#define CRAFT_BOUNDS_H

#include "bridge.h"
#include "lib/peers.h"
#include "lib/tally.h"

/* In the order of the table of names in bounds.c. */
enum limit {
	LIMIT_WRONG_KEY,
	LIMIT_WRONG_KEY_RATE,
	LIMIT_BAD_REQUEST,
	LIMIT_HANDSHAKES,
	LIMIT_HANDSHAKE_TIME,
	LIMIT_CONNECTIONS,
	LIMIT_CONNECT_RATE,
	LIMIT_ADDRESS_CONNECTIONS,
	LIMIT_ADDRESS_RATE,
	LIMIT_MESSAGE_SIZE,
	LIMIT_MESSAGE_TIME,
	LIMIT_MESSAGE_RATE,
	LIMIT_PINGS,
	LIMIT_REQUESTS,
	LIMIT_QUEUE,
	LIMIT_MEMORY,
	LIMIT_ADDRESS_MEMORY,
	LIMIT_SILENT,
	LIMIT_PROTOCOL,
	LIMIT_HEADER,
	LIMIT_MESSAGES,
	LIMIT_KEY_RATE,
	LIMIT_UNCHECKED,
	LIMIT_JOB_BYTES,
	LIMIT_LOG,
	LIMIT_COUNT
};

/* What they are called in the log, and for whoever shows them. */
extern const struct tally_row limit_rows[LIMIT_COUNT];

struct bounds {
	uint64_t counters[LIMIT_COUNT], told[LIMIT_COUNT];
	uint64_t told_at;	      /* ms */
	struct bucket connects;	      /* of all together */
	struct bucket lines;	      /* of the log, about single clients */
	uint64_t relieve_at, trim_at; /* ms */
	size_t most;		      /* that was held since memory was last given back */
	size_t bytes;		      /* received and not dealt with yet, of all connections */
	bool crowded;		      /* an address may hold too much */
	struct peers *peers;
};

struct bounds *bounds_new(void);
void bounds_free(struct bounds *l);

void bounds_count(struct bridge *bridge, enum limit which);
/* May a line about one client be logged? A flood of clients must not become a flood of lines. */
bool bounds_may_log(struct bridge *bridge);

/* May its address attempt another wrong key? Takes nothing. For what is work to find out. */
bool bounds_may_try(struct conn *conn);

/* A client's request for a place, its key being right. NULL: it has one now, until bounds_leave(). Else what it is told
 * with *status. */
const char *bounds_admit(struct conn *conn, uint16_t *status);
void bounds_leave(struct conn *conn);
/* Somebody at the connection's address had a wrong key or none: 401 or 429, and what it is told. */
const char *bounds_wrong_key(struct conn *conn, uint16_t *status);

/* The connection's part of `bytes` is this many from now on. */
void bounds_hold(struct conn *conn, size_t bytes);
/* The same, for what is no connection's part any more: requests under way. */
void bounds_add_bytes(struct bridge *bridge, size_t bytes);
void bounds_remove_bytes(struct bridge *bridge, size_t bytes);
/* Closes the connection that holds the most, of the address that holds the most, when WS_MAX_MEMORY or
 * WS_ADDRESS_MEMORY is passed. Call it
 * once a turn of the loop. */
void bounds_relieve(struct bridge *bridge);

/* Says in one line, every 10 s at most, what was refused since the last one. */
void bounds_tick(struct bridge *bridge, uint64_t now);

#endif
