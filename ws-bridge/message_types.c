/* message_types.c: the table of the messages that change something, and the parameters of their statements. */
#include <stdlib.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/universal_hash.h"
#include "op.h"
#include "room.h"
#include "session_cache.h"

static struct slice id_of(const struct op *op, size_t field)
{
	return buf_slice(&op->decoded[field]);
}

static struct session_cache *cache_of(const struct op *op)
{
	return op->conn->bridge->cache;
}

static struct slice workspace_of(const struct op *op)
{
	return room_name(op->room);
}

/* Random numbers are taken from the kernel by the dozen. */
static uint64_t random_number(void)
{
	static uint64_t stock[32];
	static size_t left;
	if (left == 0) {
		if (getrandom(stock, sizeof(stock), 0) != (ssize_t)sizeof(stock))
			abort();
		left = sizeof(stock) / sizeof(*stock);
	}
	return stock[--left];
}

/* A version that nobody else makes; never 0, which stands for "no session". */
static void choose_version(struct op *op)
{
	uint64_t v = 0;
	while (v == 0)
		v = random_number() >> 1;
	op->version = (int64_t)v;
}

/* ---- sessions ---- */

/* What the cache will say once the statement is committed. header without bytes: the session is gone. */
static void foretell(struct op *op, struct slice header, const struct buf *hashes)
{
	struct session_entry *e = session_cache_put(cache_of(op), workspace_of(op), id_of(op, 0));
	e->version = header.len ? op->version : 0;
	buf_clear(&e->header);
	buf_add_slice(&e->header, header);
	if (hashes) {
		buf_free(&e->sha256);
		buf_clear(&e->hashes);
		buf_add_slice(&e->hashes, buf_slice(hashes));
		e->has_digests = true;
	}
	session_cache_weigh(cache_of(op), e);
}

/* False: the header passes a limit, and the op says so. Nothing may be foretold then. */
static bool header_may_be(struct op *op, struct slice header, struct slice old)
{
	op->refused_by = LIMIT_HEADER;
	return header_fits(header, old, (size_t)op->conn->bridge->conf.session_header_max, &op->refusal);
}

static size_t messages_of(const struct session_entry *e)
{
	return e->hashes.len ? e->hashes.len / UNIVERSAL_HASH_BYTES : e->sha256.len / SHA256_BYTES;
}

/* The same for the number of messages. The shortest is a digit and a comma. */
static bool messages_may_be(struct op *op, struct slice messages, const struct session_entry *e)
{
	size_t count = 0;
	if (messages.len <= (size_t)2 * OP_MAX_MESSAGES)
		return true;
	struct json_iter it = json_iter(messages);
	while (json_next(&it))
		count++;
	if (count <= OP_MAX_MESSAGES || count <= messages_of(e))
		return true;
	op->refused_by = LIMIT_MESSAGES;
	buf_addf(&op->refusal, "The session would have %zu messages: at most %d are stored in one session", count,
		 OP_MAX_MESSAGES);
	return false;
}

static void create_session(struct op *op, struct db_params *p)
{
	static const struct buf no_hashes = { 0 };
	autobuf times = { 0 };
	if (!op->event.len) {
		int64_t now = clock_wall_ms();
		buf_addf(&times, "{\"createdAt\":%lld,\"lastUsedAt\":%lld}", (long long)now, (long long)now);
		json_merge(&op->event, op->data, buf_slice(&times));
	}
	if (!header_may_be(op, buf_slice(&op->event), slice_make(NULL, 0)))
		return;
	choose_version(op);
	db_add_text(p, id_of(op, 0));
	db_add_text(p, buf_slice(&op->event));
	header_columns_add(p, buf_slice(&op->event), &op->scratch);
	db_add_i64(p, op->version);
	foretell(op, buf_slice(&op->event), &no_hashes);
}

static bool is_at(const struct buf *digests, size_t i, const unsigned char *digest, size_t size)
{
	return digests->len && (i + 1) * size <= digests->len && memcmp(digests->data + i * size, digest, size) == 0;
}

/* Is this the i-th message as the cache knows it? If not, *digest is its SHA-256. */
static bool is_known(const struct session_entry *e, size_t i, struct slice text, const unsigned char *hash,
		     unsigned char *digest)
{
	if (is_at(&e->hashes, i, hash, UNIVERSAL_HASH_BYTES))
		return true;
	sha256(&text, 1, digest);
	return is_at(&e->sha256, i, digest, SHA256_BYTES);
}

struct diff {
	size_t count, changed, bytes;
	struct buf hashes;  /* universal_hash() of all messages */
	struct buf changes; /* struct change, of those that differ */
};

struct change {
	int32_t idx;
	unsigned char digest[SHA256_BYTES];
	struct slice body;
};

