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
};
#define autoupload __attribute__((cleanup(upload_end))) struct upload
#define UPLOAD_NONE ((struct upload){ .draft = BLOB_DRAFT_NONE })

/* Takes the whole body in, compares it with the digests that were sent, and makes it a blob that survives a crash. Else
 * nothing is left of it. */
enum status upload_receive(struct upload *u, struct request *req) __attribute__((warn_unused_result));

/* No row names the blob: removes it again. */
void upload_take_back(struct upload *u, const char *request_id);

/* Releases what keeps the sweeper off. Call it when the row is committed, or is sure not to be. */
void upload_end(struct upload *u);

/* STATUS_QUOTA_EXCEEDED, with its text. */
enum status upload_over_quota(struct request *req);

/* The stored Content-Type. */
struct slice upload_media_type(const struct request *req);

#endif
