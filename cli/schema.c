/* schema.c: compares recorded migrations with files. */
#include "schema.h"

#include <limits.h>
#include <stdlib.h>

static bool compare_row(const struct sqldir *dir, const PGresult *r, int row, struct buf *error)
{
	long version = strtol(PQgetvalue(r, row, 0), NULL, 10);
	const char *name = PQgetvalue(r, row, 1);
	if (version < 1 || (size_t)version > dir->migrations.count) {
		buf_addf(error,
			 "the database has migration %04ld (%s), which %s lacks: it was migrated by a newer version of "
			 "this program, use that one",
			 version, name, dir->path);
		return false;
	}
	if (version != row + 1) {
		buf_addf(error, "the database has migration %04ld (%s) but not %04d: app.schema_migration is damaged",
			 version, name, row + 1);
		return false;
	}
	const struct sql_file *file = &dir->migrations.list[version - 1];
	if (strcmp(file->sha256, PQgetvalue(r, row, 2)) == 0)
		return true;
	buf_addf(error,
		 "%s/%s was changed after it was applied to this database (as %s): restore the file, and put the "
		 "change into a new migration",
		 dir->path, file->name, name);
	return false;
}

bool schema_compare(const struct sqldir *dir, const PGresult *recorded, const PGresult *code,
		    struct schema_state *state, struct buf *error)
{
	int rows = recorded ? PQntuples(recorded) : 0;
	*state = (struct schema_state){ .version = rows };
	for (int i = 0; i < rows; i++) {
		if (!compare_row(dir, recorded, i, error))
			return false;
	}
	state->pending = (int)dir->migrations.count - rows;
	state->code_differs = state->pending > 0 || !code || PQntuples(code) == 0 ||
			      strcmp(PQgetvalue(code, 0, 0), dir->code_sha256) != 0;
	return true;
}
