/* op.c: one mutation from the checked message to the answer. */
#include "op.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "counts.h"
#include "hub.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/pglink.h"
#include "room.h"
#include "session_cache.h"

#define SUCCESS "{\"success\":true}"

/* ---- from the message ---- */

static const char *const wanted[] = {
	[FIELD_ID] = "a string of 1 to 1024 bytes without NUL or unpaired surrogates, and neither . nor ..",
	[FIELD_OLD_ID] = "a string of 1 to 1024 bytes without NUL or unpaired surrogates",
	[FIELD_STRING] = "a string",
	[FIELD_STRING_OR_NULL] = "a string or null",
	[FIELD_OBJECT] = "an object",
	[FIELD_ARRAY] = "an array",
	[FIELD_ANY] = "a JSON value",
};

/* No URL can name it: clients and proxies take such a part out. */
static bool is_dots(const struct buf *id)
{
	return slice_eq_str(buf_slice(id), ".") || slice_eq_str(buf_slice(id), "..");
}

static bool field_fits(enum field_kind kind, struct slice raw, struct buf *decoded)
{
	enum json_kind is = json_kind_of(raw);
	switch (kind) {
	case FIELD_ID:
	case FIELD_OLD_ID:
		return is == JSON_STRING && raw.len <= OP_MAX_ID * 6 + 2 && json_decode(raw, decoded) &&
		       decoded->len > 0 && decoded->len <= OP_MAX_ID && (kind == FIELD_OLD_ID || !is_dots(decoded));
	case FIELD_STRING:
		return is == JSON_STRING;
	case FIELD_STRING_OR_NULL:
		return is == JSON_STRING || is == JSON_NULL;
	case FIELD_OBJECT:
		return is == JSON_OBJECT;
	case FIELD_ARRAY:
		return is == JSON_ARRAY;
	case FIELD_ANY:
	case FIELD_END:
		break;
	}
	return true;
}

static bool read_fields(struct op *op, struct buf *error)
{
	for (size_t i = 0; op->type->fields[i].kind != FIELD_END; i++) {
		const char *name = op->type->fields[i].name;
		enum field_kind kind = op->type->fields[i].kind;
		if (!json_get(op->data, name, &op->raw[i])) {
			buf_addf(error, "Missing %s", name);
			return false;
		}
		if (!field_fits(kind, op->raw[i], &op->decoded[i])) {
			buf_addf(error, "Invalid %s: must be %s", name, wanted[kind]);
			return false;
		}
	}
	return true;
}

static void hash_request(struct op *op, struct slice request_id)
{
	const struct slice asked[] = { slice_of(op->type->name), op->data };
	XXH3_state_t *state = XXH3_createState();
	if (!state)
		abort();
	sha256(&request_id, 1, op->request_hash);
	sha256(asked, 2, op->request_hash + SHA256_BYTES);
	(void)XXH3_64bits_reset(state);
	(void)XXH3_64bits_update(state, op->type->name, strlen(op->type->name));
	(void)XXH3_64bits_update(state, op->data.ptr, op->data.len);
	op->payload_hash = (int64_t)XXH3_64bits_digest(state);
	(void)XXH3_freeState(state);
}

struct op *op_new(const struct message_type *type, struct conn *conn, struct buf *message, struct slice data,
		  struct slice request_id, struct buf *error)
{
	struct op *op = xcalloc(1, sizeof(*op));
	op->type = type;
	op->data = data;
	op->conn = conn_ref(conn);
	op->room = room_ref(conn->room);
	op->started = uv_now(conn->bridge->loop);
	op->arrived = uv_hrtime();
	buf_addf(&op->origin, "%s-%llu", conn->bridge->id, (unsigned long long)conn->serial);
	if (!read_fields(op, error)) {
		op_free(op);
		return NULL;
	}
	if (conn->client && request_id.len)
		hash_request(op, request_id);
	op->message = *message;
	bounds_add_bytes(conn->bridge, op->message.cap);
	*message = (struct buf){ 0 };
	return op;
}

void op_free(struct op *op)
{
	for (size_t i = 0; i < OP_MAX_FIELDS; i++)
		buf_free(&op->decoded[i]);
	bounds_remove_bytes(op->conn->bridge, op->message.cap);
	buf_free(&op->message);
	buf_free(&op->event);
	buf_free(&op->origin);
	buf_free(&op->idx);
	buf_free(&op->sha256);
	buf_free(&op->body);
	buf_free(&op->refusal);
	header_scratch_free(&op->scratch);
	room_unref(op->room);
	conn_unref(op->conn);
	free(op);
}

/* ---- to the database ---- */

static struct slice op_session(const struct op *op)
{
	return buf_slice(&op->decoded[0]);
}

static bool is_session_op(const struct op *op)
{
	return strcmp(op->type->entity, "session") == 0;
}

void op_forget(struct op *op)
{
	if (is_session_op(op))
		session_cache_drop(op->conn->bridge->cache, room_name(op->room), op_session(op));
}

bool op_send_base(struct op *op, struct pglink *link, bool *asked)
{
	*asked = false;
	if (op->type->base == BASE_NONE)
		return true;
	const struct session_entry *e = session_cache_get(op->conn->bridge->cache, room_name(op->room), op_session(op));
	if (e && (op->type->base == BASE_HEADER || e->has_digests))
		return true;
	struct db_params p = { 0 };
	db_add_text(&p, room_name(op->room));
	db_add_text(&p, op_session(op));
	*asked = true;
	return pglink_query(link, op->type->base == BASE_DIGESTS ? STMT_SESSION_BASE : STMT_SESSION_HEADER, &p);
}

