/* download.c: answering with the bytes of a blob. */
#include "download.h"

#include <errno.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "etag.h"
#include "http_date.h"
#include "log.h"
#include "media_type.h"

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
	struct slice if_match = request_param(req, "HTTP_IF_MATCH");
	if (if_match.len)
		return !etag_matches_strongly(if_match, d->blob);
	return date_is_before(request_param(req, "HTTP_IF_UNMODIFIED_SINCE"), d->modified);
}

static bool is_fresh(const struct download *d, const struct request *req)
{
	int64_t date;
	if (req->if_none_match.len)
		return etag_matches(req->if_none_match, d->blob);
	return http_date_parse(request_param(req, "HTTP_IF_MODIFIED_SINCE"), &date) && date >= d->modified;
}

/* ---- headers ---- */

/* An image or a script's fetch runs nothing; a document would (Fetch Metadata: Sec-Fetch-Dest). */
static bool is_embedded(const struct request *req)
{
	struct slice dest = request_param(req, "HTTP_SEC_FETCH_DEST");
	return slice_eq_str(dest, "image") || slice_eq_str(dest, "empty");
}

static void add_disposition(const struct download *d, const struct request *req, struct response *res)
{
	autobuf value = { 0 };
	if (!media_type_active(d->media_type) || is_embedded(req))
		return;
	media_type_attachment(&value, d->name);
	response_header(res, "Content-Disposition", buf_slice(&value));
}

static void add_validators(const struct download *d, struct response *res)
{
	char date[HTTP_DATE_SIZE];
	autobuf tag = { 0 };
	buf_add_char(&tag, '"');
	buf_add_slice(&tag, d->blob);
	buf_add_char(&tag, '"');
	http_date_format(d->modified, date);
	response_header(res, "ETag", buf_slice(&tag));
	response_header(res, "Last-Modified", slice_of(date));
	response_header(res, "Cache-Control", SLICE_LIT("private, max-age=3600"));
	/* The answer has a Content-Disposition or not, as add_disposition() has it. */
	if (media_type_active(d->media_type))
		response_header(res, "Vary", SLICE_LIT("Sec-Fetch-Dest"));
}

static void begin(const struct download *d, const struct request *req, struct response *res)
{
	autobuf type = { 0 };
	buf_add_slice(&type, d->media_type);
	response_begin(res, 200, buf_cstr(&type));
	add_validators(d, res);
	add_disposition(d, req, res);
}

/* ---- bytes ---- */

static enum status send_by_nginx(const struct download *d, const struct request *req, struct response *res)
{
	autobuf location = { 0 };
	buf_add_str(&location, INTERNAL_LOCATION);
	buf_add(&location, d->blob.ptr, 2);
	buf_add_char(&location, '/');
	buf_add_slice(&location, d->blob);
	begin(d, req, res);
	response_header(res, "X-Accel-Redirect", buf_slice(&location));
	return STATUS_OK;
}

static enum status copy(const struct download *d, const struct request *req, struct response *res, int fd)
{
	autofree char *block = xmalloc(BLOCK);
	for (uint64_t left = d->size; left;) {
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

/* nginx would compare If-Match and If-Unmodified-Since with what it thinks the file's tag and date are. */
static enum status send_ourselves(const struct download *d, struct request *req, struct response *res)
{
	struct stat st;
	autoclose int fd = -1;
	char id[UUID_SIZE] = { 0 };
	if (!service_blobs(req->service, req->id))
		return STATUS_STORAGE_AWAY;
	memcpy(id, d->blob.ptr, UUID_SIZE - 1);
	if (blobs_read(&req->service->blobs, id, &fd) != BLOB_OK || fstat(fd, &st) || (uint64_t)st.st_size != d->size) {
		log_error(req->id, "blob %s is missing or damaged", id);
		return STATUS_FILE_NOT_FOUND;
	}
	begin(d, req, res);
	response_header(res, "Content-Security-Policy", SLICE_LIT("sandbox; default-src 'none'"));
	response_length(res, d->size);
	return res->head ? STATUS_OK : copy(d, req, res, fd);
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
		return STATUS_OK;
	}
	if (request_param(req, "CRAFT_AGAIN").len)
		return send_ourselves(d, req, res);
	bool asked = request_param(req, "HTTP_IF_MATCH").len || request_param(req, "HTTP_IF_UNMODIFIED_SINCE").len;
	return asked ? send_ourselves(d, req, res) : send_by_nginx(d, req, res);
}
