/* origin.c: what URLs that lead to this server begin with. */
#include "origin.h"

/* A name or an address, perhaps with a port (RFC 9110 section 7.2). */
static bool is_host(struct slice host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
	for (size_t i = 0; i < host.len; i++) {
		if (!host.ptr[i] || !strchr(allowed, host.ptr[i]))
			return false;
	}
	return host.len > 0;
}

void origin_add_path(const struct request *req, struct buf *out)
{
	const char *url = req->service->conf->public_url;
	const char *authority = url ? strstr(url, "://") : NULL;
	const char *path = authority ? strchr(authority + 3, '/') : NULL;
	if (path)
		buf_add_str(out, path);
}

enum status origin_add(struct request *req, struct buf *out)
{
	struct slice host = request_header(req, HEADER_HOST);
	if (req->service->conf->public_url) {
		buf_add_str(out, req->service->conf->public_url);
		return STATUS_OK;
	}
	if (!is_host(host))
		return request_bad_field(req, "A valid Host header is needed to make a URL");
	buf_add_slice(out, request_param(req, "REQUEST_SCHEME"));
	buf_add_str(out, "://");
	buf_add_slice(out, host);
	return STATUS_OK;
}
