/* check.c: tries what the server needs, one thing after the other: configuration, database, BLOB_DIR, daemons, nginx,
 * sandbox hosts. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "blob_dir.h"
#include "check_http.h"
#include "cleanup.h"
#include "cli.h"
#include "json.h"
#include "known_holes.h"
#include "report.h"
#include "schema.h"

static const char sql_role[] =
	"select current_user, (select rolsuper from pg_catalog.pg_roles where rolname = current_user), "
	"pg_is_in_recovery(), current_setting('synchronous_commit') in ('off', 'local') or "
	"current_setting('fsync') = 'off', current_setting('server_encoding')";
enum role_column { ROLE, SUPERUSER, STANDBY, UNSAFE, ENCODING };
static const char sql_forbidden[] =
	"select count(*) from pg_catalog.pg_proc p where p.pronamespace = 'api'::regnamespace "
	"and not has_function_privilege(p.oid, 'execute')";
static const char sql_migrations[] =
	"select version, name, sha256 from api.admin_migrations() where version is not null order by version";
static const char sql_code[] = "select sha256 from api.admin_migrations() where version is null";
static const char sql_hosts[] = "select host, protection, seen_seconds from api.admin_hosts() where alive";

struct check {
	const struct conf *conf;
	const struct cli_options *options;
	struct report report;
	struct buf good; /* JSON: the elements so far */
};

static void good(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void good(struct check *c, const char *fmt, ...)
{
	va_list ap;
	char what[1024];
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	report_text(&c->report, "ok", what, NULL, NULL);
	if (c->good.len)
		buf_add_char(&c->good, ',');
	json_encode(&c->good, slice_of(what));
}

/* ---- configuration ---- */

static void check_configuration(struct check *c)
{
	static const char how[] = "make one with: openssl rand -hex 32";
	int before = c->report.wrong;
	if (!c->conf->api_key)
		report_problem(&c->report, how, "API_KEY is not set, and the daemons need it");
	if (!c->conf->encryption_key)
		report_problem(&c->report, how, "ENCRYPTION_KEY is not set, and craft-fcgi needs it");
	if (c->report.wrong == before)
		good(c, "the configuration has what the daemons need");
}

/* ---- database ---- */

static bool check_role(struct check *c, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_role, 0, NULL, error);
	if (!r)
		return false;
	if (PQgetvalue(r, 0, SUPERUSER)[0] == 't')
		report_problem(&c->report, "let DATABASE_URL log in as craft_daemon",
			       "the daemons would be superusers of the database");
	if (PQgetvalue(r, 0, STANDBY)[0] == 't')
		report_problem(&c->report,
			       "name the primary in DATABASE_URL, or all with target_session_attrs=read-write",
			       "this database is a standby, which takes no writes");
	if (PQgetvalue(r, 0, UNSAFE)[0] == 't')
		report_problem(&c->report, "set synchronous_commit and fsync to on",
			       "acknowledged changes can be lost in a crash");
	if (strcmp(PQgetvalue(r, 0, ENCODING), "UTF8") != 0)
		report_problem(&c->report, "make one with createdb -E UTF8 -T template0",
			       "the database's encoding is %s", PQgetvalue(r, 0, ENCODING));
	good(c, "the database answers, to the role %s", PQgetvalue(r, 0, ROLE));
	return true;
}

static bool check_schema(struct check *c, PGconn *conn, struct buf *error)
{
	autosqldir dir = { 0 };
	struct schema_state state;
	if (!sqldir_load(&dir, c->options->sql_dir, error) || !cli_has_schema(conn, error))
		return false;
	autoresult *recorded = cli_query(conn, sql_migrations, 0, NULL, error);
	autoresult *code = recorded ? cli_query(conn, sql_code, 0, NULL, error) : NULL;
	if (!code || !schema_compare(&dir, recorded, code, &state, error))
		return false;
	if (state.code_differs)
		report_problem(&c->report, "run craft-cloud migrate", "the database is behind this program");
	else
		good(c, "the schema is that of this program, version %d", state.version);
	autoresult *forbidden = cli_query(conn, sql_forbidden, 0, NULL, error);
	if (!forbidden)
		return false;
	if (strcmp(PQgetvalue(forbidden, 0, 0), "0") != 0)
		report_problem(&c->report, "let DATABASE_URL log in as craft_daemon, and run craft-cloud migrate",
			       "the role may not execute %s functions of schema api", PQgetvalue(forbidden, 0, 0));
	else
		good(c, "the role may execute what the daemons need");
	return true;
}

