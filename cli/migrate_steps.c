/* migrate_steps.c: the transactions of a migration, beside daemons that go on working. */
#include "migrate_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"
#include "cli.h"
#include "clock.h"

/* A lock that isn't there after so long is given up, with the whole transaction: whoever asks for the same table queues
 * behind who waits for it, and would wait as long as, say, a dump takes. Shorter than PostgreSQL's deadlock_timeout, so
 * that of two who wait for one another it is the migration that gives up; and than the lock_timeout of craft-fcgi. */
#define LOCK_TIMEOUT "500ms"
#define PATIENCE 120	    /* s of trying again */
#define RETIRED_PATIENCE 30 /* s that old transactions get to end */
#define PAUSE_MIN 200	    /* ms */
#define PAUSE_MAX 2000	    /* ms */

#define STATE_DEFINITION "42P13" /* invalid_function_definition */

static const char sql_record[] =
	"insert into app.schema_migration (version, name, sha256) values ($1::integer, $2, $3)";
static const char sql_record_code[] =
	"insert into app.schema_code (sha256) values ($1) "
	"on conflict (one) do update set sha256 = excluded.sha256, applied_at = excluded.applied_at";

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
#define OUR_ROUTINES                                                                                                   \
	"pg_proc p where p.pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'report'::regnamespace)"
#define RETIRED "p.proname like 'retired %'"
/* Rows of pg_proc that this transaction didn't write are functions that no file makes any more, or, before it has
 * written any, all of them; the former is to be asked before grants.sql, which writes them all. They get another name
 * first: who has planned a statement with one of them runs it once more, where a function that is gone would be an
 * error ("cache lookup failed for function"). */
static const char sql_retire_functions[] =
	"do $$ declare r record; begin\n"
	"	for r in select p.oid, p.oid::regprocedure as routine from " OUR_ROUTINES "\n"
	"		and p.xmin::text::bigint <> pg_current_xact_id()::text::bigint & 4294967295 and not " RETIRED
	"\n"
	"	loop execute format('alter routine %s rename to %I', r.routine, 'retired ' || r.oid); end loop;\n"
	"end $$";
static const char sql_any_retired[] = "select exists (select from " OUR_ROUTINES " and " RETIRED ")";
static const char sql_drop_retired[] =
	"do $$ declare r record; begin\n"
	"	for r in select p.oid::regprocedure as routine from " OUR_ROUTINES " and " RETIRED "\n"
	"	loop execute format('drop routine %s', r.routine); end loop;\n"
	"end $$";
/* Transactions that are under way, and whether one of these is still. */
static const char sql_transactions[] = "select coalesce(array_agg(virtualtransaction), '{}') from pg_locks "
				       "where locktype = 'virtualxid' and pid <> pg_backend_pid()";
static const char sql_still[] = "select exists (select from pg_locks "
				"where locktype = 'virtualxid' and virtualtransaction = any ($1::text[]))";

struct step {
	PGconn *conn;
	struct sqldir *dir;
	struct sql_file *file; /* of migrate_file() */
	bool anew;	       /* of migrate_code(): nothing is replaced in place */
	bool said;	       /* that it waits */
	char state[6];	       /* SQLSTATE of the statement that failed; "" */
	struct buf *error;
};

static void note_state(struct step *s, const PGresult *r)
{
	(void)snprintf(s->state, sizeof(s->state), "%s", db_sqlstate(r));
}

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
static void describe_error(struct step *s, const PGresult *r, const struct sql_file *file, int statement)
{
	const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
	buf_addf(s->error, "%s/%s:", s->dir->path, file->name);
	if (position)
		buf_addf(s->error, "%d:", line_of(&file->text, strtol(position, NULL, 10)));
	else
		buf_addf(s->error, " statement %d:", statement);
	buf_add_char(s->error, ' ');
	cli_add_error(s->conn, r, s->error);
	static const struct {
		int field;
		const char *title;
	} more[] = { { PG_DIAG_MESSAGE_DETAIL, "detail" },
		     { PG_DIAG_MESSAGE_HINT, "hint" },
		     { PG_DIAG_CONTEXT, "in" } };
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		const char *value = PQresultErrorField(r, more[i].field);
		if (value)
			buf_addf(s->error, "\n  %s: %s", more[i].title, value);
	}
}

/* Runs a file's statements in the transaction that is open. */
static bool run_file(struct step *s, struct sql_file *file)
{
	if (!PQsendQuery(s->conn, buf_cstr(&file->text))) {
		buf_add_str(s->error, PQerrorMessage(s->conn));
		return false;
	}
	bool ok = true;
	int statement = 1;
	for (PGresult *r = PQgetResult(s->conn); r; r = PQgetResult(s->conn), statement++) {
		ExecStatusType status = PQresultStatus(r);
		if (ok && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
			ok = false;
			describe_error(s, r, file, statement);
			note_state(s, r);
		}
		PQclear(r);
	}
	if (ok && PQtransactionStatus(s->conn) != PQTRANS_INTRANS) {
		ok = false;
		buf_addf(s->error, "%s/%s ends its transaction, which is the runner's to do", s->dir->path, file->name);
	}
	return ok;
}

/* One statement of our own, or several without parameters. */
static bool run(struct step *s, const char *sql, int params, const char *const *values)
{
	autoresult *r = params ? PQexecParams(s->conn, sql, params, NULL, values, NULL, NULL, 0) : PQexec(s->conn, sql);
	if (PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK)
		return true;
	note_state(s, r);
	cli_add_error(s->conn, r, s->error);
	return false;
}

static bool become_owner(struct step *s)
{
	if (run(s, "set local role craft_owner", 0, NULL))
		return true;
	buf_addf(s->error, "; an administrator has to run: grant craft_owner to %s", PQuser(s->conn));
	return false;
}

