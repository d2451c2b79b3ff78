/* main.c: craft-cloud, the administrators' command: options and the table of commands. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "secrecy.h"
#include "sqldir.h"
#include "sweep.h"

#define DEFAULT_SQL_DIR PKGDATADIR "/sql"

enum option_id {
	OPT_CONFIG = 'c',
	OPT_SQL_DIR = 's',
	OPT_DRY_RUN = 'n',
	OPT_ORPHAN_AGE = 'o',
	OPT_BLOBS = 'b',
	OPT_JSON = 'j',
	OPT_AS = 'a',
	OPT_URL = 'u',
	OPT_CA_FILE = 'f',
	OPT_REPLACE = 'r',
	OPT_YES = 'y',
	OPT_WORKSPACE = 'w',
	OPT_NAME = 'N',
	OPT_READ_ONLY = 'O',
	OPT_EXPIRES = 'e',
	OPT_RATE = 'R',
	OPT_HELP = 'h',
	OPT_VERSION = 'V',
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "sql-dir", required_argument, NULL, OPT_SQL_DIR },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "orphan-age", required_argument, NULL, OPT_ORPHAN_AGE },
	{ "blobs", no_argument, NULL, OPT_BLOBS },
	{ "workspace", required_argument, NULL, OPT_WORKSPACE },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "expires", required_argument, NULL, OPT_EXPIRES },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "as", required_argument, NULL, OPT_AS },
	{ "url", required_argument, NULL, OPT_URL },
	{ "ca-file", required_argument, NULL, OPT_CA_FILE },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "yes", no_argument, NULL, OPT_YES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

#define MAX_OPTIONS 6

struct command {
	const char *name; /* one word or two */
	const char *args; /* as --help shows them; NULL: none */
	int min_args, max_args;
	int options[MAX_OPTIONS]; /* those that go with it, beside --config; 0 behind the last */
	const char *help;
	const char *examples; /* lines */
	enum cli_exit (*run)(const struct conf *conf, const struct cli_options *options);
};

