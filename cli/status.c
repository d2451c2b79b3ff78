/* status.c: the schema, what is in it, who is connected, and what is wrong. */
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "cli.h"
#include "schema.h"

/* The schema's owner isn't needed for this: the daemons' role may execute api. */
static const char sql_has_schema[] = "select to_regprocedure('api.admin_migrations()') is not null";
static const char sql_migrations[] =
	"select version, name, sha256 from api.admin_migrations() where version is not null order by version";
static const char sql_code[] = "select sha256 from api.admin_migrations() where version is null";
static const char sql_contents[] =
	"select epoch, workspaces, sessions, messages, pg_size_pretty(message_bytes), changes, changes_kept, "
	"files, pg_size_pretty(file_bytes), deleted_blobs, "
	"round(100 * pg_notification_queue_usage()::numeric, 1), pg_notification_queue_usage() > 0.5, "
	"current_setting('synchronous_commit') in ('off', 'local') or current_setting('fsync') = 'off' "
	"from api.admin_contents()";
static const char sql_daemons[] =
	"select application_name, count(*) from pg_catalog.pg_stat_activity where datname = current_database() "
	"and application_name like 'craft-%' and pid <> pg_backend_pid() group by 1 order by 1";

static enum cli_exit print_schema(PGconn *conn, const struct sqldir *dir, struct buf *error)
{
	struct schema_state state;
	autoresult *recorded = cli_query(conn, sql_migrations, 0, NULL, error);
	autoresult *code = recorded ? cli_query(conn, sql_code, 0, NULL, error) : NULL;
	if (!recorded || !code || !schema_compare(dir, recorded, code, &state, error))
		return cli_fail("%s", buf_cstr(error));
	(void)printf("schema version     %d\n", state.version);
	(void)printf("pending migrations %d\n", state.pending);
	if (!state.code_differs)
		return CLI_OK;
	return cli_fail("the database is behind this program: run craft-cloud migrate");
}

static enum cli_exit print_contents(PGconn *conn, struct buf *error)
{
	static const char *const titles[] = { "epoch",	       "workspaces",	"sessions",	      "messages",
					      "message bytes", "changes",	"changes in the log", "files",
					      "file bytes",    "deleted blobs", "notify queue, %" };
	enum { QUEUE_FULL = sizeof(titles) / sizeof(titles[0]), UNSAFE };
	autoresult *r = cli_query(conn, sql_contents, 0, NULL, error);
	if (!r)
		return cli_fail("%s", buf_cstr(error));
	for (int i = 0; i < QUEUE_FULL; i++)
		(void)printf("%-18s %s\n", titles[i], PQgetvalue(r, 0, i));
	enum cli_exit result = CLI_OK;
	if (PQgetvalue(r, 0, QUEUE_FULL)[0] == 't')
		result = cli_fail("the notification queue fills up: some session that listens doesn't read; find it in "
				  "pg_stat_activity (idle in transaction) and end it");
	if (PQgetvalue(r, 0, UNSAFE)[0] == 't')
		result =
			cli_fail("acknowledged changes can be lost in a crash: set synchronous_commit and fsync to on");
	return result;
}

static enum cli_exit print_daemons(PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_daemons, 0, NULL, error);
	if (!r)
		return cli_fail("%s", buf_cstr(error));
	for (int i = 0; i < PQntuples(r); i++)
		(void)printf("%-18s %s connection%s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
			     strcmp(PQgetvalue(r, i, 1), "1") == 0 ? "" : "s");
	if (PQntuples(r) == 0)
		(void)puts("daemons            none connected");
	return CLI_OK;
}

bool cli_has_schema(PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_has_schema, 0, NULL, error);
	if (r && PQgetvalue(r, 0, 0)[0] != 't')
		buf_add_str(error,
			    "this database has no schema of craft-agent-cloud, or an old one: run craft-cloud migrate");
	return error->len == 0;
}

enum cli_exit cli_status(const struct conf *conf, const struct cli_options *options)
{
	autosqldir dir = { 0 };
	autobuf error = { 0 };
	if (!sqldir_load(&dir, options->sql_dir, &error))
		return cli_fail("%s", buf_cstr(&error));
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	if (!cli_has_schema(conn, &error))
		return cli_fail("%s", buf_cstr(&error));
	enum cli_exit schema = print_schema(conn, &dir, &error);
	buf_clear(&error);
	enum cli_exit contents = print_contents(conn, &error);
	buf_clear(&error);
	enum cli_exit daemons = print_daemons(conn, &error);
	return schema == CLI_OK && contents == CLI_OK ? daemons : CLI_FAILED;
}
