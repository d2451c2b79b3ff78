/* startup.c: the options that all daemons have. */
#include "startup.h"

#include <getopt.h>
#include <stdio.h>

#include "log.h"
#include "mask.h"
#include "notify.h"
#include "secrecy.h"

#define EXIT_USAGE 2

/* Behind the last one: MODE_LIST for the first of the program's lists, and so on. */
enum mode { MODE_RUN, MODE_CONFIG, MODE_CHECK, MODE_PRINT, MODE_HELP, MODE_VERSION, MODE_BAD, MODE_LIST };

static void help_lists(const struct startup *s)
{
	for (int i = 0; i < STARTUP_LISTS && s->lists[i].option; i++)
		(void)printf("  --%-14s %s\n", s->lists[i].option, s->lists[i].help);
}

static void help(const struct startup *s)
{
	(void)printf("Usage: %s [OPTION]…\n%s\n\n"
		     "  --config FILE    read FILE (default: $CRAFT_CONFIG, else " SYSCONFDIR
		     "/craft-agent-cloud/craft-agent-cloud.conf)\n"
		     "  --check-config   check the configuration and exit\n"
		     "  --print-config   print the configuration in force, without secrets, and exit\n",
		     s->name, s->purpose);
	help_lists(s);
	(void)printf("  --help           print this and exit\n"
		     "  --version        print the version and exit\n\n"
		     "%s\n\n"
		     "Configuration, in the file as KEY=value or in the environment:\n",
		     s->signals);
	conf_help(s->program, stdout);
}

static enum mode read_options(const struct startup *s, int argc, char **argv, const char **path)
{
	const struct option options[] = {
		{ "config", required_argument, NULL, MODE_CONFIG },
		{ "check-config", no_argument, NULL, MODE_CHECK },
		{ "print-config", no_argument, NULL, MODE_PRINT },
		{ "help", no_argument, NULL, MODE_HELP },
		{ "version", no_argument, NULL, MODE_VERSION },
		/* Those that are there come first, so what is left ends the table. */
		{ s->lists[0].option, no_argument, NULL, MODE_LIST },
		{ s->lists[1].option, no_argument, NULL, MODE_LIST + 1 },
		{ 0 },
	};
	enum mode mode = MODE_RUN;
	int opt;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == MODE_CONFIG)
			*path = optarg;
		else if (opt == MODE_CHECK || opt == MODE_PRINT)
			mode = (enum mode)opt;
		else
			return opt == MODE_HELP || opt == MODE_VERSION || opt >= MODE_LIST ? (enum mode)opt : MODE_BAD;
	}
	if (optind == argc)
		return mode;
	(void)fprintf(stderr, "%s: unexpected argument %s (see --help)\n", s->name, argv[optind]);
	return MODE_BAD;
}

static bool load(const struct startup *s, const char *path, struct conf *conf)
{
	autobuf error = { 0 };
	if (conf_load(conf, s->program, path, &error))
		return true;
	(void)fprintf(stderr, "%s: %s\n", s->name, buf_cstr(&error));
	return false;
}

bool startup(const struct startup *s, int argc, char **argv, struct conf *conf, int *status)
{
	const char *path = NULL;
	secrecy_keep();
	log_init(s->name);
	enum mode mode = read_options(s, argc, argv, &path);
	*status = 0;
	if (mode == MODE_HELP) {
		help(s);
	} else if (mode == MODE_VERSION) {
		(void)printf("%s " PACKAGE_VERSION "\n", s->name);
	} else if (mode >= MODE_LIST) {
		s->lists[mode - MODE_LIST].print(stdout);
	} else if (mode == MODE_BAD || !load(s, path, conf)) {
		*status = EXIT_USAGE;
	} else if (mode == MODE_RUN) {
		mask_secret(conf->api_key);
		mask_secret(conf->api_key_previous);
		notify_init();
		return true;
	} else {
		if (mode == MODE_PRINT)
			conf_print(conf, s->program, stdout);
		else
			(void)puts("The configuration is good.");
		conf_free(conf);
	}
	return false;
}