static const struct command commands[] = {
	{ .name = "migrate",
	  .options = { OPT_SQL_DIR, OPT_DRY_RUN },
	  .help = "bring the database's schema to this version",
	  .examples = "craft-cloud migrate --dry-run\ncraft-cloud migrate\n",
	  .run = cli_migrate },
	{ .name = "status",
	  .options = { OPT_SQL_DIR, OPT_JSON },
	  .help = "versions, contents, queue, daemons, sandbox hosts, disk; what is wrong, with exit code 1",
	  .examples = "craft-cloud status\n"
		      "craft-cloud status --json | jq -r '.problems[] | .problem + \": \" + .mend'\n",
	  .run = cli_status },
	{ .name = "check",
	  .options = { OPT_SQL_DIR, OPT_BLOBS, OPT_JSON, OPT_URL, OPT_CA_FILE },
	  .help = "try configuration, database, BLOB_DIR, daemons, nginx, sandboxes; --blobs: all files' contents; "
		  "exit "
		  "code 1 when something is wrong",
	  .examples = "craft-cloud check\n"
		      "craft-cloud check --url https://craft.example.org --json\n"
		      "craft-cloud check --blobs\n",
	  .run = cli_check },
	{ .name = "gc",
	  .options = { OPT_DRY_RUN, OPT_ORPHAN_AGE, OPT_JSON },
	  .help = "remove files' contents (blobs) that no file names any more",
	  .examples = "craft-cloud gc --dry-run\ncraft-cloud gc --orphan-age 3600\n",
	  .run = cli_gc },
	{ .name = "rekey",
	  .options = { OPT_JSON },
	  .help = "encrypt credentials of ENCRYPTION_KEY_PREVIOUS with ENCRYPTION_KEY; exit code 1 when one opens with "
		  "neither",
	  .examples = "craft-cloud rekey\n",
	  .run = cli_rekey },
	{ .name = "workspace list",
	  .options = { OPT_SQL_DIR, OPT_JSON },
	  .help = "list the workspaces: sessions, messages, bytes, last change",
	  .examples = "craft-cloud workspace list\ncraft-cloud workspace list --json | jq -r '.[].workspace'\n",
	  .run = cli_workspace_list },
	{ .name = "workspace show",
	  .args = "WORKSPACE",
	  .min_args = 1,
	  .max_args = 1,
	  .options = { OPT_JSON },
	  .help = "say how much of what is in a workspace",
	  .examples = "craft-cloud workspace show team\ncraft-cloud workspace show team --json | jq .sessions\n",
	  .run = cli_workspace_show },
	{ .name = "workspace delete",
	  .args = "WORKSPACE",
	  .min_args = 1,
	  .max_args = 1,
	  .options = { OPT_YES },
	  .help = "delete a workspace with all that is in it",
	  .examples = "craft-cloud workspace delete team --yes\n",
	  .run = cli_workspace_delete },
	{ .name = "workspace export",
	  .args = "WORKSPACE [FILE]",
	  .min_args = 1,
	  .max_args = 2,
	  .help = "write a workspace into one tar file, or to stdout",
	  .examples = "craft-cloud workspace export team team.tar\n"
		      "craft-cloud workspace export team | zstd > team.tar.zst\n",
	  .run = cli_workspace_export },
	{ .name = "workspace import",
	  .args = "FILE",
	  .min_args = 1,
	  .max_args = 1,
	  .options = { OPT_AS, OPT_REPLACE },
	  .help = "read such a tar file (- for stdin) into a workspace that is new or empty",
	  .examples = "craft-cloud workspace import team.tar\n"
		      "craft-cloud workspace import team.tar --as team-copy\n"
		      "zstdcat team.tar.zst | craft-cloud workspace import - --replace\n",
	  .run = cli_workspace_import },
	{ .name = "key add",
	  .options = { OPT_WORKSPACE, OPT_NAME, OPT_READ_ONLY, OPT_EXPIRES, OPT_RATE },
	  .help = "make a key that opens one workspace, and print it: it is never shown again",
	  .examples = "craft-cloud key add --workspace team --name laptop\n"
		      "craft-cloud key add --workspace team --name guest --read-only --expires 30d --rate 600\n",
	  .run = cli_key_add },
	{ .name = "key list",
	  .options = { OPT_WORKSPACE, OPT_JSON },
	  .help = "list the keys of a workspace, or of all",
	  .examples = "craft-cloud key list --workspace team\n"
		      "craft-cloud key list --json | jq -r '.[] | select(.state == \"live\") | .name'\n",
	  .run = cli_key_list },
	{ .name = "key revoke",
	  .options = { OPT_WORKSPACE, OPT_NAME },
	  .help = "revoke a key: its connections are closed at once",
	  .examples = "craft-cloud key revoke --workspace team --name laptop\n",
	  .run = cli_key_revoke },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

/* A name that was in use before. */
static const char *current_name(const char *word)
{
	return strcmp(word, "workspaces") == 0 ? "workspace list" : word;
}

/* The command that the words begin with. *taken: how many of them are its name. */
static const struct command *find_command(int count, char **words, int *taken)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const char *name = commands[i].name, *space = strchr(name, ' ');
		*taken = 1;
		if (strcmp(current_name(words[0]), name) == 0)
			return &commands[i];
		*taken = 2;
		if (space && count > 1 && slice_eq_str(slice_make(name, (size_t)(space - name)), words[0]) &&
		    strcmp(words[1], space + 1) == 0)
			return &commands[i];
	}
	return NULL;
}

static void print_commands(void)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &commands[i];
		autobuf line = { 0 };
		buf_addf(&line, "%s%s%s", c->name, c->args ? " " : "", c->args ? c->args : "");
		(void)printf("  %-34s %s\n", buf_cstr(&line), c->help);
	}
}

