/* proxy.c: which requests go by the outgoing proxy. */
#include "proxy.h"

#include <strings.h>

/* The host of http(s)://host[:port][/path], of an IPv6 address without its brackets. */
static struct slice host_of(const char *url)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
	if (*host == '[')
		return slice_make(host + 1, strcspn(host + 1, "]"));
	return slice_make(host, strcspn(host, ":/?#"));
}

static bool ends_with(struct slice host, const char *tail, size_t n)
{
	return host.len > n && strncasecmp(host.ptr + host.len - n, tail, n) == 0;
}

/* An entry: a host, or *.domain or .domain for what lies below it. */
static bool is_excepted(struct slice host, const char *entry, size_t n)
{
	if (n > 1 && entry[0] == '*' && entry[1] == '.')
		return ends_with(host, entry + 1, n - 1);
	if (n > 1 && entry[0] == '.')
		return ends_with(host, entry, n);
	if (n > 2 && entry[0] == '[' && entry[n - 1] == ']')
		return host.len == n - 2 && strncasecmp(host.ptr, entry + 1, n - 2) == 0;
	return host.len == n && strncasecmp(host.ptr, entry, n) == 0;
}

const char *proxy_for(const struct conf *conf, const char *url)
{
	static const char between[] = " \t,";
	struct slice host = host_of(url);
	const char *at = conf->outgoing_proxy_except ? conf->outgoing_proxy_except : "";
	for (at += strspn(at, between); *at; at += strspn(at, between)) {
		size_t n = strcspn(at, between);
		if (is_excepted(host, at, n))
			return NULL;
		at += n;
	}
	return conf->outgoing_proxy;
}
