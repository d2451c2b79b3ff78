/* status.c: versions, what is in the database, who is connected, the queue, sandbox hosts, disks, and what is wrong. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "cleanup.h"
#include "cli.h"
#include "report.h"
#include "schema.h"

/* The schema's owner isn't needed for this: the daemons' role may execute api. */
static const char sql_has_schema[] = "select to_regprocedure('api.admin_migrations()') is not null";
static const char sql_migrations[] =
	"select version, name, sha256 from api.admin_migrations() where version is not null order by version";
static const char sql_code[] = "select sha256 from api.admin_migrations() where version is null";
/* As shown and as JSON, by turns; what is judged follows. */
static const char sql_contents[] =
	"select epoch, to_json(epoch), workspaces, workspaces, sessions, sessions, messages, messages, "
	"pg_size_pretty(message_bytes), message_bytes, changes, changes, changes_kept, changes_kept, files, files, "
	"pg_size_pretty(file_bytes), file_bytes, deleted_blobs, deleted_blobs, q.percent, q.percent, "
	"pg_size_pretty(d.size), d.size, s.version, to_json(s.version), q.percent > 50, "
	"current_setting('synchronous_commit') in ('off', 'local') or current_setting('fsync') = 'off' "
	"from api.admin_contents(), (select round(100 * pg_notification_queue_usage()::numeric, 1) as percent) q, "
	"(select pg_database_size(current_database()) as size) d, (select current_setting('server_version') as "
	"version) s";
static const struct {
	const char *title, *key;
} contents[] = {
	{ "epoch", "epoch" },
	{ "workspaces", "workspaces" },
	{ "sessions", "sessions" },
	{ "messages", "messages" },
	{ "message bytes", "messageBytes" },
	{ "changes", "changes" },
	{ "changes in the log", "changesKept" },
	{ "files", "files" },
	{ "file bytes", "fileBytes" },
	{ "deleted blobs", "deletedBlobs" },
	{ "notify queue, %", "notifyQueuePercent" },
	{ "database size", "databaseBytes" },
	{ "PostgreSQL", "postgresVersion" },
};
#define CONTENTS (sizeof(contents) / sizeof(*contents))

static const char sql_daemons[] =
	"select application_name, count(*) from pg_catalog.pg_stat_activity where datname = current_database() "
	"and application_name like 'craft-%' and pid <> pg_backend_pid() group by 1 order by 1";
static const char sql_daemons_json[] =
	"select coalesce(json_object_agg(d.name, d.n), '{}') from (select application_name as name, count(*) as n from "
	"pg_catalog.pg_stat_activity where datname = current_database() and application_name like 'craft-%' "
	"and pid <> pg_backend_pid() group by 1 order by 1) d";
static const char sql_queue[] =
	"select sandboxes, unclaimed, unclaimed_seconds, waiting, waiting_seconds, running, "
	"json_build_object('sandboxes', "
	"sandboxes, 'unclaimed', unclaimed, 'unclaimedSeconds', unclaimed_seconds, 'waitingTasks', waiting, "
	"'waitingSeconds', waiting_seconds, 'runningTasks', running) from api.admin_queue()";
enum queue_column { SANDBOXES, UNCLAIMED, UNCLAIMED_AGE, WAITING, WAITING_AGE, RUNNING, QUEUE_JSON };
static const char sql_hosts[] =
	"select host, version, alive, stopped, seen_seconds, capacity, sandboxes from api.admin_hosts()";
enum host_column { HOST, HOST_VERSION, ALIVE, STOPPED, SEEN, CAPACITY, HOST_SANDBOXES };
static const char sql_hosts_json[] =
	"select coalesce(json_agg(json_build_object('host', host, 'version', version, 'protection', protection, "
	"'alive', "
	"alive, 'stopped', stopped, 'seenSeconds', seen_seconds, 'capacity', capacity, 'sandboxes', sandboxes)), '[]') "
	"from api.admin_hosts()";

static const char sql_logs[] =
	"select pg_size_pretty(change_bytes), pg_size_pretty(change_limit), change_workspace, "
	"pg_size_pretty(stream_bytes), "
	"pg_size_pretty(stream_limit), stream_workspace, json_build_object('changeBytes', change_bytes, 'changeLimit', "
	"change_limit, 'changeWorkspace', change_workspace, 'streamBytes', stream_bytes, 'streamLimit', stream_limit, "
	"'streamWorkspace', stream_workspace) from api.log_usage()";
