/* workspace_keys.h: the keys that open one workspace each (lib/api_key.h), as this worker knows them. What the database
 * said is believed for a second, so that a key that was revoked opens nothing any more soon after. */
#ifndef CRAFT_FCGI_WORKSPACE_KEYS_H
#define CRAFT_FCGI_WORKSPACE_KEYS_H

#include "api_key.h"
#include "database.h"
#include "seal.h"
#include "signature.h"

struct workspace_key {
	char id[API_KEY_ID + 1];
	struct buf workspace;
	bool read_only;
	int64_t per_minute; /* 0: any number */
	int64_t expires_ms; /* since 1970; 0: it doesn't */
	bool there;	    /* false: it opens nothing any more */
	unsigned char sha256[API_KEY_HASH];
	int64_t asked_at; /* ms, monotonic */
};

struct workspace_keys;
/* The seal keys must outlive it. */
struct workspace_keys *workspace_keys_new(const struct seal_key *seal_keys, size_t seal_key_count);
void workspace_keys_free(struct workspace_keys *keys); /* wipes them */

/* Finds the key of that text, which api_key_id() takes for one. STATUS_OK: *key is it, until the next call, or NULL:
 * it opens nothing. may_ask: the database may be asked about this one, if it isn't known; else, and when too many
 * unknown ones came lately, the list of all keys decides, which may lack one of the last second. STATUS_UNCHECKED: it
 * can't be told now. Else what database_read() says. */
enum status workspace_keys_find(struct workspace_keys *keys, struct database *db, struct slice text, bool may_ask,
				const struct workspace_key **key) __attribute__((warn_unused_result));

/* Was it made for path with one of the workspace's keys? STATUS_OK, STATUS_BAD_SIGNATURE, or why that can't be told
 * now; may_ask as above. */
enum status workspace_keys_signed(struct workspace_keys *keys, struct database *db, struct slice workspace,
				  bool may_ask, struct slice path, const struct signature *signature)
	__attribute__((warn_unused_result));

#endif
