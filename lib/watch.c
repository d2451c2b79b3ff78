/* watch.c: what every program tells of itself. */
#include "watch.h"

#include <stdlib.h>

#include "monitor.h"

struct watch {
	const struct watch_program *program;
	void *user;
	struct db_watch *database;
	struct monitor *monitor;
};

static void print(void *user, struct buf *out)
{
	const struct watch *w = user;
	w->program->print(w->user, out);
	db_watch_print(w->database, &w->program->database, out);
	metrics_process(out);
}

static bool is_ready(void *user, struct buf *reason)
{
	const struct watch *w = user;
	w->program->look(w->user, w->database, reason);
	return !reason->len;
}

struct watch *watch_new(uv_loop_t *loop, const struct watch_program *program, const struct conf *conf,
			const char *address, void *user)
{
	if (!address)
		return NULL;
	struct watch *w = xcalloc(1, sizeof(*w));
	const struct monitor_source source = { print, is_ready, w };
	w->program = program;
	w->user = user;
	w->database = db_watch_new(loop, conf->database_url, program->application);
	w->monitor = monitor_new(loop, program->key, address, (mode_t)conf->socket_mode, &source);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	monitor_free(w->monitor);
	db_watch_free(w->database);
	free(w);
}
