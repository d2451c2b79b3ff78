/* response.h: writing the answer: status line and headers, then the body in blocks. nginx adds the headers that
 * every answer has (CORS, X-Request-Id). */
#ifndef CRAFT_FCGI_RESPONSE_H
#define CRAFT_FCGI_RESPONSE_H

#include <fcgiapp.h>

#include "buf.h"
#include "http_header.h"
#include "output.h"
#include "status.h"

#define TYPE_JSON "application/json"
#define TYPE_MARKDOWN "text/markdown; charset=utf-8"

struct response {
	FCGX_Request *fcgi;
	bool head;	     /* bodies are not sent */
	bool has_input;	     /* a body may come over the connection */
	bool sent;	     /* some of it is out */
	bool gone;	     /* none of it gets out any more: out.state says why */
	bool full;	     /* it was to be large, and of its workspace too much is being read slowly already */
	bool measured;	     /* its length is in the headers */
	bool caching;	     /* a Cache-Control is there */
	const char *unclean; /* a header that had a control byte; else NULL */
	int http;	     /* 0: not begun */
	int refusal;	     /* what nginx is to tell the client in our place; else 0 */
	uint64_t bytes;	     /* of the body */
	struct output out;
	struct buf headers, block;
	size_t keep;		   /* 0: the body isn't collected; else bytes of it at most */
	struct buf kept, kept_tag; /* all of it so far, and its ETag's text */
};

/* spool: where what is read slowly waits; NULL: its worker does. */
void response_init(struct response *r, FCGX_Request *fcgi, bool head, struct spool *spool);
/* Whose answer it is. */
void response_for(struct response *r, struct slice workspace);
void response_free(struct response *r);

/* The headers, before any write of the body. type NULL: no body follows. A value with a control byte, wherever it came
 * from, is never sent: r->unclean is the header's name then, writing fails, and the request has to be answered with
 * STATUS_INTERNAL. An answer without a Cache-Control gets "no-store". */
void response_begin(struct response *r, int http, const char *type);
void response_header(struct response *r, enum http_header header, struct slice value);
/* The body's length, where it is known before all of it is written. */
void response_length(struct response *r, uint64_t length);
/* ETag and Cache-Control of something that clients revalidate. */
void response_etag(struct response *r, struct slice tag);

/* Collects the body that follows in r->kept too, if it has at most `longest` bytes; r->keep is 0 when it hasn't. */
void response_keep(struct response *r, struct slice tag, size_t longest);

/* Appends to the body; it leaves in blocks of 64 KB. False: there is nobody to write for, or r->full: nothing is out,
 * and the request has to be answered with STATUS_ANSWERS_UNREAD. */
bool response_write(struct response *r, struct slice s);

/* A whole answer. */
void response_json(struct response *r, int http, struct slice body);
/* {"error":text}; headers that were begun are kept. */
void response_error(struct response *r, int http, const char *text);
/* Forgets what was written, for another answer. False: too late, some of it is out. */
bool response_take_back(struct response *r);
void response_not_modified(struct response *r, struct slice tag);

/* Sends what is left and ends the request; what a slow reader hasn't taken goes on without us. id: the request's. */
void response_end(struct response *r, const char *id);
/* Ends the connection to nginx so that the client sees a broken answer and not a short one. */
void response_break(struct response *r, const char *id);

#endif
