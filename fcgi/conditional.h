/* conditional.h: answering from the ETag alone. */
#ifndef CRAFT_FCGI_CONDITIONAL_H
#define CRAFT_FCGI_CONDITIONAL_H

#include "database.h"
#include "request.h"
#include "response.h"

/* Asks for the route's tag by its cheap statement where that may be answer enough: for HEAD, and when If-None-Match
 * was sent. *done: the answer is written. type: Content-Type of the body that HEAD leaves out. */
enum status conditional_by_tag(struct request *req, struct response *res, struct database *db, const char *type,
			       bool *done) __attribute__((warn_unused_result));

/* Asks for the route's tag by its cheap statement. STATUS_NOT_FOUND: it has none, for there is nothing. */
enum status conditional_tag(const struct request *req, struct database *db, struct buf *tag)
	__attribute__((warn_unused_result));

/* Begins a 200 with the tag, unless If-None-Match names the tag: then writes a 304 and returns false. */
bool conditional_begin(struct request *req, struct response *res, struct slice tag, const char *type);

/* The route's :names as parameters. */
void conditional_params(const struct request *req, struct db_params *params);

#endif
