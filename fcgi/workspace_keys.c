/* workspace_keys.c: looking up workspaces' keys, and remembering them for a second. */
#include "workspace_keys.h"

#include <stdlib.h>

#include "bucket.h"
#include "clock.h"
#include "key_directory.h"
#include "log.h"
#include "map.h"

#define BELIEVED_MS 1000
#define UNKNOWN_MS 10000
#define MAX_KNOWN 1024	    /* ids; then all are forgotten */
#define MAX_SIGNERS 256	    /* workspaces that have keys; the same */
#define UNKNOWN_RATE 20.0   /* questions a second about ids and workspaces of which nothing is known */
#define UNKNOWN_AT_ONCE 200 /* of those */

enum column { FIND_WORKSPACE, FIND_SHA256, FIND_READ_ONLY, FIND_PER_MINUTE, FIND_EXPIRES };
enum sealed_column { SEALED_ID, SEALED_TEXT, SEALED_EXPIRES };

/* The keys that may have signed URLs of a workspace. */
struct signers {
	int64_t asked_at;
	size_t count;
	struct {
		struct buf text;
		int64_t expires_ms;
	} keys[API_KEYS_MAX];
};

struct workspace_keys {
	const struct seal_key *seal_keys;
	size_t seal_key_count;
	struct map known;	/* id -> struct workspace_key */
	struct map unknown_ids; /* id -> int64_t: when the database didn't know it */
	struct map signers;	/* workspace -> struct signers; only those that have keys */
	struct bucket unknown;
	struct key_names names; /* for what may not be asked one by one */
};

struct workspace_keys *workspace_keys_new(const struct seal_key *seal_keys, size_t seal_key_count)
{
	struct workspace_keys *keys = xcalloc(1, sizeof(*keys));
	keys->seal_keys = seal_keys;
	keys->seal_key_count = seal_key_count;
	return keys;
}

static void free_known(void *value, void *arg)
{
	struct workspace_key *key = value;
	(void)arg;
	buf_free(&key->workspace);
	free(key);
}

static void free_number(void *value, void *arg)
{
	(void)arg;
	free(value);
}

static void clear_signers(struct signers *s)
{
	for (size_t i = 0; i < s->count; i++)
		buf_wipe(&s->keys[i].text);
	s->count = 0;
}

static void free_signers(void *value, void *arg)
{
	(void)arg;
	clear_signers(value);
	free(value);
}

static void forget(struct map *map, void (*free_value)(void *, void *))
{
	map_each(map, free_value, NULL);
	map_free(map);
	*map = (struct map){ 0 };
}

void workspace_keys_free(struct workspace_keys *keys)
{
	if (!keys)
		return;
	forget(&keys->known, free_known);
	forget(&keys->unknown_ids, free_number);
	forget(&keys->signers, free_signers);
	key_names_free(&keys->names);
	free(keys);
}

static bool is_fresh(int64_t asked_at, int64_t now)
{
	return asked_at && now - asked_at < BELIEVED_MS;
}

/* Whoever makes up ids or workspaces may not make the database work. */
static bool may_ask_unknown(struct workspace_keys *keys, int64_t now)
{
	return bucket_take(&keys->unknown, UNKNOWN_RATE, UNKNOWN_AT_ONCE, (uint64_t)now);
}

static bool has_expired(int64_t expires_ms)
{
	return expires_ms && clock_wall_ms() >= expires_ms;
}

/* ---- by id ---- */

static void take_row(struct workspace_key *key, const PGresult *row)
{
	buf_clear(&key->workspace);
	struct slice sha256 = row ? db_get(row, 0, FIND_SHA256) : slice_make(NULL, 0);
	key->there = sha256.len == sizeof(key->sha256);
	if (!key->there)
		return;
	memcpy(key->sha256, sha256.ptr, sha256.len);
	buf_add_slice(&key->workspace, db_get(row, 0, FIND_WORKSPACE));
	key->read_only = db_get_bool(row, 0, FIND_READ_ONLY);
	key->per_minute = PQgetisnull(row, 0, FIND_PER_MINUTE) ? 0 : db_get_i64(row, 0, FIND_PER_MINUTE);
	key->expires_ms = PQgetisnull(row, 0, FIND_EXPIRES) ? 0 : db_get_i64(row, 0, FIND_EXPIRES);
}

