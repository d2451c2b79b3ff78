/* github_call.c: requests to GitHub, by libcurl. */
#include "github_call.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "proxy.h"

#define CONNECT_TIMEOUT 5000  /* ms */
#define MAX_ANSWER (1u << 20) /* bytes */
#define MAX_REDIRECTS 3	      /* a repository that was renamed answers with one */
#define MAX_LINK 2048	      /* bytes of a link to single sign-on */
#define MAX_WAIT 3	      /* seconds that are waited where GitHub asks to come again */

struct github_link {
	const struct conf *conf;
	CURL *curl;
};

void github_request_free(struct github_request *r)
{
	buf_wipe(&r->body);
	buf_wipe(&r->answer);
	buf_free(&r->url);
	buf_free(&r->sso);
}

struct github_link *github_link_new(const struct conf *conf)
{
	struct github_link *link = xcalloc(1, sizeof(*link));
	link->conf = conf;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		link->curl = curl_easy_init();
	if (link->curl)
		return link;
	free(link);
	return NULL;
}

void github_link_free(struct github_link *link)
{
	if (!link)
		return;
	curl_easy_cleanup(link->curl);
	curl_global_cleanup();
	free(link);
}

/* ---- the answer ---- */

static size_t take_answer(char *p, size_t size, size_t n, void *arg)
{
	struct github_request *r = arg;
	if (r->answer.len + size * n > MAX_ANSWER)
		return 0;
	buf_add(&r->answer, p, size * n);
	return size * n;
}

/* The value of a header's line that has this name. */
static bool is_field(struct slice line, const char *name, struct slice *value)
{
	size_t n = strlen(name);
	if (line.len <= n || line.ptr[n] != ':' || strncasecmp(line.ptr, name, n) != 0)
		return false;
	*value = slice_make(line.ptr + n + 1, line.len - n - 1);
	while (value->len && strchr(" \t", value->ptr[0]))
		*value = slice_make(value->ptr + 1, value->len - 1);
	while (value->len && strchr(" \t\r\n", value->ptr[value->len - 1]))
		value->len--;
	return true;
}

/* A whole number; -1 when it is anything else, such as a date. */
static int64_t number_of(struct slice text)
{
	int64_t n = 0;
	if (!text.len || text.len > 9)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		n = n * 10 + (text.ptr[i] - '0');
	}
	return n;
}

/* "required; url=https://github.com/orgs/…/sso?authorization_request=…" */
static void take_sso(struct github_request *r, struct slice value)
{
	static const char word[] = "url=";
	const char *url = memmem(value.ptr, value.len, word, strlen(word));
	buf_clear(&r->sso);
	if (value.len < strlen("required") || strncasecmp(value.ptr, "required", strlen("required")) != 0 || !url)
		return;
	const char *end = value.ptr + value.len;
	url += strlen(word);
	size_t n = 0;
	while (url + n < end && url[n] > ' ' && url[n] < 0x7f && !strchr(";,\"<>\\^`{|}", url[n]))
		n++;
	if (n <= MAX_LINK)
		buf_add(&r->sso, url, n);
}

static size_t take_field(char *p, size_t size, size_t n, void *arg)
{
	struct github_request *r = arg;
	struct slice line = slice_make(p, size * n), value;
	if (is_field(line, "Retry-After", &value))
		r->retry_after = number_of(value);
	else if (is_field(line, "X-RateLimit-Remaining", &value))
		r->exhausted = slice_eq_str(value, "0");
	else if (is_field(line, "X-GitHub-SSO", &value))
		take_sso(r, value);
	return size * n;
}

/* ---- one request ---- */

static void free_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static struct curl_slist *make_headers(const struct github_request *r)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
	list = curl_slist_append(list, "X-GitHub-Api-Version: 2022-11-28");
	/* libcurl waits a second for 100-continue otherwise. */
	list = curl_slist_append(list, "Expect:");
	return r->body.len ? curl_slist_append(list, "Content-Type: application/json") : list;
}

static void set_credentials(struct github_link *link, const struct github_request *r, const char *token)
{
	CURL *curl = link->curl;
	if (r->as_application) {
		(void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		(void)curl_easy_setopt(curl, CURLOPT_USERNAME, link->conf->github_client_id);
		(void)curl_easy_setopt(curl, CURLOPT_PASSWORD, link->conf->github_client_secret);
	} else if (*token) {
		(void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		(void)curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token);
	}
}

/* By CONNECT also where the URL is plain http, so that the proxy's password stays with the proxy. */
static void set_proxy(CURL *curl, const struct conf *conf, const char *url)
{
	if (!conf->outgoing_proxy)
		return;
	const char *proxy = proxy_for(conf, url);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, proxy ? proxy : "");
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_HTTPPROXYTUNNEL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXYAUTH, (long)CURLAUTH_ANY);
	(void)curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_security(CURL *curl, const struct conf *conf, const char *url)
{
	bool plain = strncmp(url, "http://", 7) == 0;
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (conf->github_ca_file)
		(void)curl_easy_setopt(curl, CURLOPT_CAINFO, conf->github_ca_file);
	set_proxy(curl, conf, url);
}

static void set_options(struct github_link *link, struct github_request *r, struct curl_slist *headers, int64_t timeout)
{
	CURL *curl = link->curl;
	curl_easy_reset(curl);
	set_security(curl, link->conf, buf_cstr(&r->url));
	(void)curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&r->url));
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout);
	(void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "craft-agent-cloud/" PACKAGE_VERSION);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_field);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	if (r->body.len) {
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_cstr(&r->body));
	}
}