static int print_help(void)
{
	(void)printf("Usage: craft-cloud COMMAND [ARGUMENTS] [OPTIONS]\n\nAdministers the database and the blobs of "
		     "craft-agent-cloud.\n\nCommands (craft-cloud COMMAND --help shows examples):\n");
	print_commands();
	(void)printf("\nOptions:\n"
		     "  --config FILE        configuration (default: $CRAFT_CONFIG, else %s)\n"
		     "  --sql-dir DIR        the schema's SQL files (default: %s)\n"
		     "  --dry-run            migrate, gc: change nothing, say what would be done\n"
		     "  --orphan-age SECONDS gc: how long blobs stay that no file ever named (default: %d)\n"
		     "  --blobs              check: the blobs\n"
		     "  --url URL            check: where clients reach the server (default: PUBLIC_URL)\n"
		     "  --ca-file FILE       check: PEM file of who may have signed its certificate\n"
		     "  --json               status, check, gc, rekey, list, show: one JSON value, for scripts\n"
		     "  --yes                workspace delete: really\n"
		     "  --as NAME            workspace import: into the workspace NAME\n"
		     "  --replace            workspace import: instead of what is in it\n"
		     "  --workspace SLUG     key: the workspace\n"
		     "  --name NAME          key add, revoke: what people call the key (revoke: or its id)\n"
		     "  --read-only          key add: it may change nothing\n"
		     "  --expires WHEN       key add: 30d, 12h, 90m, or a date (2027-01-31)\n"
		     "  --rate N             key add: so many requests a minute\n"
		     "  --help, --version\n"
		     "\nConfiguration (KEY=value lines in the file, or the environment):\n",
		     SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf", sqldir_default(DEFAULT_SQL_DIR),
		     SWEEP_ORPHAN_AGE);
	conf_help(CONF_ADMIN, stdout);
	return CLI_OK;
}

static const char *option_name(int id)
{
	const struct option *o = long_options;
	while (o->name && o->val != id)
		o++;
	return o->name;
}

static int print_command_help(const struct command *c)
{
	(void)printf("Usage: craft-cloud %s%s%s [--config FILE]", c->name, c->args ? " " : "", c->args ? c->args : "");
	for (const int *o = c->options; o < c->options + MAX_OPTIONS && *o; o++)
		(void)printf(" [--%s%s]", option_name(*o),
			     *o == OPT_SQL_DIR	    ? " DIR"
			     : *o == OPT_ORPHAN_AGE ? " SECONDS"
			     : *o == OPT_AS	    ? " NAME"
			     : *o == OPT_URL	    ? " URL"
			     : *o == OPT_CA_FILE    ? " FILE"
						    : "");
	(void)printf("\n\n%s.\n\nExamples:\n", c->help);
	for (const char *line = c->examples; *line; line = strchr(line, '\n') + 1)
		(void)printf("  %.*s\n", (int)strcspn(line, "\n"), line);
	return CLI_OK;
}

static int usage_error(const char *what, const char *name)
{
	(void)fprintf(stderr, "craft-cloud: %s%s; try: craft-cloud --help\n", what, name);
	return CLI_USAGE;
}

static int run_command(const struct command *command, const struct cli_options *options)
{
	struct conf conf;
	autobuf error = { 0 };
	int code = CLI_USAGE;
	if (conf_load(&conf, CONF_ADMIN, options->config, &error))
		code = (int)command->run(&conf, options);
	else
		(void)fprintf(stderr, "craft-cloud: %s\n", buf_cstr(&error));
	conf_free(&conf);
	return code;
}

static bool parse_age(const char *text, int64_t *age)
{
	size_t digits = strspn(text, "0123456789");
	*age = digits ? strtoll(text, NULL, 10) : 0;
	return digits > 0 && digits <= 10 && text[digits] == '\0';
}

