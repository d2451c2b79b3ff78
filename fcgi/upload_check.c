/* upload_check.c: may the body of a PUT come? All that can be told before it does. */
#include "body.h"
#include "bounds.h"
#include "clock.h"
#include "database.h"
#include "etag.h"
#include "file_key.h"
#include "media_guess.h"
#include "media_type.h"
#include "quota.h"
#include "room.h"
#include "underway.h"
#include "upload.h"

#define RETRY_AFTER 5 /* s */

static uint64_t max_upload(const struct request *req)
{
	return (uint64_t)req->service->conf->max_upload;
}

enum status upload_too_large(struct request *req)
{
	buf_clear(&req->detail);
	buf_addf(&req->detail, "The upload is larger than this server takes (%llu bytes)",
		 (unsigned long long)max_upload(req));
	return STATUS_UPLOAD_TOO_LARGE;
}

enum status upload_wanted_digests(struct request *req, struct digest_wanted *wanted)
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
	return upload_wanted_digests(req, &wanted);
}

enum status upload_over_quota(struct request *req)
{
	buf_clear(&req->detail);
	buf_addf(&req->detail, "The workspace's quota of %lld bytes would be exceeded",
		 (long long)req->service->conf->workspace_quota);
	return STATUS_QUOTA_EXCEEDED;
}

enum status upload_too_many_files(struct request *req)
{
	int64_t quota = req->service->conf->workspace_quota;
	buf_clear(&req->detail);
	buf_addf(
		&req->detail,
		"The workspace has as many files as its quota of %lld bytes allows: %lld, one for each %d bytes and at "
		"least %d",
		(long long)quota, (long long)quota_files(quota), QUOTA_FILE_BYTES, QUOTA_FILES_LEAST);
	return STATUS_QUOTA_EXCEEDED;
}

/* What the workspace may still take; UINT64_MAX: there is no quota. The transaction behind the upload decides. */
static enum status quota_left(struct request *req, struct database *db, uint64_t *left)
{
	const PGresult *row;
	struct db_params params = { 0 };
	struct file_key key = file_key_of(req);
	uint64_t quota = (uint64_t)req->service->conf->workspace_quota;
	*left = UINT64_MAX;
	if (quota == 0)
		return STATUS_OK;
	file_key_params(&key, &params);
	enum status status = database_read(db, SQL_FILES_ROOM, &params, &row);
	if (status != STATUS_OK)
		return status;
	uint64_t others = row ? (uint64_t)db_get_i64(row, 0, 0) : 0;
	*left = others < quota ? quota - others : 0;
	return row ? database_row(db, &row) : STATUS_OK;
}

static enum status under_way(struct request *req, enum status status, const char *text)
{
	bounds_count(req->service->bounds, LIMIT_UNDER_WAY);
	req->retry_after = RETRY_AFTER;
	buf_clear(&req->detail);
	buf_add_str(&req->detail, text);
	return status;
}

static enum status refuse(struct request *req, enum underway_result result)
{
	autobuf text = { 0 };
	switch (result) {
	case UNDERWAY_OK:
		return STATUS_OK;
	case UNDERWAY_DISK:
		return under_way(req, STATUS_STORAGE_FULL, "");
	case UNDERWAY_QUOTA:
		buf_addf(
			&text,
			"Other uploads to this workspace are under way, and with them its quota of %lld bytes would be "
			"exceeded: try again when they have ended",
			(long long)req->service->conf->workspace_quota);
		break;
	case UNDERWAY_MANY:
		buf_addf(&text,
			 "Too many uploads are under way at once (%d of one workspace, %d in all): try again in a "
			 "moment",
			 UNDERWAY_SHARE, UNDERWAY_MAX);
		break;
	}
	return under_way(req, STATUS_UPLOADS_UNDER_WAY, buf_cstr(&text));
}

/* Claims room for the body that is to come; where the disk is short of it, what no file names any more goes first. */
static enum status claim_room(struct request *req, struct database *db, bool declared, uint64_t length, uint64_t quota)
{
	struct underway *underway = bounds_underway(req->service->bounds);
	struct underway_claim claim = { .id = slice_of(req->id), .workspace = req->args[0], .quota = quota };
	claim.open = !declared;
	claim.bytes = declared ? length : max_upload(req);
	if (!service_blobs(req->service, req->id))
		return STATUS_STORAGE_AWAY;
	uint64_t needed = claim.bytes + underway_bytes(underway, clock_ms());
	if (!room_left(&req->service->blobs, &claim.disk))
		claim.disk = UINT64_MAX;
	if (claim.disk < needed || !claim.disk) {
		enum status status = room_make(req, db, needed ? needed : 1);
		if (status != STATUS_OK)
			return status;
		(void)room_left(&req->service->blobs, &claim.disk);
	}
	/* Not even for an empty one. */
	if (!claim.disk)
		return STATUS_STORAGE_FULL;
	enum underway_result result = underway_begin(underway, &claim, clock_ms());
	/* Nothing that could end would make room. */
	if (result == UNDERWAY_DISK && claim.bytes > claim.disk)
		return STATUS_STORAGE_FULL;
	return refuse(req, result);
}

static enum status check_room(struct request *req, struct database *db, bool declared, uint64_t length)
{
	uint64_t left;
	if (!req->check_only)
		return STATUS_OK;
	enum status status = quota_left(req, db, &left);
	if (status != STATUS_OK)
		return status;
	return length > left ? upload_over_quota(req) : claim_room(req, db, declared, length, left);
}

/* What the transaction behind the upload would say, so that nobody sends a gigabyte in vain. */
static enum status check_preconditions(struct request *req, struct database *db)
{
	const PGresult *row;
	struct db_params params = { 0 };
	struct file_key key = file_key_of(req);
	struct slice if_match = request_header(req, HEADER_IF_MATCH);
	if ((!if_match.len && !req->if_none_match.len) || !req->check_only)
		return STATUS_OK;
	file_key_params(&key, &params);
	enum status status = database_read(db, SQL_FILE_FIND, &params, &row);
	if (status != STATUS_OK)
		return status;
	bool fails = !row && if_match.len;
	if (row && if_match.len)
		fails = !etag_matches_strongly(if_match, db_get(row, 0, 0));
	if (row && req->if_none_match.len)
		fails |= etag_matches(req->if_none_match, db_get(row, 0, 0));
	status = row ? database_row(db, &row) : STATUS_OK;
	return status == STATUS_OK && fails ? STATUS_PRECONDITION_FAILED : status;
}

enum status upload_check(struct request *req, struct database *db)
{
	bool declared;
	uint64_t length;
	enum status status = file_key_check(req, db);
	if (status == STATUS_OK)
		status = check_headers(req);
	if (status == STATUS_OK && body_declared(req, max_upload(req), &declared, &length) != STATUS_OK)
		return upload_too_large(req);
	if (status == STATUS_OK)
		status = check_preconditions(req, db);
	return status == STATUS_OK ? check_room(req, db, declared, length) : status;
}
