/* request.c: reading a request. */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"
#include "utf8.h"

static const struct {
	enum method method;
	const char *name;
} methods[] = {
	{ METHOD_GET, "GET" }, { METHOD_HEAD, "HEAD" },	    { METHOD_POST, "POST" },
	{ METHOD_PUT, "PUT" }, { METHOD_DELETE, "DELETE" },
};
#define METHOD_COUNT (sizeof(methods) / sizeof(*methods))

static struct slice param(const FCGX_Request *fcgi, const char *name)
{
	const char *value = FCGX_GetParam(name, fcgi->envp);
	return value ? slice_of(value) : slice_make("", 0);
}

static enum method method_of(struct slice name)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (slice_eq_str(name, methods[i].name))
			return methods[i].method;
	}
	return METHOD_OTHER;
}

void method_names(unsigned bits, struct buf *out)
{
	const char *separator = "";
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (bits & methods[i].method) {
			buf_add_str(out, separator);
			buf_add_str(out, methods[i].name);
			separator = ", ";
		}
	}
}

/* nginx makes ids of hex digits; whatever else comes here must not break log lines. */
static bool is_plain_id(struct slice id)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";
	return id.len <= 128 && strspn(id.ptr, plain) == id.len;
}

void request_init(struct request *r, FCGX_Request *fcgi)
{
	struct slice id = param(fcgi, "REQUEST_ID");
	*r = (struct request){
		.fcgi = fcgi,
		.id = is_plain_id(id) ? id.ptr : "",
		.method_text = param(fcgi, "REQUEST_METHOD"),
		.target = param(fcgi, "REQUEST_URI"),
		.authorization = param(fcgi, "HTTP_AUTHORIZATION"),
		.if_none_match = param(fcgi, "HTTP_IF_NONE_MATCH"),
	};
	r->method = method_of(r->method_text);
}

void request_free(struct request *r)
{
	uri_path_free(&r->path);
	buf_free(&r->body);
	buf_free(&r->detail);
}

struct slice request_logged_path(const struct request *r)
{
	/* A target is a C string here: it came as one. */
	return slice_make(r->target.ptr, strcspn(r->target.ptr, "?#"));
}

enum status request_bad_field(struct request *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&r->detail);
	buf_add_str(&r->detail, text);
	return STATUS_BAD_FIELD;
}

/* Of a Content-Length; false when it is no number. Anything too large for a body is as good as any other such. */
static bool parse_length(struct slice text, size_t *length)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		if (n < SIZE_MAX / 20)
			n = n * 10 + (size_t)(text.ptr[i] - '0');
	}
	*length = n;
	return text.len > 0;
}

static enum status read_body(struct request *r, size_t limit)
{
	size_t length;
	if (!parse_length(param(r->fcgi, "CONTENT_LENGTH"), &length) || length == 0)
		return STATUS_BODY_MISSING;
	if (length > limit)
		return STATUS_BODY_TOO_LARGE;
	int n = FCGX_GetStr(buf_reserve(&r->body, length), (int)length, r->fcgi->in);
	if (n < 0 || (size_t)n != length || FCGX_GetError(r->fcgi->in))
		return STATUS_BODY_INCOMPLETE;
	r->body.len = length;
	return STATUS_OK;
}

enum status request_read_object(struct request *r, size_t limit)
{
	size_t depth;
	enum status status = read_body(r, limit);
	if (status != STATUS_OK)
		return status;
	struct slice text = buf_slice(&r->body);
	if (!utf8_valid(text.ptr, text.len) || !json_check(text, &depth))
		return STATUS_BAD_JSON;
	if (depth > JSON_MAX_DEPTH)
		return STATUS_JSON_TOO_DEEP;
	return json_kind_of(json_trim(text)) == JSON_OBJECT ? STATUS_OK : STATUS_JSON_NO_OBJECT;
}