enum log_column { LOG_BYTES, LOG_LIMIT, LOG_WORKSPACE, STREAM_BYTES, STREAM_LIMIT, STREAM_WORKSPACE, LOGS_JSON };

#define LONG_WAIT 60	    /* s */
#define LOW_DISK 5	    /* percent */
#define FORGOTTEN_HOST 3600 /* s after which a host that was lost is no news */

static bool report_schema(struct report *report, PGconn *conn, const struct sqldir *dir, struct buf *error)
{
	struct schema_state state;
	char number[16];
	autoresult *recorded = cli_query(conn, sql_migrations, 0, NULL, error);
	autoresult *code = recorded ? cli_query(conn, sql_code, 0, NULL, error) : NULL;
	report_text(report, "program", PACKAGE_VERSION, "program", PACKAGE_VERSION);
	if (!recorded || !code || !schema_compare(dir, recorded, code, &state, error))
		return false;
	(void)snprintf(number, sizeof(number), "%d", state.version);
	report_json(report, "schema version", number, "schemaVersion", number);
	(void)snprintf(number, sizeof(number), "%d", state.pending);
	report_json(report, "pending migrations", number, "pendingMigrations", number);
	if (state.code_differs)
		report_problem(report, "run craft-cloud migrate", "the database is behind this program");
	return true;
}

static bool report_contents(struct report *report, PGconn *conn, struct buf *error)
{
	enum { QUEUE_FULL = CONTENTS * 2, UNSAFE };
	autoresult *r = cli_query(conn, sql_contents, 0, NULL, error);
	if (!r)
		return false;
	for (size_t i = 0; i < CONTENTS; i++)
		report_json(report, contents[i].title, PQgetvalue(r, 0, (int)i * 2), contents[i].key,
			    PQgetvalue(r, 0, (int)i * 2 + 1));
	if (PQgetvalue(r, 0, QUEUE_FULL)[0] == 't')
		report_problem(report, "find it in pg_stat_activity (idle in transaction) and end it",
			       "the notification queue fills up, as some session that listens doesn't read");
	if (PQgetvalue(r, 0, UNSAFE)[0] == 't')
		report_problem(report, "set synchronous_commit and fsync to on",
			       "acknowledged changes can be lost in a crash");
	return true;
}

/* "the longest 3 MB of 128 MB: team" */
static void report_log(struct report *report, const char *title, const PGresult *r, int column)
{
	autobuf line = { 0 };
	buf_addf(&line, "the longest %s of %s", PQgetvalue(r, 0, column), PQgetvalue(r, 0, column + 1));
	if (PQgetvalue(r, 0, column + 2)[0])
		buf_addf(&line, ": %s", PQgetvalue(r, 0, column + 2));
	report_text(report, title, buf_cstr(&line), NULL, NULL);
}

static bool report_logs(struct report *report, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_logs, 0, NULL, error);
	if (!r)
		return false;
	report_log(report, "change logs", r, LOG_BYTES);
	report_log(report, "sandbox streams", r, STREAM_BYTES);
	report_json(report, NULL, NULL, "logs", PQgetvalue(r, 0, LOGS_JSON));
	return true;
}

static bool report_daemons(struct report *report, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, report->json ? sql_daemons_json : sql_daemons, 0, NULL, error);
	if (!r)
		return false;
	if (report->json) {
		report_json(report, NULL, NULL, "connections", PQgetvalue(r, 0, 0));
		return true;
	}
	for (int i = 0; i < PQntuples(r); i++)
		(void)printf("%-18s %s connection%s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
			     strcmp(PQgetvalue(r, i, 1), "1") == 0 ? "" : "s");
	if (PQntuples(r) == 0)
		(void)puts("daemons            none connected");
	return true;
}

