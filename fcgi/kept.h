/* kept.h: lists and sessions are kept when they were answered, and answered again without reading them while the
 * database says that their ETag is still the same. */
#ifndef CRAFT_FCGI_KEPT_H
#define CRAFT_FCGI_KEPT_H

#include "database.h"
#include "request.h"
#include "response.h"

/* Asks for the route's tag by its cheap statement where that may be answer enough: for HEAD, when If-None-Match was
 * sent, and when an answer is kept. *done: the answer is written. */
enum status kept_answer(struct request *req, struct response *res, struct database *db, const char *type, bool *done)
	__attribute__((warn_unused_result));

/* conditional_begin(), and what is written from then on is collected, if the route has a tag. */
bool kept_begin(struct request *req, struct response *res, struct slice tag, const char *type);

/* All is written: keeps it, where it isn't too long. */
void kept_end(const struct request *req, struct response *res);

#endif
