/* upgrade.c: who may connect, and to what. The key is checked before anything else is looked at. */
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>

#include "bounds.h"
#include "conn.h"
#include "hub.h"
#include "lib/auth.h"
#include "lib/uri.h"
#include "sandbox_room.h"

#define MAX_SLUG 1024
#define MAX_CLIENT 256
#define MAX_EPOCH 256

/* A number of digits only; false for anything else or beyond 63 bits. */
static bool parse_since(struct slice text, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		int digit = text.ptr[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, digit, out))
			return false;
	}
	return text.len > 0;
}

static bool fits_text(const struct buf *b, size_t max)
{
	return b->len > 0 && b->len <= max && utf8_valid(b->data, b->len) && !memchr(b->data, '\0', b->len);
}

/* The parameters of a connection; NULL, or what is wrong with them. */
static const char *read_parameters(struct conn *conn, struct slice query)
{
	autobuf since = { 0 }, epoch = { 0 }, client = { 0 };
	if (uri_query_get(query, "since", &since) && !parse_since(buf_slice(&since), &conn->since_seq))
		return "Invalid since: must be a whole number, 0 or more";
	if (uri_query_get(query, "epoch", &epoch) && epoch.len) {
		if (!fits_text(&epoch, MAX_EPOCH))
			return "Invalid epoch";
		conn->want_epoch = slice_dup(buf_slice(&epoch));
	}
	if (uri_query_get(query, "client", &client)) {
		if (!fits_text(&client, MAX_CLIENT))
			return "Invalid client: must be 1 to 256 bytes of UTF-8";
		conn->client = slice_dup(buf_slice(&client));
	}
	return NULL;
}

static void route(struct conn *conn, const struct uri_path *path)
{
	bool workspace = path->count >= 2 && slice_eq_str(path->seg[0], "workspace") && path->seg[1].len > 0 &&
			 path->seg[1].len <= MAX_SLUG;
	bool sandbox = workspace && path->count == 5 && slice_eq_str(path->seg[2], "sandbox") &&
		       slice_eq_str(path->seg[3], "ws");
	const char *wrong;
	if (!workspace || (path->count != 2 && !sandbox))
		conn_refuse(conn, 404, "Not found");
	else if (slice_eq_str(path->seg[1], ".") || slice_eq_str(path->seg[1], ".."))
		conn_refuse(conn, 400, "Invalid workspace: . and .. can't be part of a URL");
	else if (conn->key && !slice_eq_str(path->seg[1], conn->key->workspace))
		conn_refuse(conn, 403, API_KEY_OTHER_WORKSPACE);
	else if ((wrong = read_parameters(conn, uri_query(conn->hs.target))))
		conn_refuse(conn, 400, wrong);
	else if (sandbox)
		sandbox_join(conn, path->seg[1], path->seg[4]);
	else
		hub_join(conn, path->seg[1]);
}

static void authorized(struct conn *conn)
{
	struct uri_path path;
	bool well_formed = uri_path_parse(conn->hs.target, &path);
	uint16_t status;
	const char *refusal;
	if (handshake_verify(&conn->hs) != HANDSHAKE_OK)
		conn_refuse(conn, conn->hs.status, conn->hs.error);
	else if ((refusal = bounds_admit(conn, &status)))
		conn_refuse(conn, status, refusal);
	else if (!well_formed)
		conn_refuse(conn, 400, "Malformed path");
	else
		route(conn, &path);
	uri_path_free(&path);
}

/* The id goes into logs: only what looks like one is taken over. */
static void keep_request_id(struct conn *conn)
{
	struct slice id = conn->hs.request_id;
	size_t n = 0;
	while (n < id.len && n < sizeof(conn->request_id) - 1 && strchr("0123456789abcdefABCDEF-_", id.ptr[n]) &&
	       id.ptr[n])
		n++;
	memcpy(conn->request_id, id.ptr ? id.ptr : "", n);
}

void upgrade_refuse_key(struct conn *conn)
{
	uint16_t status;
	const char *text = bounds_wrong_key(conn, &status);
	conn_refuse(conn, status, text);
}

void upgrade_key_read(struct conn *conn, const PGresult *result)
{
	autobuf text = { 0 };
	const char *refusal;
	if (conn->state != CONN_JOINING)
		return;
	if (!result)
		conn_refuse(conn, 503, "Database unavailable, try again");
	else if (!keys_take(conn, result))
		upgrade_refuse_key(conn);
	else if ((refusal = keys_refuse(conn, false, &text)))
		conn_refuse(conn, 429, refusal);
	else
		authorized(conn);
}

void upgrade_received(struct conn *conn)
{
	switch (handshake_parse(&conn->hs, conn->in.data, conn->in.len)) {
	case HANDSHAKE_MORE:
		return;
	case HANDSHAKE_BAD:
		bounds_count(conn->bridge, LIMIT_BAD_REQUEST);
		conn_refuse(conn, conn->hs.status, conn->hs.error);
		return;
	case HANDSHAKE_OK:
		break;
	}
	keep_request_id(conn);
	conn->state = CONN_JOINING;
	conn_pause(conn, PAUSE_JOIN);
	const struct conf *conf = &conn->bridge->conf;
	const struct auth_keys api_keys = { conf->api_key, conf->api_key_previous };
	autowiped given = { 0 };
	switch (auth_check(&api_keys, conn->hs.authorization, uri_query(conn->hs.target))) {
	case AUTH_OK:
		authorized(conn);
		break;
	case AUTH_WORKSPACE:
		(void)buf_reserve(&given, API_KEY_LENGTH + 1);
		auth_given(conn->hs.authorization, uri_query(conn->hs.target), &given);
		keys_ask(conn, buf_slice(&given));
		break;
	case AUTH_NONE:
	case AUTH_WRONG:
		upgrade_refuse_key(conn);
		break;
	}
}
