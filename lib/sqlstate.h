/* sqlstate.h: what an SQLSTATE means to whoever asked (PostgreSQL manual, appendix A). The words for it are each
 * program's own. */
#ifndef CRAFT_SQLSTATE_H
#define CRAFT_SQLSTATE_H

#include <stdbool.h>

enum sqlstate_kind {
	SQLSTATE_OK,	/* class 00 */
	SQLSTATE_STALE, /* the base version is not the current one (DB_STALE): read again, and try again */
	SQLSTATE_BUSY,	/* a deadlock, a conflict, or no lock in time: the same may do at once */
	SQLSTATE_AWAY,	/* the connection or the server goes, is a standby, or can't read its files: try again later */
	SQLSTATE_FULL,	/* no memory, disk space or connections left: try again later */
	SQLSTATE_LIMIT, /* more than PostgreSQL can hold in one value, row or statement: never */
	SQLSTATE_VALUE, /* it can't store this value, or a constraint forbids it: never */
	SQLSTATE_INTERNAL, /* anything else: a fault of ours */
	SQLSTATE_KINDS
};

/* state: five characters, as db_sqlstate() has them. "" is libpq's own failure: the connection is going
 * (SQLSTATE_AWAY), and whether the statement took effect isn't known, which with every other AWAY it is: it didn't. */
enum sqlstate_kind sqlstate_kind(const char *state);

/* May the same statement do better at another time, unchanged? */
bool sqlstate_passes(enum sqlstate_kind kind);

/* Does the connection end with it? That a statement was cancelled (57014, pg_cancel_backend) ends only the statement.
 */
bool sqlstate_ends_connection(const char *state);

#endif
