/* dispatch.h: from a request to its answer. */
#ifndef CRAFT_FCGI_DISPATCH_H
#define CRAFT_FCGI_DISPATCH_H

#include "database.h"
#include "request.h"
#include "response.h"

/* Authenticates, routes, checks, reads the body, calls the handler and writes the answer, of errors too. When nginx
 * only asks whether the body may come, it answers 204, or 403 with what the client is to be told in headers:
 * Craft-Refusal (the status), Craft-Refusal-Text (the JSON), and WWW-Authenticate or Allow. False: the answer can't be
 * completed, break the connection off. */
bool dispatch(struct request *req, struct response *res, struct database *db);

/* The rest of a request that waited: dispatch() left its answer unwritten and req->rest_to_do.resume set. */
bool dispatch_rest(struct request *req, struct response *res, struct database *db);

#endif
