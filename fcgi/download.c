/* download.c: answering with the bytes of a blob. */
#include "download.h"

#include <errno.h>
#include <sys/stat.h>

#include "byte_range.h"
#include "cleanup.h"
#include "etag.h"
#include "http_date.h"
#include "log.h"
#include "presentation.h"

#define INTERNAL_LOCATION "/_craft_blob/"
#define BLOCK 65536

/* ---- conditions ---- */

static bool date_is_before(struct slice header, int64_t modified)
{
	int64_t date;
	/* RFC 9110 sections 13.1.3 and 13.1.4: what is no date is ignored. */
	return http_date_parse(header, &date) && date < modified;
}

static bool precondition_fails(const struct download *d, const struct request *req)
{
	struct slice if_match = request_header(req, HEADER_IF_MATCH);
	if (if_match.len)
		return !etag_matches_strongly(if_match, d->blob);
	return date_is_before(request_header(req, HEADER_IF_UNMODIFIED_SINCE), d->modified);
}

static bool is_fresh(const struct download *d, const struct request *req)
{
	int64_t date;
	if (req->if_none_match.len)
		return etag_matches(req->if_none_match, d->blob);
	return http_date_parse(request_header(req, HEADER_IF_MODIFIED_SINCE), &date) && date >= d->modified;
}

/* ---- headers ---- */

static void add_validators(const struct download *d, struct response *res)
{
	char date[HTTP_DATE_SIZE];
	autobuf tag = { 0 };
	buf_add_char(&tag, '"');
	buf_add_slice(&tag, d->blob);
	buf_add_char(&tag, '"');
	http_date_format(d->modified, date);
	response_header(res, HEADER_ETAG, buf_slice(&tag));
	response_header(res, HEADER_LAST_MODIFIED, slice_of(date));
	/* Another client may replace or delete it at any time, and a key be revoked: asked each time, answered with
	 * 304. */
	response_header(res, HEADER_CACHE_CONTROL, SLICE_LIT("private, no-cache"));
}

static void begin(const struct download *d, const struct request *req, struct response *res, int http)
{
	autobuf type = { 0 };
	presentation_type(req, d->media_type, &type);
	response_begin(res, http, buf_cstr(&type));
	add_validators(d, res);
	presentation_headers(req, d->media_type, d->name, res);
}

/* ---- bytes ---- */

static enum status send_by_nginx(const struct download *d, const struct request *req, struct response *res)
{
	autobuf location = { 0 };
	buf_add_str(&location, INTERNAL_LOCATION);
	buf_add(&location, d->blob.ptr, 2);
	buf_add_char(&location, '/');
	buf_add_slice(&location, d->blob);
	begin(d, req, res, 200);
	response_header(res, HEADER_X_ACCEL_REDIRECT, buf_slice(&location));
	return STATUS_OK;
}

static enum status copy(const struct request *req, struct response *res, int fd, uint64_t left)
{
	autofree char *block = xmalloc(BLOCK);
	while (left) {
		ssize_t n = read(fd, block, left > BLOCK ? BLOCK : (size_t)left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error(req->id, "a blob broke off: %m");
			return STATUS_BROKEN;
		}
		if (!response_write(res, slice_make(block, (size_t)n)))
			return STATUS_BROKEN;
		left -= (uint64_t)n;
	}
	return STATUS_OK;
}

static bool open_blob(const struct download *d, const struct request *req, int *fd)
{
	struct stat st;
	char id[UUID_SIZE] = { 0 };
	memcpy(id, d->blob.ptr, UUID_SIZE - 1);
	if (blobs_read(&req->service->blobs, id, fd) == BLOB_OK && !fstat(*fd, &st) && (uint64_t)st.st_size == d->size)
		return true;
	log_error(req->id, "blob %s is missing or damaged", id);
	return false;
}

/* RFC 9110 section 13.1.5: a tag is compared strongly, a date exactly. */
static bool range_counts(const struct download *d, const struct request *req)
{
	int64_t date;
	struct slice if_range = request_header(req, HEADER_IF_RANGE);
	if (if_range.len == 0)
		return true;
	if (if_range.ptr[if_range.len - 1] == '"')
		return etag_matches_strongly(if_range, d->blob);
	return http_date_parse(if_range, &date) && date == d->modified;
}

static enum byte_range_result wanted_range(const struct download *d, const struct request *req, uint64_t *first,
					   uint64_t *last)
{
	if (!range_counts(d, req))
		return BYTE_RANGE_ALL;
	return byte_range_parse(request_header(req, HEADER_RANGE), d->size, first, last);
}

static enum status refuse_range(const struct download *d, struct response *res)
{
	autobuf value = { 0 };
	buf_addf(&value, "bytes */%llu", (unsigned long long)d->size);
	response_begin(res, 416, TYPE_JSON);
	response_header(res, HEADER_CONTENT_RANGE, buf_slice(&value));
	response_error(res, 416, "The range lies beyond the end of the file");
	return STATUS_OK;
}

static enum status send_part(const struct download *d, const struct request *req, struct response *res, int fd,
			     uint64_t first, uint64_t last)
{
	autobuf value = { 0 };
	buf_addf(&value, "bytes %llu-%llu/%llu", (unsigned long long)first, (unsigned long long)last,
		 (unsigned long long)d->size);
	begin(d, req, res, 206);
	response_header(res, HEADER_CONTENT_RANGE, buf_slice(&value));
	response_length(res, last - first + 1);
	if (res->head)
		return STATUS_OK;
	if (lseek(fd, (off_t)first, SEEK_SET) < 0) {
		log_error(req->id, "a blob can't be read: %m");
		return STATUS_INTERNAL;
	}
	return copy(req, res, fd, last - first + 1);
}

/* nginx would compare If-Match and If-Unmodified-Since with what it thinks the file's tag and date are. */
static enum status send_ourselves(const struct download *d, struct request *req, struct response *res)
{
	uint64_t first, last;
	autoclose int fd = -1;
	if (!service_blobs(req->service, req->id))
		return STATUS_STORAGE_AWAY;
	if (!open_blob(d, req, &fd))
		return STATUS_FILE_NOT_FOUND;
	switch (wanted_range(d, req, &first, &last)) {
	case BYTE_RANGE_PART:
		return send_part(d, req, res, fd, first, last);
	case BYTE_RANGE_BEYOND:
		return refuse_range(d, res);
	case BYTE_RANGE_ALL:
		break;
	}
	begin(d, req, res, 200);
	response_header(res, HEADER_ACCEPT_RANGES, SLICE_LIT("bytes"));
	response_length(res, d->size);
	return res->head ? STATUS_OK : copy(req, res, fd, d->size);
}

enum status download_answer(const struct download *d, struct request *req, struct response *res)
{
	if (d->blob.len != UUID_SIZE - 1 || !uuid_valid(d->blob)) {
		log_error(req->id, "a file's blob has no valid id");
		return STATUS_INTERNAL;
	}
	if (precondition_fails(d, req))
		return STATUS_PRECONDITION_FAILED;
	if (is_fresh(d, req)) {
		response_begin(res, 304, NULL);
		add_validators(d, res);
		presentation_vary(req, d->media_type, res);
		return STATUS_OK;
	}
	if (request_param(req, "CRAFT_AGAIN").len)
		return send_ourselves(d, req, res);
	bool asked = request_header(req, HEADER_IF_MATCH).len || request_header(req, HEADER_IF_UNMODIFIED_SINCE).len;
	return asked ? send_ourselves(d, req, res) : send_by_nginx(d, req, res);
}