static bool check_hosts(struct check *c, PGconn *conn, struct buf *error)
{
	autoresult *r = cli_query(conn, sql_hosts, 0, NULL, error);
	if (!r)
		return false;
	for (int i = 0; i < PQntuples(r); i++)
		good(c, "the sandbox host %s lives; its self-check: %s", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
	if (PQntuples(r) == 0)
		good(c, "no sandbox host runs (if there should be one, start craft-sandboxd)");
	return true;
}

static void check_database(struct check *c)
{
	autobuf error = { 0 };
	autoconn *conn = db_connect(c->conf->database_url, "craft-cloud", NULL, 0, &error);
	if (!conn)
		report_problem(&c->report, "start PostgreSQL, or correct DATABASE_URL",
			       "can't connect to PostgreSQL: %s", buf_cstr(&error));
	else if (!check_role(c, conn, &error) || !check_schema(c, conn, &error) || !check_hosts(c, conn, &error))
		report_problem(&c->report, "mend that first, and run this again", "%s", buf_cstr(&error));
}

/* ---- blobs ---- */

static bool make_file(const struct blobs *blobs, struct buf *error)
{
	struct blob_draft draft = BLOB_DRAFT_NONE;
	if (blobs_create(blobs, &draft) != BLOB_OK)
		buf_addf(error, "can't make a file in BLOB_DIR: %s", strerror(errno));
	blob_draft_end(blobs, &draft);
	return error->len == 0;
}

static void check_blob_dir(struct check *c)
{
	autobuf error = { 0 };
	autoblobs blobs = BLOBS_NONE;
	if (blobs_open(&blobs, c->conf->blob_dir, &error) && make_file(&blobs, &error)) {
		good(c, "files can be made in BLOB_DIR (%s)", c->conf->blob_dir);
		return;
	}
	blob_dir_explain(c->conf, &error);
	report_problem(&c->report, "make it for the daemons' user, and run this as that user", "%s", buf_cstr(&error));
}

/* ---- daemons and nginx ---- */

/* Does somebody listen on the unix socket, so that the caller may connect? */
static bool answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static void check_socket(struct check *c, const char *daemon, const char *key, const char *path)
{
	if (answers(path)) {
		good(c, "%s listens on %s", daemon, path);
		return;
	}
	autobuf mend = { 0 };
	buf_addf(&mend, "start %s, or correct %s", daemon, key);
	report_problem(&c->report, buf_cstr(&mend), "%s doesn't answer on %s: %s", daemon, path, strerror(errno));
}

static void check_nginx(struct check *c)
{
	autobuf error = { 0 };
	const char *url = c->options->url ? c->options->url : c->conf->public_url;
	if (!url)
		good(c, "nginx was not asked: no --url, and PUBLIC_URL is not set");
	else if (check_http(url, c->options->ca_file, &error))
		good(c, "clients reach the service at %s", url);
	else
		report_problem(&c->report,
			       "see that nginx runs, includes craft-agent-cloud.conf and may write to the sockets",
			       "clients don't reach the service at %s: %s", url, buf_cstr(&error));
}

/* ---- what all of it stands on ---- */

static void warn_of_hole(void *user, const struct hole_found *hole)
{
	struct check *c = user;
	report_warning(&c->report, "%s %s has a known hole (%s): %s; %s", hole->part, hole->version, hole->ids,
		       hole->what, hole->mended);
}

static void check_holes(struct check *c)
{
	known_holes_find(HOLES_BUBBLEWRAP | HOLES_NGINX | HOLES_GIT | HOLES_LIBFCGI | HOLES_AGENT,
			 c->conf->sandbox_agent, warn_of_hole, c);
}

enum cli_exit cli_check(const struct conf *conf, const struct cli_options *options)
{
	struct check c = { .conf = conf, .options = options, .report.json = options->json };
	if (options->blobs)
		return cli_check_blobs(conf);
	check_configuration(&c);
	check_database(&c);
	check_blob_dir(&c);
	check_socket(&c, "craft-fcgi", "FCGI_LISTEN", conf->fcgi_listen);
	check_socket(&c, "craft-fcgi", "FCGI_UPLOAD_LISTEN", conf->fcgi_upload_listen);
	check_socket(&c, "craft-fcgi", "FCGI_GITHUB_LISTEN", conf->fcgi_github_listen);
	check_socket(&c, "craft-ws-bridge", "WS_LISTEN", conf->ws_listen);
	check_nginx(&c);
	check_holes(&c);
	autobuf all = { 0 };
	buf_addf(&all, "[%s]", buf_cstr(&c.good));
	report_json(&c.report, NULL, NULL, "ok", buf_cstr(&all));
	autobuf warnings = { 0 };
	buf_addf(&warnings, "[%s]", buf_cstr(&c.report.warnings));
	report_json(&c.report, NULL, NULL, "warnings", buf_cstr(&warnings));
	buf_free(&c.report.warnings);
	buf_free(&c.good);
	return report_end(&c.report);
}
