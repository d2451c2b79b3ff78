/* pglink.h: one PostgreSQL connection on the event loop, always in pipeline mode, that connects again by itself.
 *
 * Its user queues statements and syncs and gets their results in the order of queueing. What was under way when the
 * connection breaks is forgotten: the user learns of it by on_lost and on_ready. */
#ifndef CRAFT_PGLINK_H
#define CRAFT_PGLINK_H

#include <uv.h>

#include "db.h"

struct pglink;

struct pglink_events {
	/* Connected, all statements prepared. */
	void (*on_ready)(struct pglink *link, void *user);
	/* The connection broke (also: was dropped by pglink_drop) after on_ready. */
	void (*on_lost)(struct pglink *link, void *user);
	/* A result of the oldest statement that has no complete result yet; the link clears it afterwards. One call a
	 * statement. */
	void (*on_result)(struct pglink *link, void *user, const PGresult *result);
	/* The oldest sync was reached: what was queued before it is committed, or rolled back if one of its results was
	 * an error. */
	void (*on_sync)(struct pglink *link, void *user);
	/* A notification came; may be NULL. */
	void (*on_notify)(struct pglink *link, void *user, const char *channel, const char *payload);
};

/* application: shows in pg_stat_activity. statements: what is prepared on every connection. The strings, the statements
 * and events must outlive the link. */
struct pglink *pglink_new(uv_loop_t *loop, const char *url, const char *application,
			  const struct db_statement *statements, size_t count, const struct pglink_events *events,
			  void *user);
/* Closes the connection and frees the link once the loop has let go of it. No event comes any more. */
void pglink_free(struct pglink *link);

bool pglink_is_ready(const struct pglink *link);
/* Queues one statement, by its place in the table; parameters are copied. False: the connection is broken (on_lost
 * comes later, from the loop). */
bool pglink_query(struct pglink *link, int statement, const struct db_params *params);
bool pglink_sync(struct pglink *link);
/* Cuts a connection whose server doesn't answer; on_lost comes before it returns. */
void pglink_drop(struct pglink *link);
/* Gives back memory that a big query made libpq keep, by connecting again. Only while nothing is under way. */
void pglink_renew(struct pglink *link);
/* When the server last said something (uv_now's clock, ms). */
uint64_t pglink_heard_at(const struct pglink *link);

#endif
