/* migrate.c: brings a database to the schema of the SQL directory. Everything that can be refused is
 * looked at before the first change; each migration and the code are a transaction of their own. */
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "cli.h"
#include "schema.h"

#define LOCK_KEYS "hashtext('craft-agent-cloud'), hashtext('migrate')"

/* Names in our files are qualified; nobody's objects in a schema that others can write may stand in for the system's.
 */
static const char sql_session[] =
	"select set_config('search_path', 'pg_catalog, pg_temp', false), set_config('statement_timeout', '0', false), "
	"set_config('idle_in_transaction_session_timeout', '0', false)";
static const char sql_server[] =
	"select current_setting('server_version_num')::int >= 150000, current_setting('server_encoding') = 'UTF8', "
	"not pg_is_in_recovery()";
static const char sql_try_lock[] = "select pg_try_advisory_lock(" LOCK_KEYS ")";
static const char sql_lock[] = "select pg_advisory_lock(" LOCK_KEYS ")";
static const char sql_has_records[] = "select to_regclass('app.schema_migration') is not null";
static const char sql_recorded[] = "select version, name, sha256 from app.schema_migration order by version";
static const char sql_code[] = "select sha256 from app.schema_code";
static const char sql_record[] =
	"insert into app.schema_migration (version, name, sha256) values ($1::integer, $2, $3)";
static const char sql_record_code[] =
	"insert into app.schema_code (sha256) values ($1) "
	"on conflict (one) do update set sha256 = excluded.sha256, applied_at = excluded.applied_at";
static const char sql_owner[] = "set local role craft_owner";

static const char sql_make_records[] =
	"create table app.schema_migration (\n"
	"	version    integer primary key check (version > 0),\n"
	"	name       text not null,\n"
	"	sha256     text not null,\n"
	"	applied_at timestamptz not null default now()\n"
	");\n"
	"comment on table app.schema_migration is 'The migrations that this database has; written by craft-cloud "
	"migrate.';\n"
	"comment on column app.schema_migration.version is 'Number of the migration.';\n"
	"comment on column app.schema_migration.name is 'Its file below the SQL directory.';\n"
	"comment on column app.schema_migration.sha256 is 'SHA-256 of the file when it was applied: a file changed "
	"later is refused.';\n"
	"comment on column app.schema_migration.applied_at is 'When it was applied.';\n"
	"create table app.schema_code (\n"
	"	one        boolean primary key default true check (one),\n"
	"	sha256     text not null,\n"
	"	applied_at timestamptz not null default now()\n"
	");\n"
	"comment on table app.schema_code is 'One row: which functions, views and privileges this database has; "
	"written by craft-cloud migrate.';\n"
	"comment on column app.schema_code.one is 'Always true: there is one row.';\n"
	"comment on column app.schema_code.sha256 is 'SHA-256 over the files api/*.sql, report/*.sql and grants.sql: "
	"they are applied again when it differs.';\n"
	"comment on column app.schema_code.applied_at is 'When they were applied.';\n";

/* A view's columns can't be changed in place, and what was taken out of the files must go. */
static const char sql_drop_views[] = "do $$ declare v_list text; begin\n"
				     "	select string_agg(c.oid::regclass::text, ', ') into v_list from pg_class c\n"
				     "		where c.relnamespace = 'report'::regnamespace and c.relkind = 'v';\n"
				     "	if v_list is not null then execute 'drop view ' || v_list; end if;\n"
				     "end $$";
/* Rows of pg_proc that this transaction didn't write are functions that no file makes any more; to be asked
 * before grants.sql, which writes them all. */
static const char sql_drop_functions[] =
	"do $$ declare r record; begin\n"
	"	for r in select p.oid::regprocedure as routine from pg_proc p\n"
	"		where p.pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'report'::regnamespace)\n"
	"		and p.xmin::text::bigint <> pg_current_xact_id()::text::bigint & 4294967295\n"
	"	loop execute format('drop routine %s', r.routine); end loop;\n"
	"end $$";

/* For definitions that "create or replace" refuses to change in place: another result type, another parameter's name.
 */
static const char sql_drop_routines[] =
	"do $$ declare v_list text; begin\n"
	"	select string_agg(p.oid::regprocedure::text, ', ') into v_list from pg_proc p\n"
	"		where p.pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'report'::regnamespace);\n"
	"	if v_list is not null then execute 'drop routine ' || v_list; end if;\n"
	"end $$";
#define STATE_DEFINITION "42P13" /* invalid_function_definition */

/* Line of the character number `position` (from 1, as PostgreSQL counts) in UTF-8 text. */
static int line_of(const struct buf *text, long position)
{
	int line = 1;
	for (size_t i = 0; i < text->len; i++) {
		if (((unsigned char)text->data[i] & 0xc0) != 0x80 && --position == 0)
			break;
		line += text->data[i] == '\n';
	}
	return line;
}

