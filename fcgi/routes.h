/* routes.h: which handler answers which URL. */
#ifndef CRAFT_FCGI_ROUTES_H
#define CRAFT_FCGI_ROUTES_H

#include <stdio.h>

#include "request.h"
#include "response.h"
#include "statements.h"

struct database;

/* Answers a request whose key and path are good. STATUS_OK: the answer is written. Else nothing of it is out (or,
 * STATUS_BROKEN, it can't be completed) and the dispatcher answers by the table in status.c. */
typedef enum status route_handler(struct request *req, struct response *res, struct database *db);
/* Looks at path and headers, before the body is read and before nginx reads it. Changes nothing. */
typedef enum status route_check(struct request *req, struct database *db);

enum route_key {
	KEY_REQUIRED,
	KEY_IF_SENT,	  /* without credentials too, but not with wrong ones */
	KEY_OR_SIGNATURE, /* or a signed URL */
	KEY_NOT_ASKED,	  /* the handler looks for something else; a key is not looked at */
};

/* What a workspace's key opens of a route. */
enum route_scope {
	SCOPE_NONE,	 /* nothing: it isn't for one workspace */
	SCOPE_ANY,	 /* there is nothing of any workspace in it */
	SCOPE_ARGUMENT,	 /* that of its first argument */
	SCOPE_PARAMETER, /* the handler calls access_workspace() */
};

/* Does it leave everything as it is, so that a key that is read-only may have it? */
enum route_effect { READS, CHANGES };

struct route {
	unsigned methods; /* enum method bits; HEAD goes with GET */
	const char
		*pattern; /* segments; ":name" takes any one that isn't empty, "*name" at the end all that are left */
	enum route_key key;
	enum route_scope scope;
	enum route_effect effect;
	size_t body_limit; /* bytes; 0: a body is not read. Else it must be a JSON object */
	route_handler *handler;
	enum statement statement;
	enum statement tag; /* answers the ETag alone, cheaply */
	bool list;	    /* a trailing slash is accepted */
	route_check *check; /* NULL: names are only bounded. Else it has rules of its own for them, empty ones too */
};

extern const struct route routes[];
extern const size_t routes_count;

struct route_match {
	const struct route *route; /* NULL: none for this path, or none for this method */
	unsigned allowed;	   /* the methods of this path; 0: unknown path */
	struct slice args[REQUEST_MAX_ARGS];
	size_t arg_count;
	size_t rest_from; /* of a "*name": the first segment that it takes; else 0 */
};

/* Prints the table: methods, pattern, what key is asked for, and whether it reads or changes, with tabs between them. */
void routes_print(FILE *out);

/* Looks up a decoded path. */
void route_find(const struct uri_path *path, enum method method, struct route_match *match);
/* The request's path (req->path) was found to match: gives it its route and its arguments, the segments of a "*name"
 * joined to one more. */
void route_take(const struct route_match *match, struct request *req);

#endif
