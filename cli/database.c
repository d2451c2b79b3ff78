/* database.c: connecting and single statements. */
#include <stdarg.h>
#include <stdio.h>

#include "cli.h"

#define INSUFFICIENT_PRIVILEGE "42501"

/* roles.sql needs "create schema if not exists" and friends to be quiet; warnings are for people. */
static void print_notice(void *arg, const PGresult *r)
{
	(void)arg;
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	if (severity && text && strcmp(severity, "WARNING") == 0)
		(void)fprintf(stderr, "craft-cloud: warning: %s\n", text);
}

PGconn *cli_connect(const char *url)
{
	autobuf error = { 0 };
	PGconn *conn = db_connect(url, "craft-cloud", NULL, 0, &error);
	if (!conn) {
		/* "Peer", mostly: the role goes with the user that asks. */
		if (strstr(buf_cstr(&error), "authentication failed"))
			buf_add_str(&error, "; run this as the daemons' user, or correct the URL");
		(void)cli_fail("can't connect to PostgreSQL: %s", buf_cstr(&error));
		return NULL;
	}
	(void)PQsetNoticeReceiver(conn, print_notice, NULL);
	/* Unlike the daemons' statements, ours look at whole tables. */
	PQclear(PQexec(conn, "set enable_seqscan = on"));
	return conn;
}

void cli_close(PGconn **conn)
{
	PQfinish(*conn);
}

void cli_clear(PGresult **result)
{
	PQclear(*result);
}

void cli_add_error(PGconn *conn, const PGresult *r, struct buf *error)
{
	char line[512];
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	buf_add_str(error, text ? text : db_error_line(PQerrorMessage(conn), line, sizeof(line)));
}

PGresult *cli_query(PGconn *conn, const char *sql, int params, const char *const *values, struct buf *error)
{
	PGresult *r = PQexecParams(conn, sql, params, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK)
		return r;
	cli_add_error(conn, r, error);
	if (strcmp(db_sqlstate(r), INSUFFICIENT_PRIVILEGE) == 0)
		buf_addf(error,
			 ": it takes the rights of craft_daemon (DATABASE_URL), for migrate an owner's "
			 "(DATABASE_OWNER_URL), "
			 "which %s lacks here",
			 PQuser(conn));
	PQclear(r);
	return NULL;
}

bool cli_command(PGconn *conn, const char *sql, int params, const char *const *values, struct buf *error)
{
	autoresult *r = cli_query(conn, sql, params, values, error);
	return r != NULL;
}

enum cli_exit cli_fail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fputs("craft-cloud: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	return CLI_FAILED;
}
