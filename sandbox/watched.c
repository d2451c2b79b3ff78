/* watched.c: is craft-sandboxd ready? */
#include "watched.h"

#include "counts.h"
#include "store.h"

static void print(void *user, struct buf *out)
{
	counts_print(host_daemon(user), out);
}

static void look(void *user, const struct db_watch *database, struct buf *reason)
{
	const struct daemon *daemon = host_daemon(user);
	if (daemon->draining)
		buf_add_str(reason, "draining");
	else if (db_watch_ready(database, reason) && !store_connected(daemon->state))
		buf_add_str(reason, "the connection that takes jobs is not there");
	else if (!reason->len && !host_serves(user))
		buf_add_str(reason, "it has not signed on yet");
}

struct watch *watched_new(struct host *host)
{
	static const struct watch_program program = {
		.key = "SANDBOX_METRICS_LISTEN",
		.application = "craft-sandboxd watch",
		.database = DB_WATCH_METRICS("craft_sandbox"),
		.print = print,
		.look = look,
	};
	const struct daemon *daemon = host_daemon(host);
	return watch_new(daemon->loop, &program, &daemon->conf, daemon->conf.sandbox_metrics_listen, host);
}
