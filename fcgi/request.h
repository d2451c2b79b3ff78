/* request.h: one request as nginx hands it over: slices of the FastCGI parameters, the path, the body. */
#ifndef CRAFT_FCGI_REQUEST_H
#define CRAFT_FCGI_REQUEST_H

#include <fcgiapp.h>

#include "buf.h"
#include "http_header.h"
#include "service.h"
#include "status.h"
#include "uri.h"

/* Bits, so that a route can name several. */
enum method { METHOD_OTHER = 0, METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_PUT = 8, METHOD_DELETE = 16 };

#define REQUEST_MAX_ARGS 4
/* Longest id, slug or name in bytes. */
#define REQUEST_MAX_NAME 1024

struct route;
struct workspace_key;
struct request;
struct response;
struct database;

/* What is left to do of a request that waits, while its worker serves others. */
struct request_rest {
	enum status (*resume)(struct request *req, struct response *res, struct database *db); /* NULL: nothing waits */
	int64_t at; /* when, in ms of clock_ms() */
	void *state;
	void (*free_state)(void *state);
};

/* Slices point into the FastCGI parameters, or into path. */
struct request {
	FCGX_Request *fcgi;
	const char *id; /* for log lines; "" when nginx sent none */
	struct slice method_text;
	enum method method;
	struct slice target;
	struct slice authorization;
	struct slice if_none_match;
	bool has_workspace;		 /* it is one workspace's; the answer knows which */
	bool has_key;			 /* the API key came with it, or a workspace's */
	bool check_only;		 /* nginx asks before it reads the body: may it come? */
	bool ended_only;		 /* nginx tells that the upload with this id has ended, however it did */
	const struct workspace_key *key; /* the workspace's that it came with; NULL: none, or API_KEY */
	struct buf key_text;		 /* its text; wiped with the request */
	int64_t retry_after;		 /* s: what an error says of it; 0: nothing */
	struct service *service;
	struct uri_path path;
	const struct route *route;
	struct slice args[REQUEST_MAX_ARGS]; /* what the route's :names stand for */
	size_t arg_count;
	size_t rest_from; /* segment of the path from which on the last argument, a "*name", is made; 0: it is none */
	struct buf rest;  /* where it lies then, joined by slashes */
	struct buf body;
	struct buf detail; /* the text of an error that has none of its own in status.c */
	struct request_rest rest_to_do;
	int64_t seat_until; /* ms: until when it waits for a worker that its workspace may have; 0: it doesn't */
};

void request_init(struct request *r, FCGX_Request *fcgi, struct service *service);
void request_free(struct request *r);

/* The handler returns STATUS_OK next, and resume() is called ms later, or (the worker leaves) a little later.
 * free_state() ends state with the request. */
void request_wait(struct request *r, int64_t ms, struct request_rest rest);
/* Has nginx closed the connection? It does when its client is gone. */
bool request_is_abandoned(const struct request *r);

/* A FastCGI parameter; empty when nginx sent none. */
struct slice request_param(const struct request *r, const char *name);
/* A header field that the client sent; empty when it didn't. */
struct slice request_header(const struct request *r, enum http_header header);

/* May a body come over the FastCGI connection? */
bool request_has_input(const struct request *r);

/* The target up to its query, for log lines. */
struct slice request_logged_path(const struct request *r);

/* Reads the body of at most limit bytes into r->body and checks that it is one JSON object. optional: there may be no
 * body, then r->body is "{}". */
enum status request_read_object(struct request *r, size_t limit, bool optional) __attribute__((warn_unused_result));

/* STATUS_BAD_FIELD with this text, of at most 511 bytes. */
enum status request_bad_field(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* STATUS_OK, or STATUS_BAD_FIELD: a name that no URL can have as a part of its path, because clients take "." and ".."
 * out. */
enum status request_check_name(struct request *r, const char *what, struct slice name)
	__attribute__((warn_unused_result));

/* "GET, HEAD" from method bits. */
void method_names(unsigned methods, struct buf *out);

#endif
