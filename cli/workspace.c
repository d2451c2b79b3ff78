/* workspace.c: lists workspaces, shows what is in one, deletes one. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static const char sql_list[] = "select slug, sessions, messages, message_bytes, to_char(last_change_at at time "
			       "zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
			       "from api.admin_workspaces() order by slug";
static const char sql_list_json[] =
	"select coalesce(json_agg(json_build_object('workspace', slug, 'sessions', sessions, 'messages', messages, "
	"'messageBytes', message_bytes, 'changes', seq, 'lastChangeAt', to_char(last_change_at at time zone 'UTC', "
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')) order by slug), '[]') from api.admin_workspaces()";
static const char sql_show[] =
	"select workspace, created_at as \"created at\", coalesce(last_change_at, '-') as \"last change at\", changes, "
	"changes_kept as \"changes in the log\", sessions, messages, message_bytes as \"message bytes\", sources, "
	"configs, skills, "
	"plans, projects, credentials, files, file_bytes as \"file bytes\", sandboxes from api.workspace_contents($1)";
static const char sql_show_json[] =
	"select json_build_object('workspace', workspace, 'createdAt', created_at, 'lastChangeAt', last_change_at, "
	"'changes', changes, 'changesKept', changes_kept, 'sessions', sessions, 'messages', messages, 'messageBytes', "
	"message_bytes, 'sources', sources, 'configs', configs, 'skills', skills, 'plans', plans, 'projects', "
	"projects, "
	"'credentials', credentials, 'files', files, 'fileBytes', file_bytes, 'sandboxes', sandboxes) "
	"from api.workspace_contents($1)";
static const char sql_delete[] = "select api.workspace_delete($1)";

static void print_list(const PGresult *r)
{
	(void)printf("%-32s %10s %12s %16s  %s\n", "WORKSPACE", "SESSIONS", "MESSAGES", "BYTES", "LAST CHANGE");
	for (int i = 0; i < PQntuples(r); i++) {
		cli_print_text(PQgetvalue(r, i, 0), 32);
		(void)printf(" %10s %12s %16s  %s\n", PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), PQgetvalue(r, i, 3),
			     PQgetisnull(r, i, 4) ? "-" : PQgetvalue(r, i, 4));
	}
}

enum cli_exit cli_workspace_list(const struct conf *conf, const struct cli_options *options)
{
	autobuf error = { 0 };
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autoresult *r = cli_has_schema(conn, &error)
				? cli_query(conn, options->json ? sql_list_json : sql_list, 0, NULL, &error)
				: NULL;
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	if (options->json)
		(void)puts(PQgetvalue(r, 0, 0));
	else
		print_list(r);
	return CLI_OK;
}

static enum cli_exit no_workspace(void)
{
	return cli_fail("there is no such workspace; craft-cloud workspace list shows them");
}

static void print_contents(const PGresult *r)
{
	for (int i = 0; i < PQnfields(r); i++) {
		(void)printf("%-18s ", PQfname(r, i));
		cli_print_text(PQgetvalue(r, 0, i), 0);
		(void)putchar('\n');
	}
}

enum cli_exit cli_workspace_show(const struct conf *conf, const struct cli_options *options)
{
	autobuf error = { 0 };
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autoresult *r = cli_has_schema(conn, &error)
				? cli_query(conn, options->json ? sql_show_json : sql_show, 1, options->args, &error)
				: NULL;
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	if (PQntuples(r) == 0)
		return no_workspace();
	if (options->json)
		(void)puts(PQgetvalue(r, 0, 0));
	else
		print_contents(r);
	return CLI_OK;
}

enum cli_exit cli_workspace_delete(const struct conf *conf, const struct cli_options *options)
{
	autobuf error = { 0 };
	if (!options->yes)
		return cli_fail(
			"this deletes the workspace with all that is in it, and makes all clients reload: say --yes "
			"(craft-cloud workspace export makes a copy first)");
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autoresult *r = cli_query(conn, sql_delete, 1, options->args, &error);
	if (!r)
		return cli_fail("%s", buf_cstr(&error));
	const char *status = PQgetvalue(r, 0, 0);
	if (strcmp(status, "missing") == 0)
		return no_workspace();
	if (strcmp(status, "ok") != 0)
		return cli_fail("sandboxes of this workspace run, or are being removed: end them first");
	(void)printf("deleted ");
	cli_print_text(options->args[0], 0);
	(void)puts("; the bytes of its files go with craft-cloud gc, in five minutes");
	return CLI_OK;
}
