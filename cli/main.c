/* main.c: craft-cloud, the administrators' command: options and the table of commands. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "log.h"

#define DEFAULT_SQL_DIR PKGDATADIR "/sql"

enum option_id { OPT_CONFIG = 'c', OPT_SQL_DIR = 's', OPT_DRY_RUN = 'n', OPT_HELP = 'h', OPT_VERSION = 'V' };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG }, { "sql-dir", required_argument, NULL, OPT_SQL_DIR },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },	   { "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },	   { NULL, 0, NULL, 0 }
};

struct command {
	const char *name;
	const char *help;
	bool dry_run; /* takes --dry-run */
	enum cli_exit (*run)(const struct conf *conf, const struct cli_options *options);
};

static const struct command commands[] = {
	{ "migrate", "bring the database's schema to this version; --dry-run only says what would be done", true,
	  cli_migrate },
	{ "status", "schema version, contents, connected daemons; exit code 1 when something is wrong", false,
	  cli_status },
	{ "workspaces", "list the workspaces: sessions, messages, bytes, last change", false, cli_workspaces },
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

static int print_help(void)
{
	(void)printf("Usage: craft-cloud COMMAND [OPTIONS]\n\nAdministers the database of "
		     "craft-agent-cloud.\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)printf("  %-20s %s\n", commands[i].name, commands[i].help);
	(void)printf("\nOptions:\n"
		     "  --config FILE        configuration (default: $CRAFT_CONFIG, else %s)\n"
		     "  --sql-dir DIR        the schema's SQL files (default: %s)\n"
		     "  --dry-run            migrate: change nothing\n"
		     "  --help, --version\n"
		     "\nConfiguration (KEY=value lines in the file, or the environment):\n",
		     SYSCONFDIR "/craft-agent-cloud/craft-agent-cloud.conf", DEFAULT_SQL_DIR);
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

static int run_line(int argc, char **argv)
{
	struct cli_options options = { .sql_dir = DEFAULT_SQL_DIR };
	opterr = 0;
	int opt;
	while ((opt = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		switch (opt) {
		case OPT_CONFIG:
			options.config = optarg;
			break;
		case OPT_SQL_DIR:
			options.sql_dir = optarg;
			break;
		case OPT_DRY_RUN:
			options.dry_run = true;
			break;
		case OPT_HELP:
			return print_help();
		case OPT_VERSION:
			(void)printf("craft-cloud %s\n", PACKAGE_VERSION);
			return CLI_OK;
		case ':':
			return usage_error("a value is missing after ", argv[optind - 1]);
		default:
			return usage_error("unknown option ", argv[optind - 1]);
		}
	}
	if (optind == argc)
		return usage_error("which command", "?");
	const struct command *command = find_command(argv[optind]);
	if (!command)
		return usage_error("unknown command ", argv[optind]);
	if (optind + 1 < argc)
		return usage_error("unexpected argument ", argv[optind + 1]);
	if (options.dry_run && !command->dry_run)
		return usage_error("--dry-run doesn't go with ", command->name);
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
