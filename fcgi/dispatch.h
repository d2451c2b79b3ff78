/* dispatch.h: from a request to its answer. */
#ifndef CRAFT_FCGI_DISPATCH_H
#define CRAFT_FCGI_DISPATCH_H

#include "database.h"
#include "request.h"
#include "response.h"

/* Authenticates, routes, reads the body, calls the handler and writes the answer, of errors too. False: the answer
 * can't be completed, break the connection off. */
bool dispatch(struct request *req, struct response *res, struct database *db, const char *api_key);

#endif
