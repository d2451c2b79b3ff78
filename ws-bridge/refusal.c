/* refusal.c: the table of refusals. */
#include "refusal.h"

static const char *const refusals[SQLSTATE_KINDS] = {
	[SQLSTATE_OK] = "Internal error, nothing was changed",
	[SQLSTATE_STALE] = "The session is being changed by others at the moment, try again",
	[SQLSTATE_BUSY] = "The database is busy, nothing was changed; try again",
	[SQLSTATE_AWAY] = "Database unavailable, nothing was changed; try again",
	[SQLSTATE_FULL] = "The database is out of resources, nothing was changed; try again later",
	[SQLSTATE_LIMIT] = "The data exceed a limit of the database",
	[SQLSTATE_VALUE] = "The database can't store this value",
	[SQLSTATE_INTERNAL] = "Internal error, nothing was changed",
};

const char *refusal_text(enum sqlstate_kind kind)
{
	return refusals[kind];
}
