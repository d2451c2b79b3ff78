/* key_directory.h: asking a worker's key_names, and the database for what is new among them. */
#ifndef CRAFT_FCGI_KEY_DIRECTORY_H
#define CRAFT_FCGI_KEY_DIRECTORY_H

#include "database.h"
#include "key_names.h"

/* Has there been a key of that id, or one of that workspace? STATUS_OK: *found says so; some that were revoked count
 * too. STATUS_UNCHECKED: there are too many to tell. Else what database_read() says. */
enum status key_directory_has_id(struct key_names *k, struct database *db, struct slice id, bool *found)
	__attribute__((warn_unused_result));
enum status key_directory_has_workspace(struct key_names *k, struct database *db, struct slice workspace, bool *found)
	__attribute__((warn_unused_result));

#endif
