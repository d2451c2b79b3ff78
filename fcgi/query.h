/* query.h: parameters of a request's query that may be there once only. */
#ifndef CRAFT_FCGI_QUERY_H
#define CRAFT_FCGI_QUERY_H

#include "request.h"

enum query_result { QUERY_OK, QUERY_MISSING, QUERY_REPEATED, QUERY_MALFORMED };

/* Appends the decoded value ('+' is a space, as forms and URLSearchParams write it). QUERY_MISSING also when it is
 * empty; QUERY_MALFORMED: an invalid escape, NUL, or not UTF-8. */
enum query_result query_once(const struct request *req, const char *name, struct buf *value);

#endif
