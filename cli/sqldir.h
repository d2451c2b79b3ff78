/* sqldir.h: the directory of SQL files that the schema is made of:
 *   roles.sql, migrations/NNNN_name.sql (applied once each, in order), and the code: api, report, grants.sql. */
#ifndef CRAFT_SQLDIR_H
#define CRAFT_SQLDIR_H

#include "buf.h"

#define SQLDIR_HASH_SIZE 65 /* SHA-256 in hex and a NUL */

struct sql_file {
	char *name;  /* below the directory: "migrations/0001_sync.sql" */
	int version; /* of a migration, else 0 */
	struct buf text;
	char sha256[SQLDIR_HASH_SIZE];
};

struct sql_files {
	struct sql_file *list;
	size_t count;
};

struct sqldir {
	const char *path;	     /* the caller's */
	struct sql_files roles;	     /* one file */
	struct sql_files migrations; /* versions 1, 2, 3… */
	struct sql_files code;	     /* in the order in which they are applied; grants.sql is the last */
	char code_sha256[SQLDIR_HASH_SIZE];
};

/* Where it is when nobody says: of a program that was built and not installed sql/ of its source tree, else what `make install`
 * put into installed. Static storage. */
const char *sqldir_default(const char *installed);

/* Reads all of it. False: *error has a sentence (a missing file, a name or number that is out of order).
 * Free it in any case. */
bool sqldir_load(struct sqldir *dir, const char *path, struct buf *error);
void sqldir_free(struct sqldir *dir);
#define autosqldir __attribute__((cleanup(sqldir_free))) struct sqldir

#endif
