/* cli.h: what the commands of craft-cloud share: their options, exit codes and the way to the database. */
#ifndef CRAFT_CLI_H
#define CRAFT_CLI_H

#include <stdbool.h>

#include "buf.h"
#include "conf.h"
#include "db.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* What stands on the command line. Texts belong to argv. */
struct cli_options {
	const char *config;  /* NULL: the default file */
	const char *sql_dir; /* never NULL */
	bool dry_run;
	int64_t orphan_age; /* s */
	bool blobs;
	bool json;	     /* one JSON value on stdout */
	bool replace;	     /* workspace import: what is in it goes */
	bool yes;	     /* workspace delete: really */
	const char *url;     /* check: where clients reach the server; NULL: PUBLIC_URL */
	const char *ca_file; /* check: who may have signed its certificate; NULL: those of the system */
	const char *as;	     /* workspace import: the name; NULL: that of the archive */
	const char *const *args;
	int arg_count; /* as many as the command takes */
	const char *workspace, *name; /* of a key; NULL: not given, as the next two */
	const char *expires, *rate;
	bool read_only;
};

/* The commands. conf is loaded. */
enum cli_exit cli_migrate(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_status(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_workspace_list(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_workspace_show(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_workspace_delete(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_workspace_export(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_workspace_import(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_gc(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_check(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_check_blobs(const struct conf *conf);
enum cli_exit cli_rekey(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_key_add(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_key_list(const struct conf *conf, const struct cli_options *options);
enum cli_exit cli_key_revoke(const struct conf *conf, const struct cli_options *options);

/* Prints "craft-cloud: …" with a newline on stderr and returns CLI_FAILED. */
enum cli_exit cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints text that clients chose on stdout: it may hold what a terminal obeys, so control characters are shown as '?'.
 * Spaces fill it up to `width` columns. */
void cli_print_text(const char *text, int width);

/* Connects; on failure says why on stderr and returns NULL. The caller finishes the connection. */
PGconn *cli_connect(const char *url);
void cli_close(PGconn **conn);
#define autoconn __attribute__((cleanup(cli_close))) PGconn

/* Has the database our schema? False, too, when it can't be asked; *error says what to do. */
bool cli_has_schema(PGconn *conn, struct buf *error);

/* Appends why a statement failed: the server's sentence, or the connection's where there is none. */
void cli_add_error(PGconn *conn, const PGresult *r, struct buf *error);
/* Runs one statement with text parameters. NULL: it failed, and *error says why. The caller clears the result. */
PGresult *cli_query(PGconn *conn, const char *sql, int params, const char *const *values, struct buf *error);
/* The same when only success counts. */
bool cli_command(PGconn *conn, const char *sql, int params, const char *const *values, struct buf *error);
void cli_clear(PGresult **result);
#define autoresult __attribute__((cleanup(cli_clear))) PGresult

#endif
