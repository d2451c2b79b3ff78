/* migrate.c: brings a database to the schema of the SQL directory. Everything that can be refused is
 * looked at before the first change; each migration and the code are a transaction of their own (migrate_steps.c). */
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "cli.h"
#include "migrate_steps.h"
#include "schema.h"

#define LOCK_KEYS "hashtext('craft-agent-cloud'), hashtext('migrate')"

/* Names in our files are qualified; nobody's objects in a schema that others can write may stand in for the system's. A
 * backend whose craft-cloud was killed notices that within a second, and takes back what it was at. */
static const char sql_session[] =
	"select set_config('search_path', 'pg_catalog, pg_temp', false), set_config('statement_timeout', '0', false), "
	"set_config('idle_in_transaction_session_timeout', '0', false), "
	"set_config('client_connection_check_interval', '1s', false)";
static const char sql_server[] =
	"select current_setting('server_version_num')::int >= 150000, current_setting('server_encoding') = 'UTF8', "
	"not pg_is_in_recovery()";
static const char sql_try_lock[] = "select pg_try_advisory_lock(" LOCK_KEYS ")";
static const char sql_lock[] = "select pg_advisory_lock(" LOCK_KEYS ")";
static const char sql_has_records[] = "select to_regclass('app.schema_migration') is not null";
static const char sql_recorded[] = "select version, name, sha256 from app.schema_migration order by version";
static const char sql_code[] = "select sha256 from app.schema_code";

static bool is_true(const PGresult *r, int column)
{
	return PQgetvalue(r, 0, column)[0] == 't';
}

/* The lock is the session's: it goes with the connection. */
static bool take_lock(PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_try_lock, 0, NULL, error);
	if (!r)
		return false;
	if (is_true(r, 0))
		return true;
	(void)puts("waiting for another migration of this database to end");
	(void)fflush(stdout);
	return cli_command(conn, sql_lock, 0, NULL, error);
}

static bool check_server(PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_server, 0, NULL, error);
	if (!r)
		return false;
	if (!is_true(r, 0))
		buf_add_str(error, "PostgreSQL 15 or newer is needed");
	else if (!is_true(r, 1))
		buf_add_str(error, "the database's encoding is not UTF8: make one with createdb -E UTF8 -T template0");
	else if (!is_true(r, 2))
		buf_add_str(error,
			    "this server is a standby: connect to the primary (target_session_attrs=read-write)");
	return error->len == 0;
}

static bool read_state(PGconn *conn, const struct sqldir *dir, struct schema_state *state, bool *has_records,
		       struct buf *error)
{
	autoresult *has = cli_query(conn, sql_has_records, 0, NULL, error);
	*has_records = has && is_true(has, 0);
	if (!has)
		return false;
	if (!*has_records)
		return schema_compare(dir, NULL, NULL, state, error);
	autoresult *recorded = cli_query(conn, sql_recorded, 0, NULL, error);
	autoresult *code = recorded ? cli_query(conn, sql_code, 0, NULL, error) : NULL;
	return recorded && code && schema_compare(dir, recorded, code, state, error);
}

static void print_plan(const struct sqldir *dir, const struct schema_state *state)
{
	for (size_t i = (size_t)state->version; i < dir->migrations.count; i++)
		(void)printf("would apply %s\n", dir->migrations.list[i].name);
	if (state->code_differs)
		(void)printf("would apply functions, views and privileges (%zu files)\n", dir->code.count);
}

static bool apply(PGconn *conn, struct sqldir *dir, const struct schema_state *state, bool has_records,
		  struct buf *error)
{
	if (!migrate_roles(conn, dir, error) || (!has_records && !migrate_records(conn, dir, error)))
		return false;
	for (size_t i = (size_t)state->version; i < dir->migrations.count; i++) {
		if (!migrate_file(conn, dir, &dir->migrations.list[i], error))
			return false;
		(void)printf("applied %s\n", dir->migrations.list[i].name);
		(void)fflush(stdout);
	}
	if (!state->code_differs)
		return true;
	if (!migrate_code(conn, dir, error))
		return false;
	(void)printf("applied functions, views and privileges (%zu files)\n", dir->code.count);
	return true;
}

enum cli_exit cli_migrate(const struct conf *conf, const struct cli_options *options)
{
	autosqldir dir = { 0 };
	autobuf error = { 0 };
	struct schema_state state;
	bool has_records = false;
	if (!sqldir_load(&dir, options->sql_dir, &error))
		return cli_fail("%s", buf_cstr(&error));
	autoconn *conn = cli_connect(conf->database_owner_url ? conf->database_owner_url : conf->database_url);
	if (!conn)
		return CLI_FAILED;
	if (!check_server(conn, &error) || !cli_command(conn, sql_session, 0, NULL, &error) ||
	    !take_lock(conn, &error) || !read_state(conn, &dir, &state, &has_records, &error))
		return cli_fail("%s", buf_cstr(&error));

	bool changes = state.code_differs;
	if (options->dry_run)
		print_plan(&dir, &state);
	else if (!apply(conn, &dir, &state, has_records, &error))
		return cli_fail("%s", buf_cstr(&error));
	(void)printf(changes ? "schema version: %zu%s\n" : "nothing to do; schema version: %zu%s\n",
		     options->dry_run ? (size_t)state.version : dir.migrations.count,
		     options->dry_run && changes ? " (nothing was changed)" : "");
	return CLI_OK;
}
