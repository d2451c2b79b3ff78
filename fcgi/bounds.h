/* bounds.h: attempts without the right key, by client address, and requests with workspaces' keys that have a limit,
 * counted for all workers together. The memory is shared; the master makes it and tells the log. */
#ifndef CRAFT_FCGI_BOUNDS_H
#define CRAFT_FCGI_BOUNDS_H

#include "bucket.h"
#include "conf.h"
#include "tally.h"

/* In the order of the table of names in bounds.c. */
enum limit {
	LIMIT_WRONG_KEY,
	LIMIT_WRONG_KEY_RATE,
	LIMIT_BAD_SIGNATURE,
	LIMIT_KEY_RATE,
	LIMIT_UNCHECKED,
	LIMIT_UNDER_WAY,
	LIMIT_SPOOL,
	LIMIT_SEATS,
	LIMIT_COUNT
};

extern const struct tally_row limit_rows[LIMIT_COUNT];

struct bounds;
struct underway;

/* Before the workers are made. NULL: no memory; then there are no limits. */
struct bounds *bounds_new(const struct conf *conf);

/* An attempt with a wrong key or none came from this address (text). False: there were too many. Never blocks for long;
 * bounds may be NULL. */
bool bounds_wrong_key(struct bounds *bounds, struct slice address, int64_t now_ms);
/* May it attempt another one? Takes nothing. For what is work to find out. */
bool bounds_may_try(struct bounds *bounds, struct slice address, int64_t now_ms);
/* May the database be asked about a workspace on this address's behalf, because of a signature that is nobody's we
 * know? */
bool bounds_may_ask(struct bounds *bounds, struct slice address, int64_t now_ms);
void bounds_count(struct bounds *bounds, enum limit which);
uint64_t bounds_read(const struct bounds *bounds, enum limit which);

/* A request came with a workspace's key of that id (16 hex digits), which may make so many a minute. False: there were
 * too many. As bounds_wrong_key() otherwise. */
bool bounds_key(struct bounds *bounds, const char *id, int64_t per_minute, int64_t now_ms);

/* The uploads under way on this host; NULL: they aren't counted. */
struct underway *bounds_underway(struct bounds *bounds);

/* One worker at a time has a part of an upload written to the disk, as the others' commits wait behind it. False: there
 * are no turns. Else bounds_flush_end() follows soon. */
bool bounds_flush_begin(struct bounds *bounds);
void bounds_flush_end(struct bounds *bounds);

/* Says in one line, every 10 s at most, what was refused since the last one. For the master. */
void bounds_tell(struct bounds *bounds, int64_t now_ms);

#endif