/* Leaves the connection free for the request itself. */
static enum status read_to_end(struct database *db, enum status status, const PGresult *row)
{
	while (status == STATUS_OK && row)
		status = database_row(db, &row);
	return status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status;
}

static enum status ask(struct workspace_key *key, struct database *db, int64_t now)
{
	const PGresult *row;
	struct db_params params = { 0 };
	db_add_text(&params, slice_make(key->id, API_KEY_ID));
	enum status status = database_read(db, SQL_KEY_FIND, &params, &row);
	if (status != STATUS_OK)
		return status;
	take_row(key, row);
	key->asked_at = now;
	return read_to_end(db, status, row);
}

/* An id that comes into being was never seen before: it may be taken for unknown for longer. */
static bool is_unknown(struct workspace_keys *keys, struct slice id, int64_t now)
{
	const int64_t *asked_at = map_get(&keys->unknown_ids, id);
	return asked_at && now - *asked_at < UNKNOWN_MS;
}

static void note_unknown(struct workspace_keys *keys, struct slice id, int64_t now)
{
	int64_t *asked_at = map_get(&keys->unknown_ids, id);
	if (!asked_at && keys->unknown_ids.count >= MAX_KNOWN)
		forget(&keys->unknown_ids, free_number);
	if (!asked_at) {
		asked_at = xcalloc(1, sizeof(*asked_at));
		map_put(&keys->unknown_ids, id, asked_at);
	}
	*asked_at = now;
}

/* One that isn't known yet. *found is NULL when the database doesn't know it either. */
static enum status ask_new(struct workspace_keys *keys, struct database *db, struct slice id, int64_t now,
			   struct workspace_key **found)
{
	struct workspace_key *key = xcalloc(1, sizeof(*key));
	memcpy(key->id, id.ptr, API_KEY_ID);
	enum status status = ask(key, db, now);
	if (status != STATUS_OK || !key->there) {
		if (status == STATUS_OK)
			note_unknown(keys, id, now);
		free_known(key, NULL);
		return status;
	}
	/* Those who make up ids can't fill this. */
	if (keys->known.count >= MAX_KNOWN)
		forget(&keys->known, free_known);
	map_put(&keys->known, id, key);
	bucket_give(&keys->unknown);
	*found = key;
	return STATUS_OK;
}

static enum status look_up(struct workspace_keys *keys, struct database *db, struct slice id, bool may_ask,
			   struct workspace_key **found)
{
	int64_t now = clock_ms();
	bool may_be = true;
	struct workspace_key *key = map_get(&keys->known, id);
	*found = key;
	if (key)
		return is_fresh(key->asked_at, now) ? STATUS_OK : ask(key, db, now);
	if (is_unknown(keys, id, now))
		return STATUS_OK;
	if (!may_ask || !may_ask_unknown(keys, now)) {
		enum status status = key_directory_has_id(&keys->names, db, id, &may_be);
		if (status != STATUS_OK)
			return status;
	}
	return may_be ? ask_new(keys, db, id, now, found) : STATUS_OK;
}

enum status workspace_keys_find(struct workspace_keys *keys, struct database *db, struct slice text, bool may_ask,
				const struct workspace_key **found)
{
	unsigned char hash[API_KEY_HASH];
	struct slice id;
	struct workspace_key *key = NULL;
	*found = NULL;
	if (!api_key_id(text, &id) || !api_key_hash(text, hash))
		return STATUS_OK;
	enum status status = look_up(keys, db, id, may_ask, &key);
	if (status != STATUS_OK)
		return status;
	if (key && key->there && !has_expired(key->expires_ms) &&
	    api_key_is(hash, slice_make((const char *)key->sha256, sizeof(key->sha256))))
		*found = key;
	return STATUS_OK;
}

/* ---- by workspace ---- */

