/* github.c: requests to GitHub, by libcurl. */
#include "github.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "uri.h"
#include "utf8.h"

#define CONNECT_TIMEOUT 5000  /* ms */
#define MAX_ANSWER (1u << 20) /* bytes */
#define MAX_REDIRECTS 3	      /* a repository that was renamed answers with one */
#define MAX_NAME 256	      /* bytes of a login, a branch or a scope */
#define MAX_ERROR 64

const char *const github_call_names[GITHUB_CALLS] = { [GITHUB_ACCESS_TOKEN] = "access_token",
						      [GITHUB_USER] = "user",
						      [GITHUB_REPOSITORY] = "repository",
						      [GITHUB_REVOKE] = "revoke" };

struct github {
	const struct conf *conf;
	struct github_counts *counts;
	CURL *curl;
};

/* One exchange of request and answer. */
struct call {
	enum github_call kind;
	const char *method;
	struct buf url;
	struct slice token;  /* empty: none */
	bool as_application; /* with id and secret by basic authentication */
	struct buf body;     /* empty: none */
	int64_t timeout;
	long http;
	struct buf answer;
};

static void call_free(struct call *c)
{
	buf_wipe(&c->body);
	buf_wipe(&c->answer);
	buf_free(&c->url);
}
#define autocalled __attribute__((cleanup(call_free))) struct call

void github_grant_free(struct github_grant *grant)
{
	buf_wipe(&grant->token);
	buf_free(&grant->scope);
	buf_free(&grant->error);
}

struct github *github_new(const struct conf *conf, struct github_counts *counts)
{
	struct github *g = xcalloc(1, sizeof(*g));
	g->conf = conf;
	g->counts = counts;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		g->curl = curl_easy_init();
	if (g->curl)
		return g;
	free(g);
	return NULL;
}

void github_free(struct github *g)
{
	if (!g)
		return;
	curl_easy_cleanup(g->curl);
	curl_global_cleanup();
	free(g);
}

bool github_configured(const struct conf *conf)
{
	return conf->github_client_id && conf->github_client_secret;
}

/* ---- one request ---- */

static size_t take_answer(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	if (c->answer.len + size * n > MAX_ANSWER)
		return 0;
	buf_add(&c->answer, p, size * n);
	return size * n;
}

static void free_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static struct curl_slist *make_headers(const struct call *c)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
	list = curl_slist_append(list, "X-GitHub-Api-Version: 2022-11-28");
	/* libcurl waits a second for 100-continue otherwise. */
	list = curl_slist_append(list, "Expect:");
	return c->body.len ? curl_slist_append(list, "Content-Type: application/json") : list;
}

