/* repo_key.c: repositories' keys and URLs. */
#include "repo_key.h"

#include <strings.h>

#define OWNER_MAX 39
#define REPO_MAX 100

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static struct slice after(struct slice s, size_t n)
{
	return slice_make(s.ptr + n, s.len - n);
}

static bool same(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

/* Removes a beginning. */
static bool skip(struct slice *s, struct slice prefix)
{
	if (s->len < prefix.len || !same(slice_make(s->ptr, prefix.len), prefix))
		return false;
	*s = after(*s, prefix.len);
	return true;
}

static bool ends_in_git(struct slice s)
{
	return s.len >= 4 && same(after(s, s.len - 4), SLICE_LIT(".git"));
}

/* ---- keys ---- */

/* A separator stands between letters and digits; there may be many hyphens, and one underscore behind all of them. */
static bool owner_valid(struct slice owner)
{
	bool underscore = false;
	if (owner.len < 1 || owner.len > OWNER_MAX)
		return false;
	for (size_t i = 0; i < owner.len; i++) {
		char c = owner.ptr[i];
		if (is_alnum(c))
			continue;
		if ((c != '-' && c != '_') || underscore || i == 0 || i + 1 == owner.len || !is_alnum(owner.ptr[i - 1]))
			return false;
		underscore = c == '_';
	}
	return true;
}

static bool repo_valid(struct slice repo)
{
	if (repo.len < 1 || repo.len > REPO_MAX || slice_eq_str(repo, ".") || slice_eq_str(repo, "..") ||
	    ends_in_git(repo))
		return false;
	for (size_t i = 0; i < repo.len; i++) {
		char c = repo.ptr[i];
		if (!is_alnum(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

bool repo_key_valid(struct slice key)
{
	const char *slash = key.len ? memchr(key.ptr, '/', key.len) : NULL;
	if (!slash)
		return false;
	size_t n = (size_t)(slash - key.ptr);
	return owner_valid(slice_make(key.ptr, n)) && repo_valid(after(key, n + 1));
}

/* ---- URLs ---- */

/* The host of http(s)://host[:port][/path], an IPv6 address in its brackets. */
static struct slice host_of(const char *url)
{
	const char *authority = strstr(url, "://");
	const char *host = authority ? authority + 3 : url;
	const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
	return slice_make(host, bracket ? (size_t)(bracket + 1 - host) : strcspn(host, ":/"));
}

/* ":port", if it is there. */
static void skip_port(struct slice *s)
{
	size_t n = s->len && *s->ptr == ':' ? 1 : 0;
	while (n && n < s->len && n < 6 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
		n++;
	if (n > 1)
		*s = after(*s, n);
}

/* What stands before the key in each form. What is left has to be the key, so nothing else has a place in a URL. */
static bool skip_to_key(struct slice *url, const char *github_url)
{
	struct slice host = host_of(github_url), base = slice_of(github_url);
	if (skip(url, base))
		return skip(url, SLICE_LIT("/"));
	if (skip(url, SLICE_LIT("ssh://git@"))) {
		if (!skip(url, host))
			return false;
		skip_port(url);
		return skip(url, SLICE_LIT("/"));
	}
	return skip(url, SLICE_LIT("git@")) && skip(url, host) && skip(url, SLICE_LIT(":"));
}

bool repo_url_names(struct slice url, const char *github_url, struct slice key)
{
	if (!repo_key_valid(key))
		return false;
	bool ssh = skip(&(struct slice){ url.ptr, url.len }, SLICE_LIT("ssh:")) ||
		   skip(&(struct slice){ url.ptr, url.len }, SLICE_LIT("git@"));
	if (!skip_to_key(&url, github_url))
		return false;
	if (!ssh && url.len && url.ptr[url.len - 1] == '/')
		url.len--;
	if (ends_in_git(url))
		url.len -= 4;
	return same(url, key);
}