static void compare(struct slice messages, const struct session_entry *e, struct diff *d)
{
	struct json_iter it = json_iter(messages);
	for (; json_next(&it); d->count++) {
		struct change c = { .idx = (int32_t)d->count, .body = it.value };
		unsigned char hash[UNIVERSAL_HASH_BYTES];
		universal_hash(it.value, hash);
		buf_add(&d->hashes, hash, sizeof(hash));
		d->bytes += it.value.len;
		if (is_known(e, d->count, it.value, hash, c.digest))
			continue;
		buf_add(&d->changes, &c, sizeof(c));
		d->changed++;
	}
}

static void build_arrays(struct op *op, const struct diff *d)
{
	buf_clear(&op->idx);
	buf_clear(&op->sha256);
	buf_clear(&op->body);
	db_array_begin(&op->idx, DB_INT4, d->changed);
	db_array_begin(&op->sha256, DB_BYTEA, d->changed);
	db_array_begin(&op->body, DB_JSON, d->changed);
	for (size_t i = 0; i < d->changed; i++) {
		struct change c;
		memcpy(&c, d->changes.data + i * sizeof(c), sizeof(c));
		db_array_i32(&op->idx, c.idx);
		db_array_text(&op->sha256, slice_make((const char *)c.digest, sizeof(c.digest)));
		db_array_text(&op->body, c.body);
	}
	db_array_end(&op->body);
}

static void save_session(struct op *op, struct db_params *p)
{
	static const struct session_entry nothing = { 0 };
	const struct session_entry *e = session_cache_get(cache_of(op), workspace_of(op), id_of(op, 0));
	struct diff d = { 0 };
	if (!e)
		e = &nothing;
	if (!header_may_be(op, op->raw[1], buf_slice(&e->header)) || !messages_may_be(op, op->raw[2], e))
		return;
	int64_t base = e->version;
	compare(op->raw[2], e, &d);
	build_arrays(op, &d);
	choose_version(op);
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->raw[1]);
	header_columns_add(p, op->raw[1], &op->scratch);
	db_add_i64(p, base);
	db_add_i64(p, op->version);
	db_add_i32(p, (int32_t)d.count);
	db_add_i64(p, (int64_t)d.bytes);
	db_add_text(p, buf_slice(&op->idx));
	db_add_text(p, buf_slice(&op->body));
	db_add_text(p, buf_slice(&op->sha256));
	foretell(op, op->raw[1], &d.hashes);
	buf_free(&d.hashes);
	buf_free(&d.changes);
}

static void delete_session(struct op *op, struct db_params *p)
{
	static const struct buf no_hashes = { 0 };
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->data);
	foretell(op, slice_make(NULL, 0), &no_hashes);
}

/* header: where the merged header goes; it must live until the statement was sent. */
static void update_session(struct op *op, struct db_params *p, struct slice updates, struct buf *header, bool echoes)
{
	const struct session_entry *e = session_cache_get(cache_of(op), workspace_of(op), id_of(op, 0));
	int64_t base = e ? e->version : 0;
	struct slice old = base ? buf_slice(&e->header) : SLICE_LIT("{}");
	if (!header_may_be(op, updates, old))
		return;
	buf_clear(header);
	json_merge(header, old, updates);
	if (base && !header_may_be(op, buf_slice(header), old))
		return;
	choose_version(op);
	db_add_text(p, id_of(op, 0));
	db_add_text(p, buf_slice(header));
	header_columns_add(p, buf_slice(header), &op->scratch);
	db_add_i64(p, base);
	db_add_i64(p, op->version);
	if (echoes)
		db_add_null(p);
	else
		db_add_text(p, op->data);
	if (base)
		foretell(op, buf_slice(header), NULL);
}

static void update_meta(struct op *op, struct db_params *p)
{
	update_session(op, p, op->raw[1], &op->event, true);
}

static void update_sdk_id(struct op *op, struct db_params *p)
{
	autobuf updates = { 0 };
	buf_add_str(&updates, "{\"sdkSessionId\":");
	buf_add_slice(&updates, op->raw[1]);
	buf_add_char(&updates, '}');
	update_session(op, p, buf_slice(&updates), &op->body, false);
}

static void clear_messages(struct op *op, struct db_params *p)
{
	struct session_entry *e = session_cache_get(cache_of(op), workspace_of(op), id_of(op, 0));
	choose_version(op);
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->data);
	db_add_i64(p, op->version);
	if (e && e->version) {
		e->version = op->version;
		buf_clear(&e->sha256);
		buf_clear(&e->hashes);
		e->has_digests = true;
	}
}

/* ---- everything else ---- */

static void id_and_data(struct op *op, struct db_params *p)
{
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->data);
}

static void data_only(struct op *op, struct db_params *p)
{
	db_add_text(p, op->data);
}

