/* key_names.h: the names of all keys that open one workspace each, and of all workspaces that have one, as a process
 * knows them: tells made-up ones from those worth a question, however many come. It costs one question a second, of
 * what is new (api.keys_since), which the process asks in its own way; what it says is at most a second old. */
#ifndef CRAFT_KEY_NAMES_H
#define CRAFT_KEY_NAMES_H

#include <libpq-fe.h>

#include "map.h"

/* All zero is one that hasn't asked yet. */
struct key_names {
	struct map names;
	int64_t asked_at;  /* ms, monotonic; 0: never */
	int64_t newest_ms; /* when the newest of them was made */
	bool incomplete;   /* there are more than it holds */
};

void key_names_free(struct key_names *k);

/* Is another question due before what it says is to be believed? now: ms, of the clock that key_names_asked() had. */
bool key_names_is_due(const struct key_names *k, int64_t now);
/* The parameters of api.keys_since; names of more keys than that aren't held. */
#define KEY_NAMES_MAX 65536
int64_t key_names_since(const struct key_names *k);
/* A row of the answer. */
void key_names_take(struct key_names *k, const PGresult *rows, int row);
/* There were `count` rows in the answer to the question that was asked at asked_at. */
void key_names_asked(struct key_names *k, int64_t count, int64_t asked_at);

enum key_names_kind { KEY_NAMES_ID, KEY_NAMES_WORKSPACE };
/* Has there been a key of that id, or one of that workspace? Some that were revoked count too. KEY_NAMES_UNTOLD: there
 * are too many to tell. */
enum key_names_answer { KEY_NAMES_NO, KEY_NAMES_YES, KEY_NAMES_UNTOLD };
enum key_names_answer key_names_have(const struct key_names *k, enum key_names_kind kind, struct slice name);

#endif
