/* fields.h: what a request's JSON object must hold, and what names in it, or in a query, must be like. */
#ifndef CRAFT_FCGI_FIELDS_H
#define CRAFT_FCGI_FIELDS_H

#include "request.h"

struct field {
	const char *name;
	struct buf *value;
};

/* Decodes texts of the body behind what their values hold. STATUS_BAD_FIELD: one is missing, null or empty ("Missing
 * required parameters"), or is no text. */
enum status fields_read(struct request *req, const struct field *fields, size_t count)
	__attribute__((warn_unused_result));

/* The name of a workspace is as long as one may be, or STATUS_BAD_FIELD; and the request's key opens it, or
 * STATUS_OTHER_WORKSPACE. */
enum status fields_check_workspace(struct request *req, struct slice workspace) __attribute__((warn_unused_result));
/* It is a name that GitHub may give to a repository (repo_key.h), or STATUS_BAD_FIELD. */
enum status fields_check_repo_key(struct request *req, struct slice repo_key) __attribute__((warn_unused_result));

#endif
