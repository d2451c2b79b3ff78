/* main.c: craft-fcgi: options, configuration, the listening socket; then the master takes over. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "blobs.h"
#include "cleanup.h"
#include "conf.h"
#include "listen.h"
#include "log.h"
#include "master.h"

#define EXIT_USAGE 2

struct options {
	const char *config;
	bool print_config, check_config;
};

enum { OPT_HELP = 1000, OPT_VERSION, OPT_CONFIG, OPT_PRINT, OPT_CHECK };

static const struct option long_options[] = {
	{ "help", no_argument, NULL, OPT_HELP },	   { "version", no_argument, NULL, OPT_VERSION },
	{ "config", required_argument, NULL, OPT_CONFIG }, { "print-config", no_argument, NULL, OPT_PRINT },
	{ "check-config", no_argument, NULL, OPT_CHECK },  { NULL, 0, NULL, 0 },
};

static void print_help(void)
{
	(void)puts("Usage: craft-fcgi [OPTION]…\n"
		   "Serves the REST interface of craft-agent-cloud to nginx, over FastCGI.\n\n"
		   "  --config FILE    read FILE instead of $CRAFT_CONFIG or the installed default\n"
		   "  --check-config   check the configuration and exit\n"
		   "  --print-config   print the configuration without secrets and exit\n"
		   "  --help           print this and exit\n"
		   "  --version        print the version and exit\n\n"
		   "SIGTERM and SIGINT end it when the running requests are answered; SIGHUP replaces the workers.\n\n"
		   "Configuration, in the file as KEY=value or in the environment:\n");
	conf_help(CONF_FCGI, stdout);
}

/* False: *status is what to exit with. */
static bool parse_options(int argc, char **argv, struct options *o, int *status)
{
	for (;;) {
		switch (getopt_long(argc, argv, "", long_options, NULL)) {
		case -1:
			if (optind == argc)
				return true;
			(void)fprintf(stderr, "craft-fcgi: unexpected argument %s; see --help\n", argv[optind]);
			*status = EXIT_USAGE;
			return false;
		case OPT_HELP:
			print_help();
			*status = 0;
			return false;
		case OPT_VERSION:
			(void)puts("craft-fcgi " PACKAGE_VERSION);
			*status = 0;
			return false;
		case OPT_CONFIG:
			o->config = optarg;
			break;
		case OPT_PRINT:
			o->print_config = true;
			break;
		case OPT_CHECK:
			o->check_config = true;
			break;
		default:
			*status = EXIT_USAGE;
			return false;
		}
	}
}

/* The workers open it themselves; who starts this hears at once when that can't be. */
static bool check_blob_dir(const struct conf *conf, struct buf *error)
{
	struct blobs blobs;
	bool ok = blobs_open(&blobs, conf->blob_dir, error);
	blobs_close(&blobs);
	return ok;
}

/* In the order in which a service manager has to pass them. */
static bool open_sockets(const struct conf *conf, struct listen_socket sockets[POOL_COUNT], struct buf *error)
{
	const struct {
		const char *key, *path;
	} wanted[POOL_COUNT] = {
		[POOL_QUICK] = { "FCGI_LISTEN", conf->fcgi_listen },
		[POOL_UPLOAD] = { "FCGI_UPLOAD_LISTEN", conf->fcgi_upload_listen },
		[POOL_GITHUB] = { "FCGI_GITHUB_LISTEN", conf->fcgi_github_listen },
	};
	for (int i = 0; i < POOL_COUNT; i++) {
		if (!listen_socket_open(&sockets[i], POOL_COUNT, wanted[i].key, wanted[i].path,
					(mode_t)conf->socket_mode, error))
			return false;
	}
	return true;
}

static void close_socket(struct listen_socket *s)
{
	if (s->fd < 0)
		return;
	listen_socket_retire(s);
	(void)close(s->fd);
}

static int serve(const struct conf *conf)
{
	struct listen_socket sockets[POOL_COUNT] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	autobuf error = { 0 };
	int status = 1;
	if (check_blob_dir(conf, &error) && open_sockets(conf, sockets, &error))
		status = master_run(conf, sockets);
	else
		log_error(NULL, "%s", buf_cstr(&error));
	for (int i = 0; i < POOL_COUNT; i++)
		close_socket(&sockets[i]);
	return status;
}

int main(int argc, char **argv)
{
	int status;
	struct options options = { 0 };
	log_init("craft-fcgi");
	if (!parse_options(argc, argv, &options, &status))
		return status;
	autocall(conf_free) struct conf conf = { 0 };
	autobuf error = { 0 };
	if (!conf_load(&conf, CONF_FCGI, options.config, &error)) {
		(void)fprintf(stderr, "craft-fcgi: %s\n", buf_cstr(&error));
		return EXIT_USAGE;
	}
	if (options.print_config)
		conf_print(&conf, CONF_FCGI, stdout);
	else if (options.check_config)
		(void)puts("The configuration is good.");
	else
		return serve(&conf);
	return 0;
}
