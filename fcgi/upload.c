/* upload.c: taking in the body of a PUT. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>

#include "body.h"
#include "cleanup.h"
#include "log.h"
#include "write_all.h"

#define BLOCK (256u << 10) /* bytes read and written at once */

static uint64_t max_upload(const struct request *req)
{
	return (uint64_t)req->service->conf->max_upload;
}

static enum status storage_failed(const struct request *req, enum blob_result result, const char *what)
{
	log_error(req->id, "%s failed: %m", what);
	return result == BLOB_FULL ? STATUS_STORAGE_FULL : STATUS_STORAGE_FAILED;
}

static enum status write_failed(const struct request *req)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
	return storage_failed(req, full ? BLOB_FULL : BLOB_FAILED, "writing an upload");
}

/* The file that the blob becomes: nginx's, or a new one that the body is copied to. */
static enum status open_draft(struct upload *u, struct body *body)
{
	if (body->file.fd >= 0) {
		u->draft.fd = fcntl(body->file.fd, F_DUPFD_CLOEXEC, 0);
		if (u->draft.fd < 0)
			return storage_failed(body->req, BLOB_FAILED, "reading an upload");
		return STATUS_OK;
	}
	enum blob_result result = blobs_create(u->blobs, &u->draft);
	return result == BLOB_OK ? STATUS_OK : storage_failed(body->req, result, "making a file for an upload");
}

/* Passes the body through the digest, and to the draft where it isn't there already. */
static enum status take_body(struct upload *u, struct body *body, struct digest *digest)
{
	bool copy = !body->in_file;
	/* A byte more than the body, so that its end shows in the same read. */
	size_t size = body->declared && body->length < BLOCK ? (size_t)body->length + 1 : BLOCK;
	autofree char *block = xmalloc(size);
	for (;;) {
		size_t n;
		enum status status = body_read(body, block, size, &n);
		if (status != STATUS_OK || n == 0)
			return status;
		if (!digest_add(digest, block, n))
			return storage_failed(body->req, BLOB_FAILED, "hashing an upload");
		if (copy && !write_all(u->draft.fd, slice_make(block, n)))
			return write_failed(body->req);
		u->size += n;
		if (!blob_draft_flush(u->blobs, &u->draft, u->size))
			return write_failed(body->req);
	}
}

static enum status compare_digests(struct upload *u, struct request *req, struct digest *digest,
				   const struct digest_wanted *wanted)
{
	const char *mismatch;
	if (!digest_end(digest, wanted, u->sha256, &mismatch))
		return storage_failed(req, BLOB_FAILED, "hashing an upload");
	u->compared = wanted->has_sha256 || wanted->has_md5;
	return mismatch ? request_bad_field(req, "The body doesn't match its %s", mismatch) : STATUS_OK;
}

static enum status receive(struct upload *u, struct request *req, const struct digest_wanted *wanted)
{
	autobody body = BODY_NONE;
	autocall(digest_free) struct digest digest = { 0 };
	enum status status = body_begin(&body, req, max_upload(req));
	if (status == STATUS_OK)
		status = open_draft(u, &body);
	if (status == STATUS_OK && !digest_begin(&digest, wanted->has_md5))
		status = storage_failed(req, BLOB_FAILED, "hashing an upload");
	if (status == STATUS_OK)
		status = take_body(u, &body, &digest);
	if (status == STATUS_OK)
		status = compare_digests(u, req, &digest, wanted);
	return status == STATUS_BODY_TOO_LARGE ? upload_too_large(req) : status;
}

static bool came_through_a_proxy(const struct request *req)
{
	return request_header(req, HEADER_VIA).len || request_header(req, HEADER_FORWARDED).len ||
	       request_header(req, HEADER_X_FORWARDED_FOR).len;
}

bool upload_is_whole(const struct upload *u, const struct request *req)
{
	struct slice protocol = request_param(req, "SERVER_PROTOCOL");
	if (u->compared || request_header(req, HEADER_SENT_LENGTH).len)
		return true;
	return protocol.len > 7 && memcmp(protocol.ptr, "HTTP/1.", 7) == 0 && !came_through_a_proxy(req);
}

enum status upload_receive(struct upload *u, struct request *req)
{
	struct digest_wanted wanted;
	char id[UUID_SIZE];
	enum status status = upload_wanted_digests(req, &wanted);
	if (status != STATUS_OK)
		return status;
	if (!service_blobs(req->service, req->id))
		return STATUS_STORAGE_AWAY;
	u->blobs = &req->service->blobs;
	status = receive(u, req, &wanted);
	if (status != STATUS_OK)
		return status;
	if (!uuid_random(id))
		return storage_failed(req, BLOB_FAILED, "making a blob's id");
	enum blob_result result = blobs_publish(u->blobs, &u->draft, id);
	if (result != BLOB_OK)
		return storage_failed(req, result, "publishing an upload");
	memcpy(u->id, id, sizeof(id));
	return STATUS_OK;
}

void upload_take_back(struct upload *u, const char *request_id)
{
	if (u->id[0] && blobs_remove(u->blobs, u->id) != BLOB_OK)
		log_warn(request_id, "an upload that failed can't be removed, the sweeper will do it: %m");
	u->id[0] = '\0';
}

void upload_end(struct upload *u)
{
	if (u->blobs)
		blob_draft_end(u->blobs, &u->draft);
}
