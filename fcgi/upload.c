/* upload.c: taking in the body of a PUT. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>

#include "body.h"
#include "cleanup.h"
#include "database.h"
#include "file_key.h"
#include "log.h"
#include "media_guess.h"
#include "media_type.h"
#include "write_all.h"

#define BLOCK (256u << 10)     /* bytes read and written at once */
#define WRITE_AHEAD (8u << 20) /* so many bytes are handed to the disk while the next ones come */

/* ---- before the body ---- */

static uint64_t max_upload(const struct request *req)
{
	return (uint64_t)req->service->conf->max_upload;
}

static enum status too_large(struct request *req)
{
	buf_clear(&req->detail);
	buf_addf(&req->detail, "The upload is larger than this server takes (%llu bytes)",
		 (unsigned long long)max_upload(req));
	return STATUS_UPLOAD_TOO_LARGE;
}

static enum status wanted_digests(struct request *req, struct digest_wanted *wanted)
{
	const char *bad = digest_wanted_parse(wanted, request_header(req, HEADER_REPR_DIGEST),
					      request_header(req, HEADER_CONTENT_DIGEST),
					      request_header(req, HEADER_CONTENT_MD5));
	return bad ? request_bad_field(req, "Invalid %s header", bad) : STATUS_OK;
}

struct slice upload_media_type(const struct request *req)
{
	struct slice type = request_header(req, HEADER_CONTENT_TYPE);
	return type.len ? type : slice_of(media_guess(file_key_of(req).name));
}

static enum status check_headers(struct request *req)
{
	struct digest_wanted wanted;
	struct slice coding = request_header(req, HEADER_CONTENT_ENCODING);
	if (coding.len && !slice_eq_str(coding, "identity"))
		return STATUS_ENCODED_BODY;
	/* RFC 9110 section 14.5: a part may not be taken for the whole. */
	if (request_header(req, HEADER_CONTENT_RANGE).len)
		return request_bad_field(req, "Content-Range is not supported for uploads: send the whole file");
	if (!media_type_storable(upload_media_type(req)))
		return request_bad_field(req, "Invalid Content-Type: at most %d printable ASCII characters",
					 MEDIA_TYPE_MAX);
	return wanted_digests(req, &wanted);
}

enum status upload_over_quota(struct request *req)
{
	buf_clear(&req->detail);
	buf_addf(&req->detail, "The workspace's quota of %lld bytes would be exceeded",
		 (long long)req->service->conf->workspace_quota);
	return STATUS_QUOTA_EXCEEDED;
}

/* Sees now what the transaction behind the upload would see too, so that nobody sends a gigabyte in vain. */
static enum status check_quota(struct request *req, struct database *db, uint64_t length)
{
	const PGresult *row;
	struct db_params params = { 0 };
	struct file_key key = file_key_of(req);
	int64_t quota = req->service->conf->workspace_quota;
	if (quota == 0 || !req->check_only)
		return STATUS_OK;
	file_key_params(&key, &params);
	enum status status = database_read(db, SQL_FILES_ROOM, &params, &row);
	if (status != STATUS_OK)
		return status;
	int64_t others = row ? db_get_i64(row, 0, 0) : 0;
	status = database_row(db, &row);
	return status == STATUS_OK && (uint64_t)others + length > (uint64_t)quota ? upload_over_quota(req) : status;
}

enum status upload_check(struct request *req, struct database *db)
{
	bool declared;
	uint64_t length;
	enum status status = file_key_check(req, db);
	if (status == STATUS_OK)
		status = check_headers(req);
	if (status == STATUS_OK && body_declared(req, max_upload(req), &declared, &length) != STATUS_OK)
		return too_large(req);
	return status == STATUS_OK ? check_quota(req, db, length) : status;
}

/* ---- the body ---- */

static enum status storage_failed(const struct request *req, enum blob_result result, const char *what)
{
	log_error(req->id, "%s failed: %m", what);
	return result == BLOB_FULL ? STATUS_STORAGE_FULL : STATUS_STORAGE_FAILED;
}

static enum status write_block(const struct request *req, int fd, struct slice block)
{
	if (write_all(fd, block))
		return STATUS_OK;
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
		/* The disk works while the bytes are hashed. */
		if (body->length >= WRITE_AHEAD)
			(void)sync_file_range(u->draft.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
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
	uint64_t handed_on = 0;
	for (;;) {
		size_t n;
		enum status status = body_read(body, block, size, &n);
		if (status != STATUS_OK || n == 0)
			return status;
		if (!digest_add(digest, block, n))
			return storage_failed(body->req, BLOB_FAILED, "hashing an upload");
		if (copy)
			status = write_block(body->req, u->draft.fd, slice_make(block, n));
		if (status != STATUS_OK)
			return status;
		u->size += n;
		if (copy && u->size - handed_on >= WRITE_AHEAD) {
			(void)sync_file_range(u->draft.fd, (off_t)handed_on, (off_t)(u->size - handed_on),
					      SYNC_FILE_RANGE_WRITE);
			handed_on = u->size;
		}
	}
}

static enum status compare_digests(struct upload *u, struct request *req, struct digest *digest,
				   const struct digest_wanted *wanted)
{
	const char *mismatch;
	if (!digest_end(digest, wanted, u->sha256, &mismatch))
		return storage_failed(req, BLOB_FAILED, "hashing an upload");
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
	return status == STATUS_BODY_TOO_LARGE ? too_large(req) : status;
}

enum status upload_receive(struct upload *u, struct request *req)
{
	struct digest_wanted wanted;
	char id[UUID_SIZE];
	enum status status = wanted_digests(req, &wanted);
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
