/* options.c: what ws_load is told on its command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

enum {
	OPT_CLIENTS = 'c',
	OPT_WORKSPACES = 'w',
	OPT_DEPTH = 'd',
	OPT_LISTENERS = 'l',
	OPT_SIZE = 's',
	OPT_MESSAGES = 'm',
	OPT_COUNT = 'n',
	OPT_SECONDS = 't',
	OPT_WARMUP = 'W',
	OPT_SLUG = 'g',
	OPT_CONNECT = 'C',
	OPT_PREFIX = 'p',
	OPT_HELP = 'h',
	OPT_VERSION = 'V'
};

static const struct option long_options[] = { { "connect", required_argument, NULL, OPT_CONNECT },
					      { "clients", required_argument, NULL, OPT_CLIENTS },
					      { "workspaces", required_argument, NULL, OPT_WORKSPACES },
					      { "depth", required_argument, NULL, OPT_DEPTH },
					      { "listeners", required_argument, NULL, OPT_LISTENERS },
					      { "size", required_argument, NULL, OPT_SIZE },
					      { "messages", required_argument, NULL, OPT_MESSAGES },
					      { "count", required_argument, NULL, OPT_COUNT },
					      { "seconds", required_argument, NULL, OPT_SECONDS },
					      { "warmup", required_argument, NULL, OPT_WARMUP },
					      { "slug", required_argument, NULL, OPT_SLUG },
					      { "prefix", required_argument, NULL, OPT_PREFIX },
					      { "help", no_argument, NULL, OPT_HELP },
					      { "version", no_argument, NULL, OPT_VERSION },
					      { NULL, 0, NULL, 0 } };

static void print_help(void)
{
	(void)puts("Usage: ws_load MODE --connect SOCKET|HOST:PORT [OPTIONS]\n\n"
		   "Puts craft-ws-bridge under load and prints one line. The key is read from $API_KEY.\n\nModes:");
	for (size_t i = 0; i < mode_count; i++)
		(void)printf("  %-18s %s\n", modes[i].name, modes[i].help);
	(void)puts("\nOptions (the defaults depend on the mode):\n"
		   "  --clients N        that send\n"
		   "  --workspaces N     over which they are spread (default: one each)\n"
		   "  --depth N          requests that a client has under way at once; fanout: events\n"
		   "  --listeners N      clients that only hear (fanout)\n"
		   "  --size BYTES       of a message or event\n"
		   "  --messages N       of a session\n"
		   "  --seconds S        measured, at most\n"
		   "  --warmup S         before it, not measured\n"
		   "  --count N          operations measured, at most; 0: set up only\n"
		   "  --slug TEXT        the workspaces' names begin with it (default: made up)\n"
		   "  --prefix PATH      of the URL, before the workspace's name (/workspace/)\n"
		   "  --help, --version");
}

static double parse_number(const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);
	if (end == text || *end || !(v >= min && v <= max)) {
		(void)fprintf(stderr, "ws_load: not a number from %.0f to %.0f: %s\n", min, max, text);
		exit(2);
	}
	return v;
}

static void set_option(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_CONNECT:
		o->connect = arg;
		break;
	case OPT_PREFIX:
		o->prefix = arg;
		break;
	case OPT_SLUG:
		o->slug = arg;
		break;
	case OPT_CLIENTS:
		o->clients = (uint32_t)parse_number(arg, 1, MAX_USERS);
		break;
	case OPT_WORKSPACES:
		o->workspaces = (uint32_t)parse_number(arg, 1, MAX_USERS);
		break;
	case OPT_DEPTH:
		o->depth = (uint32_t)parse_number(arg, 1, MAX_DEPTH / 2.0);
		break;
	case OPT_LISTENERS:
		o->listeners = (uint32_t)parse_number(arg, 1, MAX_USERS);
		break;
	case OPT_SIZE:
		o->size = (uint32_t)parse_number(arg, 128, 1 << 20);
		break;
	case OPT_MESSAGES:
		o->messages = (uint32_t)parse_number(arg, 1, 100000);
		break;
	case OPT_COUNT:
		o->count = (uint64_t)parse_number(arg, 0, 1e9);
		break;
	case OPT_SECONDS:
		o->seconds = parse_number(arg, 0, 3600);
		break;
	case OPT_WARMUP:
		o->warmup = parse_number(arg, 0, 3600);
		break;
	case OPT_HELP:
		print_help();
		exit(0);
	case OPT_VERSION:
		(void)puts("ws_load (" PACKAGE_STRING ")");
		exit(0);
	default:
		exit(2);
	}
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < mode_count; i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	}
	return NULL;
}

void parse_options(struct options *o, int argc, char **argv)
{
	int opt;
	const struct mode *mode = argc > 1 ? find_mode(argv[1]) : NULL;
	if (mode) {
		*o = mode->defaults;
		o->mode = mode;
		optind = 2;
	}
	o->count = UINT64_MAX;
	o->prefix = "/workspace/";
	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		set_option(o, opt, optarg);
	o->key = getenv("API_KEY");
	if (!mode || !o->connect || !o->key || optind != argc) {
		(void)fputs("ws_load: a mode, --connect and API_KEY in the environment are needed; see --help\n",
			    stderr);
		exit(2);
	}
	if (!mode->defaults.listeners != !o->listeners)
		die("--listeners goes with fanout only");
	if (o->listeners)
		o->clients = o->workspaces = 1;
	if (!o->workspaces)
		o->workspaces = o->clients;
}
