/* request.c: reading a request. */
#include "request.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "body.h"
#include "clock.h"
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

struct slice request_param(const struct request *r, const char *name)
{
	const char *value = FCGX_GetParam(name, r->fcgi->envp);
	return value ? slice_of(value) : slice_make("", 0);
}

struct slice request_header(const struct request *r, enum http_header header)
{
	return request_param(r, http_header_param(header));
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

void request_init(struct request *r, FCGX_Request *fcgi, struct service *service)
{
	*r = (struct request){ .fcgi = fcgi, .service = service };
	struct slice id = request_param(r, "REQUEST_ID");
	r->id = is_plain_id(id) ? id.ptr : "";
	r->method_text = request_param(r, "REQUEST_METHOD");
	r->method = method_of(r->method_text);
	r->target = request_param(r, "REQUEST_URI");
	r->authorization = request_header(r, HEADER_AUTHORIZATION);
	r->if_none_match = request_header(r, HEADER_IF_NONE_MATCH);
	r->check_only = slice_eq_str(request_param(r, "CRAFT_UPLOAD"), "check");
	r->ended_only = slice_eq_str(request_param(r, "CRAFT_UPLOAD"), "ended");
}

void request_wait(struct request *r, int64_t ms, struct request_rest rest)
{
	r->rest_to_do = rest;
	r->rest_to_do.at = clock_ms() + ms;
}

bool request_is_abandoned(const struct request *r)
{
	struct pollfd p = { r->fcgi->ipcFd, POLLRDHUP, 0 };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void request_free(struct request *r)
{
	if (r->rest_to_do.free_state)
		r->rest_to_do.free_state(r->rest_to_do.state);
	uri_path_free(&r->path);
	buf_free(&r->rest);
	buf_free(&r->body);
	buf_free(&r->detail);
	buf_wipe(&r->key_text);
}

bool request_has_input(const struct request *r)
{
	bool declared = request_header(r, HEADER_CONTENT_LENGTH).len || request_header(r, HEADER_TRANSFER_ENCODING).len;
	return declared && !r->check_only && !r->ended_only && !FCGX_GetParam("REQUEST_BODY_FILE", r->fcgi->envp);
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

enum status request_check_name(struct request *r, const char *what, struct slice name)
{
	if (!slice_eq_str(name, ".") && !slice_eq_str(name, ".."))
		return STATUS_OK;
	return request_bad_field(r, "Invalid %s: it is . or .., which no URL can name", what);
}

static enum status read_body(struct request *r, size_t limit, bool optional)
{
	autobody body = BODY_NONE;
	enum status status = body_begin(&body, r, limit);
	if (status != STATUS_OK)
		return status;
	for (size_t n = 1; status == STATUS_OK && n;) {
		status = body_read(&body, buf_reserve(&r->body, BODY_STEP), BODY_STEP, &n);
		r->body.len += n;
	}
	if (status == STATUS_OK && r->body.len == 0 && !optional)
		return STATUS_BODY_MISSING;
	if (status == STATUS_OK && r->body.len == 0)
		buf_add_str(&r->body, "{}");
	return status;
}

enum status request_read_object(struct request *r, size_t limit, bool optional)
{
	size_t depth;
	enum status status = read_body(r, limit, optional);
	if (status != STATUS_OK)
		return status;
	struct slice text = buf_slice(&r->body);
	if (!utf8_valid(text.ptr, text.len) || !json_check(text, &depth))
		return STATUS_BAD_JSON;
	if (depth > JSON_MAX_DEPTH)
		return STATUS_JSON_TOO_DEEP;
	return json_kind_of(json_trim(text)) == JSON_OBJECT ? STATUS_OK : STATUS_JSON_NO_OBJECT;
}
