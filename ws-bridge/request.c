/* request.c: requests of one client, which are stored in the order in which they came; but tool requests, which run at
 * once anyway, may overtake one another when they go by different couriers. */
#include "request.h"

#include <stdlib.h>

#include "bounds.h"
#include "conn.h"
#include "courier.h"
#include "reply.h"
#include "sandbox_room.h"

#define BIG_MESSAGE (128u << 10)

struct request *request_new(struct conn *conn, const struct sandbox_message *m, struct buf text)
{
	struct request *r = xcalloc(1, sizeof(*r));
	r->conn = conn_ref(conn);
	r->kind = m->kind;
	r->name = m->name;
	buf_add_slice(&r->id, m->id);
	r->text = text;
	r->size = text.len;
	r->big = text.len > BIG_MESSAGE;
	bounds_add_bytes(conn->bridge, r->size);
	r->started = uv_now(conn->bridge->loop);
	return r;
}

static void request_free(struct request *r)
{
	bounds_remove_bytes(r->conn->bridge, r->size);
	buf_free(&r->id);
	buf_free(&r->text);
	conn_unref(r->conn);
	free(r);
}

/* May it go now, without overtaking what it must not? */
static bool may_go(const struct sandbox_client *client, const struct request *r)
{
	return client->with_courier[!r->big] == 0 || (r->kind == SANDBOX_TOOL && client->in_order == 0);
}

static void go(struct sandbox_client *client, const struct request *r)
{
	client->with_courier[r->big]++;
	client->in_order += r->kind != SANDBOX_TOOL;
}

bool request_begin(struct request *r)
{
	struct sandbox_client *client = r->conn->sandbox;
	if (r->kind == SANDBOX_PING)
		return true;
	client->requests++;
	client->bytes += r->size;
	replies_bound(r->conn, client->requests, client->bytes);
	if (!TAILQ_EMPTY(&client->backlog) || !may_go(client, r)) {
		TAILQ_INSERT_TAIL(&client->backlog, r, link);
		return false;
	}
	go(client, r);
	return true;
}

static void leave(struct conn *conn, const struct request *r)
{
	struct sandbox_client *client = conn->sandbox;
	client->with_courier[r->big]--;
	client->in_order -= r->kind != SANDBOX_TOOL;
	client->requests--;
	client->bytes -= r->size;
}

static void let_others_follow(struct conn *conn)
{
	struct sandbox_client *client = conn->sandbox;
	struct request *waiting;
	while ((waiting = TAILQ_FIRST(&client->backlog)) && may_go(client, waiting)) {
		TAILQ_REMOVE(&client->backlog, waiting, link);
		go(client, waiting);
		courier_enqueue(waiting);
	}
	replies_bound(conn, client->requests, client->bytes);
}

void request_end(struct request *r)
{
	struct conn *conn = conn_ref(r->conn);
	bool counted = r->kind != SANDBOX_PING;
	if (counted)
		leave(conn, r);
	request_free(r);
	if (counted)
		let_others_follow(conn);
	conn_unref(conn);
}

void request_refuse(struct request *r, const char *text)
{
	if (r->kind != SANDBOX_PING)
		sandbox_refuse(r->conn, r->kind == SANDBOX_TOOL, buf_slice(&r->id), text);
	request_end(r);
}
