/* upload.h: taking in the body of a PUT: from nginx's file or the FastCGI connection to a durable blob. */
#ifndef CRAFT_FCGI_UPLOAD_H
#define CRAFT_FCGI_UPLOAD_H

#include "blobs.h"
#include "digest.h"
#include "request.h"
#include "routes.h"

/* For the route table: names, declared length and headers, all that can be told before the body comes. */
route_check upload_check;

struct upload {
	struct blobs *blobs;
	struct blob_draft draft;
	char id[UUID_SIZE]; /* "" until it is published */
	uint64_t size;
	unsigned char sha256[SHA256_SIZE];
	bool compared; /* with a digest that the client sent */
};
#define autoupload __attribute__((cleanup(upload_end))) struct upload
#define UPLOAD_NONE ((struct upload){ .draft = BLOB_DRAFT_NONE })

/* Takes the whole body in, compares it with the digests that were sent, and makes it a blob that survives a crash. Else
 * nothing is left of it. */
enum status upload_receive(struct upload *u, struct request *req) __attribute__((warn_unused_result));

/* How long after the end of a body that may be a part it is waited for the client to break it off, in ms. */
#define UPLOAD_ABORT_TIME 1000

/* Is what came all of it, for sure? A length, a digest or the last chunk says so. Over HTTP/2 without these a browser
 * that breaks an upload off ends the body as if it were whole, and resets the stream behind it; a proxy in between
 * passes that on. */
bool upload_is_whole(const struct upload *u, const struct request *req);

/* No row names the blob: removes it again. */
void upload_take_back(struct upload *u, const char *request_id);

/* Releases what keeps the sweeper off. Call it when the row is committed, or is sure not to be. */
void upload_end(struct upload *u);

/* What the client sent for its digests. */
enum status upload_wanted_digests(struct request *req, struct digest_wanted *wanted);

/* STATUS_UPLOAD_TOO_LARGE, with its text. */
enum status upload_too_large(struct request *req);
/* STATUS_QUOTA_EXCEEDED, with its text. */
enum status upload_over_quota(struct request *req);
/* The same where it is the number of files. */
enum status upload_too_many_files(struct request *req);

/* The stored Content-Type. */
struct slice upload_media_type(const struct request *req);

#endif
