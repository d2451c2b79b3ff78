/* body.h: a request's body, wherever nginx left it: in a file of its own, or on the FastCGI connection. */
#ifndef CRAFT_FCGI_BODY_H
#define CRAFT_FCGI_BODY_H

#include "blobs.h"
#include "request.h"

#define BODY_STEP 65536 /* a good size to read by */

struct body {
	struct request *req;
	struct blob_draft file; /* nginx's file; fd -1: the body comes over the connection, or is empty */
	bool in_file;		/* nginx stores bodies in files */
	bool declared;		/* its length is known before it is read */
	uint64_t length;	/* then */
	uint64_t limit;
	uint64_t got;
};

#define autobody __attribute__((cleanup(body_end))) struct body
#define BODY_NONE ((struct body){ .file = BLOB_DRAFT_NONE })

/* The Content-Length that the client declared. STATUS_BODY_TOO_LARGE: above limit. *declared false: none (chunked). */
enum status body_declared(const struct request *req, uint64_t limit, bool *declared, uint64_t *length)
	__attribute__((warn_unused_result));

/* Finds the body. Its file, where there is one, is nginx's, which removes its name when the request has ended. */
enum status body_begin(struct body *b, struct request *req, uint64_t limit) __attribute__((warn_unused_result));
/* Reads up to size bytes; *n 0 at the end. The end comes as STATUS_OK only when all of the body was there, else as
 * STATUS_BODY_INCOMPLETE. */
enum status body_read(struct body *b, char *out, size_t size, size_t *n) __attribute__((warn_unused_result));
void body_end(struct body *b);

#endif
