/* key_directory.h: the names of all keys and of all workspaces that have one, as this worker knows them: tells made-up
 * ones from those worth a question, however many come. What it says is at most a second old, and costs one question a
 * second. */
#ifndef CRAFT_FCGI_KEY_DIRECTORY_H
#define CRAFT_FCGI_KEY_DIRECTORY_H

#include "database.h"
#include "map.h"

/* All zero is one that hasn't asked yet. */
struct key_directory {
	struct map names;
	int64_t asked_at;  /* ms, monotonic; 0: never */
	int64_t newest_ms; /* when the newest of them was made */
	bool incomplete;   /* there are more than it holds */
};

void key_directory_free(struct key_directory *d);

/* Has there been a key of that id, or one of that workspace? STATUS_OK: *found says so; some that were revoked count
 * too. STATUS_UNCHECKED: there are too many to tell. Else what database_read() says. */
enum status key_directory_has_id(struct key_directory *d, struct database *db, struct slice id, bool *found)
	__attribute__((warn_unused_result));
enum status key_directory_has_workspace(struct key_directory *d, struct database *db, struct slice workspace,
					bool *found) __attribute__((warn_unused_result));

#endif
