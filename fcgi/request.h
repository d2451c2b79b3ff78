/* request.h: one request as nginx hands it over: slices of the FastCGI parameters, the path, the body. */
#ifndef CRAFT_FCGI_REQUEST_H
#define CRAFT_FCGI_REQUEST_H

#include <fcgiapp.h>

#include "buf.h"
#include "status.h"
#include "uri.h"

/* Bits, so that a route can name several. */
enum method { METHOD_OTHER = 0, METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_PUT = 8, METHOD_DELETE = 16 };

#define REQUEST_MAX_ARGS 4
/* Longest id, slug or name in bytes. */
#define REQUEST_MAX_NAME 1024

struct route;

/* Slices point into the FastCGI parameters, or into path. */
struct request {
	FCGX_Request *fcgi;
	const char *id; /* for log lines; "" when nginx sent none */
	struct slice method_text;
	enum method method;
	struct slice target;
	struct slice authorization;
	struct slice if_none_match;
	struct uri_path path;
	const struct route *route;
	struct slice args[REQUEST_MAX_ARGS]; /* what the route's :names stand for */
	size_t arg_count;
	struct buf body;
	struct buf detail; /* the text of a STATUS_BAD_FIELD */
};

void request_init(struct request *r, FCGX_Request *fcgi);
void request_free(struct request *r);

/* The target up to its query, for log lines. */
struct slice request_logged_path(const struct request *r);

/* Reads the body of at most limit bytes into r->body and checks that it is one JSON object. */
enum status request_read_object(struct request *r, size_t limit) __attribute__((warn_unused_result));

/* STATUS_BAD_FIELD with this text. */
enum status request_bad_field(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "GET, HEAD" from method bits. */
void method_names(unsigned methods, struct buf *out);

#endif
