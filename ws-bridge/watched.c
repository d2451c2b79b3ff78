/* watched.c: is the bridge ready? */
#include "watched.h"

#include "counts.h"
#include "feed.h"

static void print(void *user, struct buf *out)
{
	counts_print(user, out);
}

/* The socket for clients is open from before this is until it drains. */
static void look(void *user, const struct db_watch *database, struct buf *reason)
{
	const struct bridge *bridge = user;
	if (bridge->draining)
		buf_add_str(reason, "draining");
	else if (db_watch_ready(database, reason) && !feed_is_connected(bridge->feed))
		buf_add_str(reason, "the connection that reads changes is not there");
}

struct watch *watched_new(struct bridge *bridge)
{
	static const struct watch_program program = {
		.key = "WS_METRICS_LISTEN",
		.application = "craft-ws-bridge watch",
		.database = DB_WATCH_METRICS("craft_ws"),
		.print = print,
		.look = look,
	};
	return watch_new(bridge->loop, &program, &bridge->conf, bridge->conf.ws_metrics_listen, bridge);
}
