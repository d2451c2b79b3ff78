/* access.h: may this request have what it asks for? By API_KEY, which opens all; by a workspace's key, which opens that
 * workspace, within its limits; by a signature, which opens one file. */
#ifndef CRAFT_FCGI_ACCESS_H
#define CRAFT_FCGI_ACCESS_H

#include "database.h"
#include "request.h"
#include "routes.h"

/* Sets req->has_key, and req->key with a workspace's. match->route may be NULL: then a key that is right is enough. */
enum status access_check(struct request *req, struct database *db, const struct route_match *match)
	__attribute__((warn_unused_result));

/* For what names its workspace elsewhere than in its path: does the request's key open that one? STATUS_OK, or
 * STATUS_OTHER_WORKSPACE. */
enum status access_workspace(const struct request *req, struct slice workspace) __attribute__((warn_unused_result));

#endif
