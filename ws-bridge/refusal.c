/* refusal.c: the table of refusals. */
#include "refusal.h"

#include <string.h>

#include "lib/db.h"

static const struct refusal refusals[] = {
	{ DB_STALE, true, "The session is being changed by others at the moment, try again" },
	{ "40", true, "The database is busy, try again" },
	{ "22", false, "The database can't store this value" },
	{ "23", false, "The database can't store this value" },
	{ "54", false, "The data exceed a limit of the database" },
	{ "53", false, "The database is out of resources, nothing was changed; try again later" },
	{ "55", false, "Database unavailable, nothing was changed; try again" },
	{ "57", false, "Database unavailable, nothing was changed; try again" },
	{ "25", false, "Database unavailable, nothing was changed; try again" },
	{ "", false, "Internal error, nothing was changed" },
};

const struct refusal *refusal_for(const char *sqlstate)
{
	const struct refusal *r = refusals;
	while (strncmp(r->sqlstate, sqlstate, strlen(r->sqlstate)) != 0)
		r++;
	return r;
}
