/* watch.h: a program's side for whoever watches it, on its event loop: /metrics, /healthz and /readyz (monitor.h), with
 * a connection of its own that asks the database (db_watch.h). */
#ifndef CRAFT_WATCH_H
#define CRAFT_WATCH_H

#include "conf.h"
#include "db_watch.h"

struct watch;

/* What a program tells, and when it is ready. */
struct watch_program {
	const char *key;	 /* the configuration's name of the address */
	const char *application; /* shows in pg_stat_activity */
	struct db_watch_metrics database;
	/* Appends its own metrics; those of the database and of the process follow. */
	void (*print)(void *user, struct buf *out);
	/* Appends to *reason, which is empty, why it should get no work; nothing: it is ready. db_watch_ready() does so
	 * for the database. */
	void (*look)(void *user, const struct db_watch *database, struct buf *reason);
};

/* address: what conf has for program->key; NULL: nobody watches, and NULL is returned. All of them, and user, must
 * outlive it. */
struct watch *watch_new(uv_loop_t *loop, const struct watch_program *program, const struct conf *conf,
			const char *address, void *user);
/* Stops listening; gone when the loop has let go of it. NULL: none. */
void watch_free(struct watch *watch);

#endif