static void save_guide(struct op *op, struct db_params *p)
{
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->raw[1]);
	db_add_text(p, op->data);
}

static void save_skill(struct op *op, struct db_params *p)
{
	db_add_text(p, id_of(op, 0));
	db_add_text(p, op->raw[1]);
	db_add_text(p, op->raw[2]);
	db_add_text(p, op->data);
}

static void save_plan(struct op *op, struct db_params *p)
{
	db_add_text(p, id_of(op, 0));
	db_add_text(p, id_of(op, 1));
	db_add_text(p, op->raw[2]);
	db_add_text(p, op->data);
}

static void delete_plan(struct op *op, struct db_params *p)
{
	db_add_text(p, id_of(op, 0));
	db_add_text(p, id_of(op, 1));
	db_add_text(p, op->data);
}

/* clang-format off */
static const struct message_type types[] = {
	{ "session:create", "session", "created", STMT_SESSION_CREATE, BASE_NONE, true, "Session already exists: ",
	  { { "id", FIELD_ID } }, create_session },
	{ "session:save", "session", "updated", STMT_SESSION_SAVE, BASE_DIGESTS, false, NULL,
	  { { "id", FIELD_ID }, { "header", FIELD_OBJECT }, { "messages", FIELD_ARRAY } }, save_session },
	{ "session:delete", "session", "deleted", STMT_SESSION_DELETE, BASE_NONE, false, NULL,
	  { { "sessionId", FIELD_OLD_ID } }, delete_session },
	{ "session:updateMeta", "session", "updated", STMT_SESSION_UPDATE, BASE_HEADER, true, NULL,
	  { { "sessionId", FIELD_ID }, { "updates", FIELD_OBJECT } }, update_meta },
	{ "session:updateSdkId", "session", "updated", STMT_SESSION_UPDATE, BASE_HEADER, false, NULL,
	  { { "sessionId", FIELD_ID }, { "sdkSessionId", FIELD_STRING_OR_NULL } }, update_sdk_id },
	{ "session:clearMessages", "session", "updated", STMT_SESSION_CLEAR, BASE_NONE, false, NULL,
	  { { "sessionId", FIELD_ID } }, clear_messages },
	{ "source:create", "source", "created", STMT_SOURCE_CREATE, BASE_NONE, true, "Source already exists: ",
	  { { "slug", FIELD_ID } }, id_and_data },
	{ "source:saveConfig", "source", "updated", STMT_SOURCE_SAVE_CONFIG, BASE_NONE, false, NULL,
	  { { "slug", FIELD_ID } }, id_and_data },
	{ "source:saveGuide", "source", "updated", STMT_SOURCE_SAVE_GUIDE, BASE_NONE, false, NULL,
	  { { "sourceSlug", FIELD_ID }, { "guide", FIELD_ANY } }, save_guide },
	{ "source:delete", "source", "deleted", STMT_SOURCE_DELETE, BASE_NONE, false, NULL,
	  { { "sourceSlug", FIELD_OLD_ID } }, id_and_data },
	{ "statuses:save", "statuses", "updated", STMT_STATUSES_SAVE, BASE_NONE, false, NULL, { { NULL, FIELD_END } }, data_only },
	{ "labels:save", "labels", "updated", STMT_LABELS_SAVE, BASE_NONE, false, NULL, { { NULL, FIELD_END } }, data_only },
	{ "skill:save", "skill", "updated", STMT_SKILL_SAVE, BASE_NONE, false, NULL,
	  { { "slug", FIELD_ID }, { "content", FIELD_STRING }, { "metadata", FIELD_ANY } }, save_skill },
	{ "skill:delete", "skill", "deleted", STMT_SKILL_DELETE, BASE_NONE, false, NULL, { { "slug", FIELD_OLD_ID } }, id_and_data },
	{ "plan:save", "plan", "updated", STMT_PLAN_SAVE, BASE_NONE, false, NULL,
	  { { "sessionId", FIELD_ID }, { "fileName", FIELD_ID }, { "content", FIELD_STRING } }, save_plan },
	{ "plan:delete", "plan", "deleted", STMT_PLAN_DELETE, BASE_NONE, false, NULL,
	  { { "sessionId", FIELD_OLD_ID }, { "fileName", FIELD_OLD_ID } }, delete_plan },
};
/* clang-format on */

const struct message_type *message_type_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (slice_eq_str(name, types[i].name))
			return &types[i];
	}
	return NULL;
}

_Static_assert(sizeof(types) / sizeof(*types) <= MESSAGE_TYPES_MAX, "MESSAGE_TYPES_MAX is too small");

const struct message_type *message_type_at(size_t place)
{
	return place < sizeof(types) / sizeof(*types) ? &types[place] : NULL;
}

size_t message_type_place(const struct message_type *type)
{
	return (size_t)(type - types);
}
