/* download.h: answering with the bytes of a blob: conditional requests here, the bytes by nginx (X-Accel-Redirect). */
#ifndef CRAFT_FCGI_DOWNLOAD_H
#define CRAFT_FCGI_DOWNLOAD_H

#include "blobs.h"
#include "request.h"
#include "response.h"

/* Slices may point into a database row. */
struct download {
	struct slice blob;	 /* id, which is the entity tag too */
	struct slice media_type; /* as stored */
	struct slice name;	 /* as a download would be called */
	uint64_t size;
	int64_t modified; /* seconds since 1970 */
};

/* 200 (or what nginx makes of it: 206, 416), 304, or STATUS_PRECONDITION_FAILED; RFC 9110 section 13.2.2. */
enum status download_answer(const struct download *d, struct request *req, struct response *res)
	__attribute__((warn_unused_result));

#endif
