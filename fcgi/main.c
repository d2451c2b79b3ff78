/* main.c: craft-fcgi: options, configuration, the listening socket; then the master takes over. */
#include <stdio.h>
#include <stdlib.h>

#include "blobs.h"
#include "child.h"
#include "cleanup.h"
#include "conf.h"
#include "http_header.h"
#include "known_holes.h"
#include "listen.h"
#include "log.h"
#include "master.h"
#include "routes.h"
#include "startup.h"

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
	(void)listen_socket_retire(s);
	(void)close(s->fd);
}

/* In a process of its own, which the master reaps with the others: nothing waits for it. */
static void tell_known_holes(void)
{
	if (child_start() != 0)
		return;
	known_holes_log(HOLES_LIBFCGI, NULL);
	_exit(0);
}

static int serve(const struct conf *conf)
{
	struct listen_socket sockets[POOL_COUNT] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	autobuf error = { 0 };
	int status = 1;
	if (check_blob_dir(conf, &error) && open_sockets(conf, sockets, &error)) {
		tell_known_holes();
		status = master_run(conf, sockets);
	} else {
		log_error(NULL, "%s", buf_cstr(&error));
	}
	for (int i = 0; i < POOL_COUNT; i++)
		close_socket(&sockets[i]);
	return status;
}

int main(int argc, char **argv)
{
	static const struct startup about = {
		.name = "craft-fcgi",
		.program = CONF_FCGI,
		.purpose = "Serves the REST interface of craft-agent-cloud to nginx, over FastCGI.",
		.signals = "SIGTERM and SIGINT end it when the running requests are answered; SIGHUP replaces the "
			   "workers.",
		.lists = { { "list-routes", "print methods, paths and keys of all URLs that it answers, and exit",
			     routes_print },
			   { "list-headers", "print the headers that pages may send and read, and exit",
			     http_headers_print } },
	};
	autocall(conf_free) struct conf conf = { 0 };
	int status;
	return startup(&about, argc, argv, &conf, &status) ? serve(&conf) : status;
}