static void set_credentials(struct github *g, const struct call *c, const char *token)
{
	if (c->as_application) {
		(void)curl_easy_setopt(g->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		(void)curl_easy_setopt(g->curl, CURLOPT_USERNAME, g->conf->github_client_id);
		(void)curl_easy_setopt(g->curl, CURLOPT_PASSWORD, g->conf->github_client_secret);
	} else if (*token) {
		(void)curl_easy_setopt(g->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		(void)curl_easy_setopt(g->curl, CURLOPT_XOAUTH2_BEARER, token);
	}
}

static void set_options(struct github *g, struct call *c, struct curl_slist *headers)
{
	bool plain = strncmp(buf_cstr(&c->url), "http://", 7) == 0;
	curl_easy_reset(g->curl);
	(void)curl_easy_setopt(g->curl, CURLOPT_URL, buf_cstr(&c->url));
	(void)curl_easy_setopt(g->curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	(void)curl_easy_setopt(g->curl, CURLOPT_CUSTOMREQUEST, c->method);
	(void)curl_easy_setopt(g->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(g->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT);
	(void)curl_easy_setopt(g->curl, CURLOPT_TIMEOUT_MS, (long)c->timeout);
	(void)curl_easy_setopt(g->curl, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(g->curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (g->conf->github_ca_file)
		(void)curl_easy_setopt(g->curl, CURLOPT_CAINFO, g->conf->github_ca_file);
	(void)curl_easy_setopt(g->curl, CURLOPT_USERAGENT, "craft-agent-cloud/" PACKAGE_VERSION);
	(void)curl_easy_setopt(g->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(g->curl, CURLOPT_WRITEFUNCTION, take_answer);
	(void)curl_easy_setopt(g->curl, CURLOPT_WRITEDATA, c);
	if (c->body.len) {
		(void)curl_easy_setopt(g->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.len);
		(void)curl_easy_setopt(g->curl, CURLOPT_POSTFIELDS, buf_cstr(&c->body));
	}
}

static bool send_once(struct github *g, const char *request_id, struct call *c)
{
	autocall(free_list) struct curl_slist *headers = make_headers(c);
	autofree char *token = slice_dup(c->token);
	set_options(g, c, headers);
	set_credentials(g, c, token);
	buf_clear(&c->answer);
	CURLcode code = curl_easy_perform(g->curl);
	OPENSSL_cleanse(token, c->token.len);
	(void)curl_easy_getinfo(g->curl, CURLINFO_RESPONSE_CODE, &c->http);
	if (code == CURLE_OK)
		return true;
	log_warn(request_id, "asking GitHub (%s) failed: %s", github_call_names[c->kind],
		 code == CURLE_WRITE_ERROR ? "the answer is too large" : curl_easy_strerror(code));
	return false;
}

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
static bool next_url(struct github *g, struct call *c)
{
	char *location = NULL;
	bool moved = c->http == 301 || c->http == 302 || c->http == 307 || c->http == 308;
	if (!moved || strcmp(c->method, "GET") != 0 ||
	    curl_easy_getinfo(g->curl, CURLINFO_REDIRECT_URL, &location) != CURLE_OK || !location)
		return false;
	autobuf next = { 0 };
	buf_add_str(&next, location);
	if (!same_origin(buf_cstr(&next), buf_cstr(&c->url)))
		return false;
	buf_clear(&c->url);
	buf_add_slice(&c->url, buf_slice(&next));
	return true;
}

static enum github_result exchange(struct github *g, const char *request_id, struct call *c)
{
	for (int i = 0; i <= MAX_REDIRECTS; i++) {
		if (!send_once(g, request_id, c))
			return GITHUB_UNREACHABLE;
		if (!next_url(g, c))
			break;
	}
	if (c->http >= 200 && c->http < 300)
		return GITHUB_OK;
	log_info(request_id, "GitHub answers %ld (%s)", c->http, github_call_names[c->kind]);
	return c->http == 401 ? GITHUB_REFUSED : GITHUB_NO_ACCESS;
}

static enum github_result send_call(struct github *g, const char *request_id, struct call *c)
{
	int64_t began = clock_us();
	enum github_result result = exchange(g, request_id, c);
	if (g->counts)
		histogram_add(&g->counts->seconds[c->kind], &metrics_short, (uint64_t)(clock_us() - began));
	return result;
}

/* The end of each call: its outcome, once it is known what the answer is worth. */
static enum github_result counted(struct github *g, const struct call *c, enum github_result result)
{
	if (g->counts)
		counter_add(&g->counts->results[c->kind][result], 1);
	return result;
}

/* ---- answers ---- */

static enum github_result misunderstood(const char *request_id, const struct call *c)
{
	log_warn(request_id, "GitHub's answer can't be understood (%s)", github_call_names[c->kind]);
	return GITHUB_UNREACHABLE;
}

/* The answer as a JSON object. */
static bool answer_object(const struct call *c, struct slice *object)
{
	size_t depth;
	*object = buf_slice(&c->answer);
	if (!utf8_valid(object->ptr, object->len) || !json_check(*object, &depth) || depth > JSON_MAX_DEPTH)
		return false;
	*object = json_trim(*object);
	return json_kind_of(*object) == JSON_OBJECT;
}

/* A member that is a text of 1 to max bytes. */
static bool get_text(struct slice object, const char *name, size_t max, struct buf *out)
{
	struct slice value;
	buf_clear(out);
	return json_get(object, name, &value) && json_kind_of(value) == JSON_STRING && json_decode(value, out) &&
	       out->len > 0 && out->len <= max;
}

/* Made of these characters only, so that it can stand in headers and URLs. */
static bool is_made_of(struct slice text, const char *more)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
		if (!plain && !(c && strchr(more, c)))
			return false;
	}
	return text.len > 0;
}

/* ---- what is asked ---- */

static void add_member(struct buf *body, const char *name, struct slice value)
{
	buf_add_str(body, body->len ? "," : "{");
	json_encode(body, slice_of(name));
	buf_add_char(body, ':');
	json_encode(body, value);
}

static enum github_result read_grant(const char *request_id, const struct call *c, struct github_grant *grant)
{
	struct slice object;
	if (!answer_object(c, &object))
		return misunderstood(request_id, c);
	if (get_text(object, "error", MAX_ERROR, &grant->error)) {
		if (!is_made_of(buf_slice(&grant->error), "-.")) {
			buf_clear(&grant->error);
			return misunderstood(request_id, c);
		}
		log_info(request_id, "GitHub refuses the code: %s", buf_cstr(&grant->error));
		return GITHUB_REFUSED;
	}
	buf_clear(&grant->error);
	if (!get_text(object, "access_token", GITHUB_MAX_TOKEN, &grant->token) ||
	    !is_made_of(buf_slice(&grant->token), "-.~+/="))
		return misunderstood(request_id, c);
	if (!get_text(object, "scope", MAX_NAME, &grant->scope))
		buf_clear(&grant->scope);
	return GITHUB_OK;
}

enum github_result github_exchange(struct github *g, const char *request_id, struct slice code,
				   struct slice redirect_uri, struct github_grant *grant)
{
	autocalled c = { .method = "POST", .kind = GITHUB_ACCESS_TOKEN, .timeout = GITHUB_TIMEOUT };
	buf_addf(&c.url, "%s/login/oauth/access_token", g->conf->github_url);
	add_member(&c.body, "client_id", slice_of(g->conf->github_client_id));
	add_member(&c.body, "client_secret", slice_of(g->conf->github_client_secret));
	add_member(&c.body, "code", code);
	add_member(&c.body, "redirect_uri", redirect_uri);
	buf_add_char(&c.body, '}');
	enum github_result result = send_call(g, request_id, &c);
	return counted(g, &c, result == GITHUB_OK ? read_grant(request_id, &c, grant) : result);
}

static enum github_result read_user(const char *request_id, const struct call *c, struct buf *login, int64_t *user_id)
{
	struct slice object, id;
	if (!answer_object(c, &object) || !get_text(object, "login", MAX_NAME, login) || !json_get(object, "id", &id) ||
	    json_kind_of(id) != JSON_NUMBER)
		return misunderstood(request_id, c);
	autofree char *text = slice_dup(id);
	char *end;
	errno = 0;
	*user_id = strtoll(text, &end, 10);
	return errno || *end || *user_id <= 0 ? misunderstood(request_id, c) : GITHUB_OK;
}

enum github_result github_user(struct github *g, const char *request_id, struct slice token, struct buf *login,
			       int64_t *user_id)
{
	autocalled c = { .method = "GET", .kind = GITHUB_USER, .token = token, .timeout = GITHUB_TIMEOUT };
	buf_addf(&c.url, "%s/user", g->conf->github_api_url);
	enum github_result result = send_call(g, request_id, &c);
	return counted(g, &c, result == GITHUB_OK ? read_user(request_id, &c, login, user_id) : result);
}

static enum github_result read_repo(const char *request_id, const struct call *c, struct buf *branch)
{
	struct slice object;
	if (!branch)
		return GITHUB_OK;
	if (!answer_object(c, &object))
		return misunderstood(request_id, c);
	if (!get_text(object, "default_branch", MAX_NAME, branch))
		buf_clear(branch);
	return GITHUB_OK;
}

enum github_result github_repo(struct github *g, const char *request_id, struct slice token, struct slice repo_key,
			       int64_t timeout, struct buf *branch)
{
	autocalled c = { .method = "GET", .kind = GITHUB_REPOSITORY, .token = token, .timeout = timeout };
	buf_addf(&c.url, "%s/repos/", g->conf->github_api_url);
	buf_add_slice(&c.url, repo_key);
	enum github_result result = send_call(g, request_id, &c);
	return counted(g, &c, result == GITHUB_OK ? read_repo(request_id, &c, branch) : result);
}

enum github_result github_revoke(struct github *g, const char *request_id, struct slice token)
{
	autocalled c = { .method = "DELETE", .kind = GITHUB_REVOKE, .as_application = true, .timeout = GITHUB_TIMEOUT };
	buf_addf(&c.url, "%s/applications/", g->conf->github_api_url);
	uri_encode(&c.url, slice_of(g->conf->github_client_id));
	buf_add_str(&c.url, "/token");
	add_member(&c.body, "access_token", token);
	buf_add_char(&c.body, '}');
	return counted(g, &c, send_call(g, request_id, &c));
}
