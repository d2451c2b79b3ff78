/* main.c: craft-cloud, the administrators' command: options and the table of commands. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "sweep.h"

#define DEFAULT_SQL_DIR PKGDATADIR "/sql"

enum option_id {
	OPT_CONFIG = 'c',
	OPT_SQL_DIR = 's',
	OPT_DRY_RUN = 'n',
	OPT_ORPHAN_AGE = 'o',
	OPT_BLOBS = 'b',
	OPT_WORKSPACE = 'w',
	OPT_NAME = 'N',
	OPT_READ_ONLY = 'r',
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
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "workspace", required_argument, NULL, OPT_WORKSPACE },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "expires", required_argument, NULL, OPT_EXPIRES },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ NULL, 0, NULL, 0 },
};

struct command {
	const char *name; /* one word, or two */
	int options[6];	  /* those that go with it, beside --config; 0 behind the last */
	const char *help;
	enum cli_exit (*run)(const struct conf *conf, const struct cli_options *options);
};

static const struct command commands[] = {
	{ "migrate", { OPT_SQL_DIR, OPT_DRY_RUN }, "bring the database's schema to this version", cli_migrate },
	{ "status",
	  { OPT_SQL_DIR },
	  "schema version, contents, connected daemons; exit code 1 when something is wrong",
	  cli_status },
	{ "workspaces",
	  { OPT_SQL_DIR },
	  "list the workspaces: sessions, messages, bytes, last change",
	  cli_workspaces },
	{ "gc", { OPT_DRY_RUN, OPT_ORPHAN_AGE }, "remove files' contents (blobs) that no file names any more", cli_gc },
	{ "check",
	  { OPT_BLOBS },
	  "--blobs: compare all files' contents with the database; exit code 1 when something is wrong",
	  cli_check },
	{ "rekey",
	  { 0 },
	  "encrypt credentials of ENCRYPTION_KEY_PREVIOUS with ENCRYPTION_KEY; exit code 1 when one opens with neither",
	  cli_rekey },
	{ "key add",
	  { OPT_WORKSPACE, OPT_NAME, OPT_READ_ONLY, OPT_EXPIRES, OPT_RATE },
	  "make a key that opens one workspace, and print it: it is never shown again",
	  cli_key_add },
	{ "key list", { OPT_WORKSPACE }, "list the keys of a workspace, or of all", cli_key_list },
	{ "key revoke",
	  { OPT_WORKSPACE, OPT_NAME },
	  "revoke a key: its connections are closed at once",
	  cli_key_revoke },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* "key" alone is no command, but the first word of some. */
static bool is_first_word(const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			return true;
	}
	return false;
}

/* Takes the words of a command off the arguments. */
static const struct command *take_command(int argc, char **argv, struct buf *name)
{
	buf_add_str(name, argv[optind++]);
	if (optind < argc && is_first_word(buf_cstr(name)))
		buf_addf(name, " %s", argv[optind++]);
	return find_command(buf_cstr(name));
}

static int print_help(void)
{
	(void)printf("Usage: craft-cloud COMMAND [OPTIONS]\n\nAdministers the database and the blobs of "
		     "craft-agent-cloud.\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)printf("  %-20s %s\n", commands[i].name, commands[i].help);
	(void)printf("\nOptions:\n"
		     "  --config FILE        configuration (default: $CRAFT_CONFIG, else %s)\n"
		     "  --sql-dir DIR        the schema's SQL files (default: %s)\n"
		     "  --dry-run            migrate, gc: change nothing, say what would be done\n"
		     "  --orphan-age SECONDS gc: how long blobs stay that no file ever named (default: %d)\n"
		     "  --blobs              check: the blobs\n"
		     "  --workspace SLUG     key: the workspace\n"
		     "  --name NAME          key add, revoke: what people call the key (revoke: or its id)\n"
		     "  --read-only          key add: it may change nothing\n"
		     "  --expires WHEN       key add: 30d, 12h, 90m, or a date (2027-01-31)\n"
		     "  --rate N             key add: so many requests a minute\n"
		     "  --help, --version\n"
		     "\nConfiguration (KEY=value lines in the file, or the environment):\n",
		     SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf", DEFAULT_SQL_DIR, SWEEP_ORPHAN_AGE);
	conf_help(CONF_ADMIN, stdout);
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
static bool parse_options(int argc, char **argv, struct cli_options *options, struct buf *given, int *code)
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
			*code = print_help();
			return false;
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

static const char *option_name(int id)
{
	const struct option *o = long_options;
	while (o->name && o->val != id)
		o++;
	return o->name;
}

static bool goes_with(const struct command *command, int id)
{
	const int *o = command->options;
	while (*o && *o != id)
		o++;
	return *o == id;
}

static int run_line(int argc, char **argv)
{
	struct cli_options options = { .sql_dir = DEFAULT_SQL_DIR, .orphan_age = SWEEP_ORPHAN_AGE };
	autobuf given = { 0 };
	int code;
	if (!parse_options(argc, argv, &options, &given, &code))
		return code;
	if (optind == argc)
		return usage_error("which command", "?");
	autobuf name = { 0 };
	const struct command *command = take_command(argc, argv, &name);
	if (!command)
		return usage_error("unknown command ", buf_cstr(&name));
	if (optind < argc)
		return usage_error("unexpected argument ", argv[optind]);
	for (size_t i = 0; i < given.len; i++) {
		if (!goes_with(command, given.data[i])) {
			autobuf what = { 0 };
			buf_addf(&what, "--%s doesn't go with ", option_name(given.data[i]));
			return usage_error(buf_cstr(&what), command->name);
		}
	}
	if (command->run == cli_check && !options.blobs)
		return usage_error("check what", "? --blobs is all there is for now");
	return run_command(command, &options);
}

int main(int argc, char **argv)
{
	log_init("craft-cloud");
	int code = run_line(argc, argv);
	/* A full disk or a closed pipe may not pass for success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK)
		code = (int)cli_fail("can't write the output");
	return code;
}