/* Notes in `given` the id of each option that goes with some commands only. *code: what to exit with when false. */
static bool parse_options(int argc, char **argv, struct cli_options *options, struct buf *given, bool *help, int *code)
{
	int opt;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		switch (opt) {
		case OPT_CONFIG:
			options->config = optarg;
			continue;
		case OPT_SQL_DIR:
			options->sql_dir = optarg;
			break;
		case OPT_DRY_RUN:
			options->dry_run = true;
			break;
		case OPT_ORPHAN_AGE:
			if (!parse_age(optarg, &options->orphan_age)) {
				*code = usage_error("--orphan-age takes a number of seconds, not ", optarg);
				return false;
			}
			break;
		case OPT_BLOBS:
			options->blobs = true;
			break;
		case OPT_JSON:
			options->json = true;
			break;
		case OPT_AS:
			options->as = optarg;
			break;
		case OPT_URL:
			options->url = optarg;
			break;
		case OPT_CA_FILE:
			options->ca_file = optarg;
			break;
		case OPT_REPLACE:
			options->replace = true;
			break;
		case OPT_YES:
			options->yes = true;
			break;
		case OPT_WORKSPACE:
			options->workspace = optarg;
			break;
		case OPT_NAME:
			options->name = optarg;
			break;
		case OPT_READ_ONLY:
			options->read_only = true;
			break;
		case OPT_EXPIRES:
			options->expires = optarg;
			break;
		case OPT_RATE:
			options->rate = optarg;
			break;
		case OPT_HELP:
			*help = true;
			continue;
		case OPT_VERSION:
			(void)printf("craft-cloud %s\n", PACKAGE_VERSION);
			*code = CLI_OK;
			return false;
		case ':':
			*code = usage_error("a value is missing after ", argv[optind - 1]);
			return false;
		default:
			*code = usage_error("unknown option ", argv[optind - 1]);
			return false;
		}
		buf_add_char(given, (char)opt);
	}
	return true;
}

static bool goes_with(const struct command *command, int id)
{
	for (const int *o = command->options; o < command->options + MAX_OPTIONS && *o; o++) {
		if (*o == id)
			return true;
	}
	return false;
}

/* Whether what was given goes with the command: CLI_OK, or it was said why not. */
static int check_line(const struct command *command, const struct cli_options *options, const struct buf *given)
{
	for (size_t i = 0; i < given->len; i++) {
		if (!goes_with(command, given->data[i])) {
			autobuf what = { 0 };
			buf_addf(&what, "--%s doesn't go with ", option_name(given->data[i]));
			return usage_error(buf_cstr(&what), command->name);
		}
	}
	if (options->arg_count > command->max_args)
		return usage_error("unexpected argument ", options->args[command->max_args]);
	if (options->arg_count < command->min_args) {
		autobuf what = { 0 };
		buf_addf(&what, "%s takes ", command->name);
		return usage_error(buf_cstr(&what), command->args);
	}
	if (options->blobs && (options->json || options->url))
		return usage_error("--blobs doesn't go with --json and --url", "");
	return CLI_OK;
}

static int run_line(int argc, char **argv)
{
	struct cli_options options = { .sql_dir = sqldir_default(DEFAULT_SQL_DIR), .orphan_age = SWEEP_ORPHAN_AGE };
	autobuf given = { 0 };
	bool help = false;
	int code, words = 0;
	if (!parse_options(argc, argv, &options, &given, &help, &code))
		return code;
	if (optind == argc)
		return help ? print_help() : usage_error("which command", "?");
	const struct command *command = find_command(argc - optind, argv + optind, &words);
	if (!command)
		return usage_error("unknown command ", argv[optind]);
	if (help)
		return print_command_help(command);
	options.args = (const char *const *)argv + optind + words;
	options.arg_count = argc - optind - words;
	code = check_line(command, &options, &given);
	return code == CLI_OK ? run_command(command, &options) : code;
}

int main(int argc, char **argv)
{
	secrecy_keep();
	log_init("craft-cloud");
	int code = run_line(argc, argv);
	/* A full disk or a closed pipe may not pass for success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK)
		code = (int)cli_fail("can't write the output");
	return code;
}
