/* migrate_steps.h: the transactions of a migration. Daemons go on beside them: what one of them needs and doesn't get
 * soon it gives up and tries again, so that nobody waits long behind it. */
#ifndef CRAFT_CLI_MIGRATE_STEPS_H
#define CRAFT_CLI_MIGRATE_STEPS_H

#include <libpq-fe.h>

#include "sqldir.h"

/* Each is a transaction of its own: true, or nothing is changed and *error says why. */

/* Roles and schemas (roles.sql). */
bool migrate_roles(PGconn *conn, struct sqldir *dir, struct buf *error);

/* The tables that say what was applied. */
bool migrate_records(PGconn *conn, struct sqldir *dir, struct buf *error);

/* One migration. */
bool migrate_file(PGconn *conn, struct sqldir *dir, struct sql_file *file, struct buf *error);

/* Functions, views and privileges. Functions are replaced in place, which running daemons don't notice, and made anew
 * only where that can't be. */
bool migrate_code(PGconn *conn, struct sqldir *dir, struct buf *error);

#endif