/* ---- a transaction, until it can be had ---- */

typedef bool step_fn(struct step *s);

/* Commits what work did, or takes it back. */
static bool attempt(struct step *s, step_fn *work)
{
	buf_clear(s->error);
	*s->state = '\0';
	bool ok = run(s, "begin", 0, NULL) && run(s, "set local lock_timeout = '" LOCK_TIMEOUT "'", 0, NULL) && work(s);
	if (ok)
		return run(s, "commit", 0, NULL);
	PQclear(PQexec(s->conn, "rollback"));
	return false;
}

/* Was somebody else at what it needed? */
static bool is_passing(const struct step *s)
{
	/* lock_not_available, deadlock_detected; the last one has no SQLSTATE of its own. */
	return strcmp(s->state, "55P03") == 0 || strcmp(s->state, "40P01") == 0 ||
	       (strcmp(s->state, "XX000") == 0 && strstr(buf_cstr(s->error), "concurrently updated"));
}

static void rest(int64_t ms)
{
	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void say_waiting(struct step *s)
{
	if (!s->said)
		(void)puts("waiting for a lock that another transaction holds; the server goes on meanwhile");
	(void)fflush(stdout);
	s->said = true;
}

static bool transact(struct step *s, step_fn *work)
{
	int64_t until = clock_ms() + INT64_C(1000) * PATIENCE, pause = PAUSE_MIN;
	while (!attempt(s, work)) {
		if (!is_passing(s))
			return false;
		if (clock_ms() >= until) {
			buf_addf(s->error,
				 "\n  hint: it was tried for %d s, and nothing is changed by it. Who holds what it "
				 "needs is "
				 "among the first of: select pid, xact_start, application_name, query from "
				 "pg_stat_activity where xact_start is not null order by xact_start",
				 PATIENCE);
			return false;
		}
		say_waiting(s);
		rest(pause);
		pause = pause * 2 > PAUSE_MAX ? PAUSE_MAX : pause * 2;
	}
	return true;
}

/* ---- the steps ---- */

static bool do_roles(struct step *s)
{
	return run_file(s, &s->dir->roles.list[0]);
}

static bool do_records(struct step *s)
{
	return become_owner(s) && run(s, sql_make_records, 0, NULL);
}

static bool do_file(struct step *s)
{
	char version[16];
	(void)snprintf(version, sizeof(version), "%d", s->file->version);
	return become_owner(s) && run_file(s, s->file) &&
	       run(s, sql_record, 3, (const char *const[]){ version, s->file->name, s->file->sha256 });
}

static bool do_code(struct step *s)
{
	const struct sql_files *code = &s->dir->code;
	bool ok = become_owner(s) && run(s, sql_drop_views, 0, NULL) &&
		  (!s->anew || run(s, sql_retire_functions, 0, NULL));
	size_t grants = code->count - 1;
	for (size_t i = 0; ok && i < grants; i++)
		ok = run_file(s, &code->list[i]);
	return ok && run(s, sql_retire_functions, 0, NULL) && run_file(s, &code->list[grants]) &&
	       run(s, sql_record_code, 1, (const char *const[]){ s->dir->code_sha256 });
}

bool migrate_roles(PGconn *conn, struct sqldir *dir, struct buf *error)
{
	return transact(&(struct step){ .conn = conn, .dir = dir, .error = error }, do_roles);
}

bool migrate_records(PGconn *conn, struct sqldir *dir, struct buf *error)
{
	return transact(&(struct step){ .conn = conn, .dir = dir, .error = error }, do_records);
}

bool migrate_file(PGconn *conn, struct sqldir *dir, struct sql_file *file, struct buf *error)
{
	return transact(&(struct step){ .conn = conn, .dir = dir, .file = file, .error = error }, do_file);
}

static bool do_drop_retired(struct step *s)
{
	return become_owner(s) && run(s, sql_drop_retired, 0, NULL);
}

static bool ask(PGconn *conn, const char *sql, const char *value, bool *answer, struct buf *error)
{
	autoresult *r = cli_query(conn, sql, value ? 1 : 0, &value, error);
	*answer = r && PQgetvalue(r, 0, 0)[0] == 't';
	return r != NULL;
}

/* Waits until the transactions have ended that began before the new functions were there: all others plan with these.
 * *over: they have. */
static bool wait_for_others(PGconn *conn, bool *over, struct buf *error)
{
	int64_t until = clock_ms() + INT64_C(1000) * RETIRED_PATIENCE;
	bool still = true;
	autoresult *others = cli_query(conn, sql_transactions, 0, NULL, error);
	if (!others)
		return false;
	for (;;) {
		if (!ask(conn, sql_still, PQgetvalue(others, 0, 0), &still, error))
			return false;
		*over = !still;
		if (*over || clock_ms() >= until)
			return true;
		rest(PAUSE_MIN);
	}
}

/* What stays now goes at the next change of functions. */
static bool drop_retired(struct step *s)
{
	bool any, over;
	if (!ask(s->conn, sql_any_retired, NULL, &any, s->error))
		return false;
	if (!any)
		return true;
	if (!wait_for_others(s->conn, &over, s->error))
		return false;
	if (over)
		return transact(s, do_drop_retired);
	(void)puts("functions that are replaced stay for now (\"retired ...\"): a long transaction may still use them");
	return true;
}

bool migrate_code(PGconn *conn, struct sqldir *dir, struct buf *error)
{
	struct step s = { .conn = conn, .dir = dir, .error = error };
	bool ok = transact(&s, do_code);
	if (!ok && strcmp(s.state, STATE_DEFINITION) == 0) {
		s.anew = true;
		ok = transact(&s, do_code);
	}
	return ok && drop_retired(&s);
}
