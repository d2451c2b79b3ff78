/* file_key.h: which file a request is about, and whether it may be called so. */
#ifndef CRAFT_FCGI_FILE_KEY_H
#define CRAFT_FCGI_FILE_KEY_H

#include "db.h"
#include "request.h"
#include "routes.h"

/* Slices point into the request. An asset has the type "assets", an empty session, and its path as its name. */
struct file_key {
	struct slice workspace, session, type, name;
	bool asset;
};

/* For the route table: are the names in the path such as files may have? Else STATUS_BAD_FIELD with a text. */
route_check file_key_check;

/* After that. Of a path that ends with the type or the session the rest is empty. */
struct file_key file_key_of(const struct request *req);

/* "files/ws/s/attachments/a b.png", "assets/ws/a/b.svg": the decoded path, as it is signed. */
void file_key_path(const struct file_key *key, struct buf *out);
/* The same percent-encoded, with a leading slash. */
void file_key_target(const struct file_key *key, struct buf *out);

/* Workspace, session, type and name. */
void file_key_params(const struct file_key *key, struct db_params *params);

/* Begins reading its row by the route's statement (SQL_FILE_FIND). STATUS_FILE_NOT_FOUND or STATUS_ASSET_NOT_FOUND:
 * there is none. */
enum status file_key_find(const struct file_key *key, struct request *req, struct database *db, const PGresult **row)
	__attribute__((warn_unused_result));

#endif