static int64_t number_of(const PGresult *r, int row, int column)
{
	return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

static bool report_queue(struct report *report, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_queue, 0, NULL, error);
	autobuf line = { 0 };
	if (!r)
		return false;
	buf_addf(&line, "%s, %s without a host; tasks: %s wait, %s run", PQgetvalue(r, 0, SANDBOXES),
		 PQgetvalue(r, 0, UNCLAIMED), PQgetvalue(r, 0, WAITING), PQgetvalue(r, 0, RUNNING));
	report_json(report, "sandboxes", buf_cstr(&line), "queue", PQgetvalue(r, 0, QUEUE_JSON));
	if (number_of(r, 0, UNCLAIMED_AGE) > LONG_WAIT)
		report_problem(report, "start craft-sandboxd on another machine, or raise SANDBOX_MAX",
			       "a sandbox waits for a host since %" PRId64 " s", number_of(r, 0, UNCLAIMED_AGE));
	else if (number_of(r, 0, WAITING_AGE) > LONG_WAIT)
		report_problem(report, "look at the log of craft-sandboxd on its host (report.tasks says which)",
			       "a task isn't taken since %" PRId64 " s", number_of(r, 0, WAITING_AGE));
	return true;
}

static void report_host(struct report *report, const PGresult *r, int row)
{
	autobuf line = { 0 };
	bool alive = PQgetvalue(r, row, ALIVE)[0] == 't', stopped = PQgetvalue(r, row, STOPPED)[0] == 't';
	buf_addf(&line, "%s, version %s, %s, %s of %s sandboxes", PQgetvalue(r, row, HOST),
		 PQgetvalue(r, row, HOST_VERSION),
		 alive	   ? "alive"
		 : stopped ? "stopped"
			   : "lost",
		 PQgetvalue(r, row, HOST_SANDBOXES), PQgetvalue(r, row, CAPACITY));
	report_text(report, "sandbox host", buf_cstr(&line), NULL, NULL);
	if (!alive && !stopped && number_of(r, row, SEEN) < FORGOTTEN_HOST)
		report_problem(report, "start craft-sandboxd there, or see why it can't reach the database",
			       "the sandbox host %s said nothing for %s s", PQgetvalue(r, row, HOST),
			       PQgetvalue(r, row, SEEN));
}

static bool report_hosts(struct report *report, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_hosts, 0, NULL, error);
	autoresult *json = r ? cli_query(conn, sql_hosts_json, 0, NULL, error) : NULL;
	if (!r || !json)
		return false;
	report_json(report, NULL, NULL, "sandboxHosts", PQgetvalue(json, 0, 0));
	for (int i = 0; i < PQntuples(r); i++)
		report_host(report, r, i);
	return true;
}

/* Of this machine; where BLOB_DIR is elsewhere there is nothing to say. */
static void report_disk(struct report *report, const char *dir)
{
	struct statvfs fs;
	autobuf line = { 0 }, json = { 0 };
	if (statvfs(dir, &fs) || fs.f_blocks == 0)
		return;
	uint64_t free = (uint64_t)fs.f_bavail * fs.f_frsize, size = (uint64_t)fs.f_blocks * fs.f_frsize;
	unsigned percent = (unsigned)(100 * fs.f_bavail / fs.f_blocks);
	buf_addf(&line, "%" PRIu64 " MB free of %" PRIu64 " MB", free >> 20, size >> 20);
	buf_addf(&json, "{\"freeBytes\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", free, size);
	report_json(report, "disk of BLOB_DIR", buf_cstr(&line), "blobDisk", buf_cstr(&json));
	if (percent < LOW_DISK)
		report_problem(report, "delete files and run craft-cloud gc, or give it more room",
			       "the disk of BLOB_DIR has %u%% left", percent);
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
	struct report report = { .json = options->json };
	if (!sqldir_load(&dir, options->sql_dir, &error))
		return cli_fail("%s", buf_cstr(&error));
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	if (!cli_has_schema(conn, &error))
		return cli_fail("%s", buf_cstr(&error));
	bool all = report_schema(&report, conn, &dir, &error) && report_contents(&report, conn, &error) &&
		   report_logs(&report, conn, &error) && report_daemons(&report, conn, &error) &&
		   report_queue(&report, conn, &error) && report_hosts(&report, conn, &error);
	report_disk(&report, conf->blob_dir);
	if (!all)
		report_problem(&report, "mend that first, and run this again", "%s", buf_cstr(&error));
	return report_end(&report);
}