/* A text that was put into another key's row isn't that key's. */
static bool is_of(struct slice id, const struct buf *text)
{
	struct slice found;
	return api_key_id(buf_slice(text), &found) && slice_eq(found, id);
}

static void add_signer(const struct workspace_keys *keys, struct signers *s, struct slice workspace,
		       const PGresult *row, const char *request)
{
	const struct seal_place place = { .purpose = SEAL_API_KEY, .workspace = workspace };
	struct slice sealed = db_get(row, 0, SEALED_TEXT), id = db_get(row, 0, SEALED_ID);
	if (s->count == API_KEYS_MAX)
		return;
	s->keys[s->count].text = (struct buf){ 0 };
	struct buf *text = &s->keys[s->count].text;
	(void)buf_reserve(text, API_KEY_LENGTH + 1);
	for (size_t i = 0; i < keys->seal_key_count; i++) {
		if (!unseal_at(&keys->seal_keys[i], &place, sealed, text))
			continue;
		if (!is_of(id, text))
			break;
		s->keys[s->count++].expires_ms =
			PQgetisnull(row, 0, SEALED_EXPIRES) ? 0 : db_get_i64(row, 0, SEALED_EXPIRES);
		return;
	}
	buf_wipe(text);
	log_warn(request, "the workspace's key %.*s doesn't open with ENCRYPTION_KEY: its signatures can't be checked",
		 (int)id.len, id.ptr);
}

/* Those who make up workspaces can't fill this. */
static struct signers *signers_put(struct workspace_keys *keys, struct slice workspace)
{
	if (keys->signers.count >= MAX_SIGNERS)
		forget(&keys->signers, free_signers);
	struct signers *s = xcalloc(1, sizeof(*s));
	map_put(&keys->signers, workspace, s);
	return s;
}

static void drop_signers(struct workspace_keys *keys, struct slice workspace)
{
	struct signers *s = map_remove(&keys->signers, workspace);
	if (s)
		free_signers(s, NULL);
}

/* *found is NULL when the workspace has no key. */
static enum status ask_signers(struct workspace_keys *keys, struct database *db, struct slice workspace, int64_t now,
			       struct signers **found)
{
	const PGresult *row;
	struct db_params params = { 0 };
	db_add_text(&params, workspace);
	enum status status = database_read(db, SQL_KEYS_SEALED, &params, &row);
	if (status != STATUS_OK)
		return status;
	drop_signers(keys, workspace);
	*found = row ? signers_put(keys, workspace) : NULL;
	while (status == STATUS_OK && row) {
		add_signer(keys, *found, workspace, row, db->request);
		status = database_row(db, &row);
	}
	if (status == STATUS_OK && *found)
		(*found)->asked_at = now;
	return status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status;
}

/* One that is known to have keys is asked about again and again, whoever else asks for what. */
static enum status find_signers(struct workspace_keys *keys, struct database *db, struct slice workspace, bool may_ask,
				struct signers **found)
{
	int64_t now = clock_ms();
	bool may_be = true;
	*found = map_get(&keys->signers, workspace);
	if (*found && is_fresh((*found)->asked_at, now))
		return STATUS_OK;
	if (!*found && (!may_ask || !may_ask_unknown(keys, now))) {
		enum status status = key_directory_has_workspace(&keys->names, db, workspace, &may_be);
		if (status != STATUS_OK)
			return status;
	}
	return may_be ? ask_signers(keys, db, workspace, now, found) : STATUS_OK;
}

enum status workspace_keys_signed(struct workspace_keys *keys, struct database *db, struct slice workspace,
				  bool may_ask, struct slice path, const struct signature *signature)
{
	struct signers *s;
	bool found = false;
	enum status status = find_signers(keys, db, workspace, may_ask, &s);
	if (status != STATUS_OK)
		return status;
	/* All are tried, whichever it was. */
	for (size_t i = 0; s && i < s->count; i++) {
		bool is = signature_is(buf_cstr(&s->keys[i].text), path, signature);
		found |= is && !has_expired(s->keys[i].expires_ms);
	}
	return found ? STATUS_OK : STATUS_BAD_SIGNATURE;
}
