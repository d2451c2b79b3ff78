/* schema.h: what a database has of the schema, compared with the SQL directory. */
#ifndef CRAFT_SCHEMA_H
#define CRAFT_SCHEMA_H

#include "db.h"
#include "sqldir.h"

/* The statements' columns: version, name, sha256 (ordered by version), and sha256 of the code. */
struct schema_state {
	int version;	   /* of the newest recorded migration; 0: none */
	int pending;	   /* migrations that the directory has and the database hasn't */
	bool code_differs; /* functions, views and privileges have to be applied; always so after a migration */
};

/* recorded: rows (version, name, sha256) by version, text format; NULL: none. code: at most one row (sha256); NULL:
 * none. False: they contradict the directory, and *error says how (a recorded migration was changed, or isn't there).
 */
bool schema_compare(const struct sqldir *dir, const PGresult *recorded, const PGresult *code,
		    struct schema_state *state, struct buf *error);

#endif