void op_take_base(struct op *op, const PGresult *r)
{
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) == 0)
		return;
	struct session_cache *cache = op->conn->bridge->cache;
	struct session_entry *e = session_cache_put(cache, room_name(op->room), op_session(op));
	e->version = PQgetisnull(r, 0, 0) ? 0 : db_get_i64(r, 0, 0);
	buf_clear(&e->header);
	buf_add_slice(&e->header, db_get(r, 0, 1));
	e->has_digests = op->type->base == BASE_DIGESTS;
	buf_free(&e->hashes);
	buf_clear(&e->sha256);
	if (e->has_digests)
		buf_add_slice(&e->sha256, db_get(r, 0, 2));
	session_cache_weigh(cache, e);
}

static void add_request(struct op *op, struct db_params *p)
{
	bool named = op->conn->client && op->reply->request_id.len;
	db_add_text(p, buf_slice(&op->origin));
	if (!named) {
		db_add_null(p);
		db_add_null(p);
		db_add_null(p);
		return;
	}
	db_add_text(p, slice_of(op->conn->client));
	db_add_text(p, slice_make((const char *)op->request_hash, sizeof(op->request_hash)));
	db_add_i64(p, op->payload_hash);
}

bool op_parameters(struct op *op, struct db_params *p)
{
	buf_clear(&op->refusal);
	db_add_text(p, room_name(op->room));
	op->type->parameters(op, p);
	if (op->refusal.len)
		return false;
	add_request(op, p);
	assert(p->count == statements[op->type->statement].params);
	return true;
}

void op_sent(struct op *op)
{
	buf_free(&op->idx);
	buf_free(&op->sha256);
	buf_free(&op->body);
}

bool op_may_join(const struct op *op)
{
	if (op->type->statement != STMT_SESSION_UPDATE)
		return false;
	const struct session_entry *e = session_cache_get(op->conn->bridge->cache, room_name(op->room), op_session(op));
	return e && e->version;
}

/* ---- the answer ---- */

struct slice op_event(const struct op *op)
{
	if (op->event.len)
		return buf_slice(&op->event);
	return op->type->statement == STMT_SESSION_SAVE ? op->raw[1] : op->data;
}

static void answer_exists(struct op *op)
{
	autobuf text = { 0 };
	buf_add_str(&text, op->type->exists ? op->type->exists : "Already exists: ");
	buf_add_slice(&text, op_session(op));
	reply_error(op->conn, op->reply, buf_cstr(&text));
}

static void answer_not_found(struct op *op)
{
	autobuf text = { 0 };
	buf_add_str(&text, "Session not found: ");
	buf_add_slice(&text, op_session(op));
	reply_error(op->conn, op->reply, buf_cstr(&text));
}

/* An answer that echoes is read from the log, which may not reach back so far: then it is made of what was sent, and of
 * what the server had added (all that is remembered of it). */
static struct slice answer_again(const struct op *op, struct slice remembered, struct buf *made)
{
	struct slice id;
	if (!op->type->echoes)
		return SLICE_LIT(SUCCESS);
	if (op->type->statement == STMT_SOURCE_CREATE && !remembered.ptr)
		return op->data;
	if (op->type->statement != STMT_SESSION_CREATE || !remembered.ptr || json_get(remembered, "id", &id))
		return remembered;
	json_merge(made, op->data, remembered);
	return buf_slice(made);
}

/* What it was told the first time. */
static void answer_repeat(struct op *op, const struct op_outcome *o)
{
	autobuf made = { 0 };
	struct slice answer = answer_again(op, o->answer, &made);
	if (answer.ptr)
		reply_data(op->conn, op->reply, answer, o->seq);
	else
		reply_error(op->conn, op->reply,
			    "This request was applied before, but neither its answer nor its session is there any "
			    "more");
}

static void answer_refused(struct op *op)
{
	bounds_count(op->conn->bridge, op->refused_by);
	reply_error(op->conn, op->reply, buf_cstr(&op->refusal));
}

static void answer_ok(struct op *op, const struct op_outcome *o)
{
	struct slice event = op_event(op);
	reply_data(op->conn, op->reply, op->type->echoes ? event : SLICE_LIT(SUCCESS), o->seq);
	hub_committed(op->room, o->workspace_id, o->seq, op->type->entity, op->type->action, event, op->conn);
}

void op_committed(struct op *op, const struct op_outcome *o)
{
	histogram_add(&op->conn->bridge->counts->message_seconds[message_type_place(op->type)], &metrics_short,
		      (uv_hrtime() - op->arrived) / 1000);
	if (slice_eq_str(o->status, "ok")) {
		answer_ok(op, o);
		return;
	}
	if (slice_eq_str(o->status, "refused")) {
		answer_refused(op);
		return;
	}
	op_forget(op); /* what was foretold didn't happen */
	if (slice_eq_str(o->status, "repeat"))
		answer_repeat(op, o);
	else if (slice_eq_str(o->status, "exists"))
		answer_exists(op);
	else if (slice_eq_str(o->status, "not_found"))
		answer_not_found(op);
	else
		reply_error(op->conn, op->reply, "This requestId was used for another message before");
}
