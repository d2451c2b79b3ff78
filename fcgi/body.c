/* body.c: a request's body. */
#include "body.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

/* False when it is no number. Anything beyond 2^63 is as good as any other such. */
static bool parse_length(struct slice text, uint64_t *length)
{
	uint64_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		if (n < UINT64_MAX / 20)
			n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*length = n;
	return text.len > 0;
}

enum status body_declared(const struct request *req, uint64_t limit, bool *declared, uint64_t *length)
{
	*length = 0;
	*declared = parse_length(request_header(req, HEADER_CONTENT_LENGTH), length);
	return *declared && *length > limit ? STATUS_BODY_TOO_LARGE : STATUS_OK;
}

/* nginx's temporary file. */
static enum status open_file(struct body *b, struct slice path)
{
	struct stat st;
	if (!service_blobs(b->req->service, b->req->id))
		return STATUS_STORAGE_AWAY;
	if (blobs_adopt(&b->req->service->blobs, path, &b->file) != BLOB_OK || fstat(b->file.fd, &st)) {
		log_error(b->req->id, "the body's file isn't in BLOB_DIR/%s, or can't be read: %m", BLOBS_INCOMING);
		return STATUS_STORAGE_AWAY;
	}
	if (b->declared && (uint64_t)st.st_size != b->length)
		return STATUS_BODY_INCOMPLETE;
	b->declared = true;
	b->length = (uint64_t)st.st_size;
	return b->length > b->limit ? STATUS_BODY_TOO_LARGE : STATUS_OK;
}

enum status body_begin(struct body *b, struct request *req, uint64_t limit)
{
	*b = (struct body){ .req = req, .file = BLOB_DRAFT_NONE, .limit = limit };
	enum status status = body_declared(req, limit, &b->declared, &b->length);
	const char *path = FCGX_GetParam("REQUEST_BODY_FILE", req->fcgi->envp);
	b->in_file = path != NULL;
	/* No file is written for an empty body. */
	if (status == STATUS_OK && path && *path)
		status = open_file(b, slice_of(path));
	return status;
}

static enum status read_file(struct body *b, char *out, size_t size, size_t *n)
{
	ssize_t got;
	do
		got = b->file.fd < 0 ? 0 : read(b->file.fd, out, size);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		log_error(b->req->id, "reading the body's file failed: %m");
		return STATUS_STORAGE_AWAY;
	}
	*n = (size_t)got;
	return STATUS_OK;
}

static enum status read_stream(struct body *b, char *out, size_t size, size_t *n)
{
	FCGX_Stream *in = b->req->fcgi->in;
	int got = FCGX_GetStr(out, size > INT_MAX ? INT_MAX : (int)size, in);
	/* The connection's end and the body's end look alike but for the error. */
	if (got < 0 || ((size_t)got < size && FCGX_GetError(in)))
		return STATUS_BODY_INCOMPLETE;
	*n = (size_t)got;
	return STATUS_OK;
}

enum status body_read(struct body *b, char *out, size_t size, size_t *n)
{
	*n = 0;
	enum status status = b->in_file ? read_file(b, out, size, n) : read_stream(b, out, size, n);
	if (status != STATUS_OK)
		return status;
	b->got += *n;
	if (b->got > b->limit)
		return STATUS_BODY_TOO_LARGE;
	return *n == 0 && b->declared && b->got != b->length ? STATUS_BODY_INCOMPLETE : STATUS_OK;
}

void body_end(struct body *b)
{
	if (b->file.fd >= 0)
		blob_draft_end(&b->req->service->blobs, &b->file);
}
