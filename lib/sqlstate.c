/* sqlstate.c: the table of SQLSTATEs. */
#include "sqlstate.h"

#include <stddef.h>
#include <string.h>

#include "db.h"

/* The first row whose state is the beginning of the one that is asked for. */
static const struct {
	const char *state;
	enum sqlstate_kind kind;
} table[] = {
	{ "00", SQLSTATE_OK },	    { DB_STALE, SQLSTATE_STALE },
	{ "40", SQLSTATE_BUSY },    /* serialization_failure, deadlock_detected */
	{ "55P03", SQLSTATE_BUSY }, /* lock_not_available */
	{ "08", SQLSTATE_AWAY },    /* connection exceptions */
	{ "25", SQLSTATE_AWAY },    /* read_only_sql_transaction: a standby, after a failover another is the primary */
	{ "55", SQLSTATE_AWAY },    /* objects that aren't in a state for it, such as a server in recovery */
	{ "57", SQLSTATE_AWAY },    /* admin_shutdown, crash_shutdown, cannot_connect_now, query_canceled */
	{ "58", SQLSTATE_AWAY },    /* io_error, undefined_file */
	{ "53", SQLSTATE_FULL },    /* disk_full, out_of_memory, too_many_connections */
	{ "54", SQLSTATE_LIMIT },   /* program_limit_exceeded */
	{ "22", SQLSTATE_VALUE },   /* data exceptions */
	{ "23", SQLSTATE_VALUE },   /* integrity constraint violations */
};

enum sqlstate_kind sqlstate_kind(const char *state)
{
	if (!*state)
		return SQLSTATE_AWAY;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (strncmp(table[i].state, state, strlen(table[i].state)) == 0)
			return table[i].kind;
	}
	return SQLSTATE_INTERNAL;
}

bool sqlstate_passes(enum sqlstate_kind kind)
{
	return kind == SQLSTATE_STALE || kind == SQLSTATE_BUSY || kind == SQLSTATE_AWAY || kind == SQLSTATE_FULL;
}

bool sqlstate_ends_connection(const char *state)
{
	/* admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout */
	return !*state || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0;
}