/* "file:line: message", or the number of the statement where PostgreSQL names no position. */
static void describe_error(PGconn *conn, const PGresult *r, const struct sqldir *dir, const struct sql_file *file,
			   int statement, struct buf *error)
{
	char line[512];
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
	buf_addf(error, "%s/%s:", dir->path, file->name);
	if (position)
		buf_addf(error, "%d:", line_of(&file->text, strtol(position, NULL, 10)));
	else
		buf_addf(error, " statement %d:", statement);
	buf_addf(error, " %s", text ? text : db_error_line(PQerrorMessage(conn), line, sizeof(line)));
	static const struct {
		int field;
		const char *title;
	} more[] = { { PG_DIAG_MESSAGE_DETAIL, "detail" },
		     { PG_DIAG_MESSAGE_HINT, "hint" },
		     { PG_DIAG_CONTEXT, "in" } };
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		const char *value = PQresultErrorField(r, more[i].field);
		if (value)
			buf_addf(error, "\n  %s: %s", more[i].title, value);
	}
}

/* Runs a file's statements in the transaction that is open. state (may be NULL) gets the SQLSTATE of an error. */
static bool run_file(PGconn *conn, const struct sqldir *dir, struct sql_file *file, struct buf *state,
		     struct buf *error)
{
	if (!PQsendQuery(conn, buf_cstr(&file->text))) {
		buf_add_str(error, PQerrorMessage(conn));
		return false;
	}
	bool ok = true;
	int statement = 1;
	for (PGresult *r = PQgetResult(conn); r; r = PQgetResult(conn), statement++) {
		ExecStatusType status = PQresultStatus(r);
		if (ok && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
			ok = false;
			describe_error(conn, r, dir, file, statement, error);
			if (state)
				buf_add_str(state, db_sqlstate(r));
		}
		PQclear(r);
	}
	if (ok && PQtransactionStatus(conn) != PQTRANS_INTRANS) {
		ok = false;
		buf_addf(error, "%s/%s ends its transaction, which is the runner's to do", dir->path, file->name);
	}
	return ok;
}

static bool become_owner(PGconn *conn, struct buf *error)
{
	if (cli_command(conn, sql_owner, 0, NULL, error))
		return true;
	buf_addf(error, "; an administrator has to run: grant craft_owner to %s", PQuser(conn));
	return false;
}

/* Commits when ok is true, else rolls back. */
static bool finish(PGconn *conn, bool ok, struct buf *error)
{
	autobuf ignored = { 0 };
	if (ok)
		return cli_command(conn, "commit", 0, NULL, error);
	(void)cli_command(conn, "rollback", 0, NULL, &ignored);
	return false;
}

static bool apply_roles(PGconn *conn, const struct sqldir *dir, struct buf *error)
{
	return cli_command(conn, "begin", 0, NULL, error) &&
	       finish(conn, run_file(conn, dir, &dir->roles.list[0], NULL, error), error);
}

static bool make_records(PGconn *conn, struct buf *error)
{
	bool ok = cli_command(conn, "begin", 0, NULL, error) && become_owner(conn, error);
	if (ok) {
		autoresult *r = PQexec(conn, sql_make_records);
		ok = PQresultStatus(r) == PGRES_COMMAND_OK;
		if (!ok)
			buf_add_str(error, PQresultErrorMessage(r));
	}
	return finish(conn, ok, error);
}

static bool apply_migration(PGconn *conn, const struct sqldir *dir, struct sql_file *file, struct buf *error)
{
	char version[16];
	(void)snprintf(version, sizeof(version), "%d", file->version);
	bool ok = cli_command(conn, "begin", 0, NULL, error) && become_owner(conn, error) &&
		  run_file(conn, dir, file, NULL, error) &&
		  cli_command(conn, sql_record, 3, (const char *const[]){ version, file->name, file->sha256 }, error);
	return finish(conn, ok, error);
}

static bool try_code(PGconn *conn, const struct sqldir *dir, bool drop_first, struct buf *state, struct buf *error)
{
	bool ok = cli_command(conn, "begin", 0, NULL, error) && become_owner(conn, error) &&
		  cli_command(conn, sql_drop_views, 0, NULL, error) &&
		  (!drop_first || cli_command(conn, sql_drop_routines, 0, NULL, error));
	size_t grants = dir->code.count - 1;
	for (size_t i = 0; ok && i < grants; i++)
		ok = run_file(conn, dir, &dir->code.list[i], state, error);
	ok = ok && cli_command(conn, sql_drop_functions, 0, NULL, error) &&
	     run_file(conn, dir, &dir->code.list[grants], state, error) &&
	     cli_command(conn, sql_record_code, 1, (const char *const[]){ dir->code_sha256 }, error);
	return finish(conn, ok, error);
}

/* Functions are replaced in place, which running daemons don't notice, and made anew only where that can't be. */
static bool apply_code(PGconn *conn, const struct sqldir *dir, struct buf *error)
{
	autobuf state = { 0 };
	if (try_code(conn, dir, false, &state, error))
		return true;
	if (!slice_eq_str(buf_slice(&state), STATE_DEFINITION))
		return false;
	buf_clear(error);
	return try_code(conn, dir, true, NULL, error);
}

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

static bool apply(PGconn *conn, const struct sqldir *dir, const struct schema_state *state, bool has_records,
		  struct buf *error)
{
	if (!apply_roles(conn, dir, error) || (!has_records && !make_records(conn, error)))
		return false;
	for (size_t i = (size_t)state->version; i < dir->migrations.count; i++) {
		if (!apply_migration(conn, dir, &dir->migrations.list[i], error))
			return false;
		(void)printf("applied %s\n", dir->migrations.list[i].name);
	}
	if (!state->code_differs)
		return true;
	if (!apply_code(conn, dir, error))
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