static bool send_once(struct github_link *link, const char *request_id, struct github_request *r, int64_t timeout)
{
	autocall(free_list) struct curl_slist *headers = make_headers(r);
	autofree char *token = slice_dup(r->token);
	set_options(link, r, headers, timeout);
	set_credentials(link, r, token);
	buf_clear(&r->answer);
	buf_clear(&r->sso);
	r->retry_after = -1;
	r->exhausted = false;
	CURLcode code = curl_easy_perform(link->curl);
	OPENSSL_cleanse(token, r->token.len);
	(void)curl_easy_getinfo(link->curl, CURLINFO_RESPONSE_CODE, &r->http);
	if (code == CURLE_OK)
		return true;
	log_warn(request_id, "asking GitHub (%s) failed: %s", github_call_names[r->kind],
		 code == CURLE_WRITE_ERROR ? "the answer is too large" : curl_easy_strerror(code));
	return false;
}

/* ---- redirections ---- */

/* Do both lead to one server, as libcurl itself reads them? A URL with a user in it leads nowhere. */
static bool same_origin(const char *one, const char *other)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *a = curl_url(), *b = curl_url();
	bool same = a && b && curl_url_set(a, CURLUPART_URL, one, CURLU_DISALLOW_USER) == CURLUE_OK &&
		    curl_url_set(b, CURLUPART_URL, other, CURLU_DISALLOW_USER) == CURLUE_OK;
	for (size_t i = 0; same && i < sizeof(parts) / sizeof(*parts); i++) {
		char *left = NULL, *right = NULL;
		same = curl_url_get(a, parts[i], &left, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       curl_url_get(b, parts[i], &right, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       strcasecmp(left, right) == 0;
		curl_free(left);
		curl_free(right);
	}
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

/* Where a redirection leads; false when that is another host, or no redirection that may be followed. */
static bool next_url(struct github_link *link, struct github_request *r)
{
	char *location = NULL;
	bool moved = r->http == 301 || r->http == 302 || r->http == 307 || r->http == 308;
	if (!moved || strcmp(r->method, "GET") != 0 ||
	    curl_easy_getinfo(link->curl, CURLINFO_REDIRECT_URL, &location) != CURLE_OK || !location)
		return false;
	autobuf next = { 0 };
	buf_add_str(&next, location);
	if (!same_origin(buf_cstr(&next), buf_cstr(&r->url)))
		return false;
	buf_clear(&r->url);
	buf_add_slice(&r->url, buf_slice(&next));
	return true;
}

/* ---- what an answer means ---- */

/* 403 stands for four things: only the head and the text tell which (docs.github.com, "Rate limits for the REST API"
 * and "Authenticating to the REST API"). */
static enum github_result forbidden(const struct github_request *r)
{
	if (r->sso.len)
		return GITHUB_SSO;
	bool limited = r->exhausted || r->retry_after >= 0 ||
		       (r->answer.len && memmem(r->answer.data, r->answer.len, "rate limit", strlen("rate limit")));
	return limited ? GITHUB_LIMITED : GITHUB_NO_ACCESS;
}

static enum github_result meaning(const struct github_request *r)
{
	switch (r->http) {
	case 401:
		return GITHUB_REFUSED;
	case 403:
		return forbidden(r);
	case 404:
	case 410:
	case 451:
		return GITHUB_NO_ACCESS;
	case 429:
		return GITHUB_LIMITED;
	default:
		if (r->http >= 200 && r->http < 300)
			return GITHUB_OK;
		return r->http >= 500 ? GITHUB_AWAY : GITHUB_ODD;
	}
}

/* The link is shown to a user: it leads to the place where he logs in, or it is none. */
static void check_sso(const struct github_link *link, struct github_request *r)
{
	if (r->sso.len && !same_origin(buf_cstr(&r->sso), link->conf->github_url))
		buf_clear(&r->sso);
}

static enum github_result exchange(struct github_link *link, const char *request_id, struct github_request *r,
				   int64_t deadline)
{
	for (int i = 0; i <= MAX_REDIRECTS; i++) {
		int64_t left = deadline - clock_ms();
		if (!send_once(link, request_id, r, left > 1 ? left : 1))
			return GITHUB_UNREACHABLE;
		if (!next_url(link, r))
			break;
	}
	enum github_result result = meaning(r);
	if (result == GITHUB_SSO)
		check_sso(link, r);
	if (result != GITHUB_OK)
		log_info(request_id, "GitHub answers %ld (%s)", r->http, github_call_names[r->kind]);
	return result;
}

/* What is only asked may be asked again, if GitHub names a time that a user can wait for. */
static bool comes_again(const struct github_request *r, enum github_result result, int64_t deadline)
{
	return (result == GITHUB_LIMITED || result == GITHUB_AWAY) && strcmp(r->method, "GET") == 0 &&
	       r->retry_after >= 0 && r->retry_after <= MAX_WAIT && clock_ms() + r->retry_after * 1000 + 500 < deadline;
}

enum github_result github_call(struct github_link *link, const char *request_id, struct github_request *r)
{
	int64_t deadline = clock_ms() + r->timeout;
	enum github_result result = exchange(link, request_id, r, deadline);
	if (!comes_again(r, result, deadline))
		return result;
	log_info(request_id, "GitHub asks to come again in %lld s", (long long)r->retry_after);
	const struct timespec wait = { .tv_sec = (time_t)r->retry_after };
	(void)nanosleep(&wait, NULL);
	return exchange(link, request_id, r, deadline);
}
