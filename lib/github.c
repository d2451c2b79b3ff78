/* github.c: what is asked of GitHub, and what its answers say. */
#include "github.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "clock.h"
#include "github_call.h"
#include "json.h"
#include "log.h"
#include "uri.h"
#include "utf8.h"

#define MAX_NAME 256   /* bytes of a login or a branch */
#define MAX_SCOPE 4096 /* of a list of scopes */
#define MAX_ERROR 64

const char *const github_call_names[GITHUB_CALLS] = { [GITHUB_ACCESS_TOKEN] = "access_token",
						      [GITHUB_REFRESH] = "refresh",
						      [GITHUB_USER] = "user",
						      [GITHUB_REPOSITORY] = "repository",
						      [GITHUB_REVOKE] = "revoke" };

const char *const github_result_names[GITHUB_RESULTS] = { [GITHUB_OK] = "ok",
							  [GITHUB_REFUSED] = "refused",
							  [GITHUB_NO_ACCESS] = "no_access",
							  [GITHUB_SSO] = "sso",
							  [GITHUB_LIMITED] = "limited",
							  [GITHUB_AWAY] = NULL, /* counted as no_access, as the next */
							  [GITHUB_ODD] = NULL,
							  [GITHUB_UNREACHABLE] = "unreachable" };

struct github {
	const struct conf *conf;
	struct github_counts *counts;
	struct github_link *link;
	struct buf sso;
};

void github_grant_free(struct github_grant *grant)
{
	buf_wipe(&grant->token);
	buf_wipe(&grant->refresh_token);
	buf_free(&grant->scope);
	buf_free(&grant->error);
}

struct github *github_new(const struct conf *conf, struct github_counts *counts)
{
	struct github_link *link = github_link_new(conf);
	if (!link)
		return NULL;
	struct github *g = xcalloc(1, sizeof(*g));
	*g = (struct github){ .conf = conf, .counts = counts, .link = link };
	return g;
}

void github_free(struct github *g)
{
	if (!g)
		return;
	github_link_free(g->link);
	buf_free(&g->sso);
	free(g);
}

bool github_configured(const struct conf *conf)
{
	return conf->github_client_id && conf->github_client_secret;
}

struct slice github_sso(const struct github *g)
{
	return buf_slice(&g->sso);
}

static enum github_result send_call(struct github *g, const char *request_id, struct github_request *c)
{
	int64_t began = clock_us();
	enum github_result result = github_call(g->link, request_id, c);
	buf_clear(&g->sso);
	if (result == GITHUB_SSO)
		buf_add_slice(&g->sso, buf_slice(&c->sso));
	if (g->counts)
		histogram_add(&g->counts->seconds[c->kind], &metrics_short, (uint64_t)(clock_us() - began));
	return result;
}

/* The end of each call: its outcome, once it is known what the answer is worth. */
static enum github_result counted(struct github *g, const struct github_request *c, enum github_result result)
{
	/* All these have been one outcome since there is a count of it. */
	bool other = result == GITHUB_AWAY || result == GITHUB_ODD;
	if (g->counts)
		counter_add(&g->counts->results[c->kind][other ? GITHUB_NO_ACCESS : result], 1);
	return result;
}

/* ---- answers ---- */

static enum github_result misunderstood(const char *request_id, const struct github_request *c)
{
	log_warn(request_id, "GitHub's answer can't be understood (%s)", github_call_names[c->kind]);
	return GITHUB_UNREACHABLE;
}

/* The answer as a JSON object. */
static bool answer_object(const struct github_request *c, struct slice *object)
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

/* A member that is a whole number of seconds from 1 to ten years; 0: there is none. */
static int64_t get_seconds(struct slice object, const char *name)
{
	struct slice value;
	if (!json_get(object, name, &value) || json_kind_of(value) != JSON_NUMBER)
		return 0;
	autofree char *text = slice_dup(value);
	char *end;
	errno = 0;
	int64_t n = strtoll(text, &end, 10);
	return errno || *end || n < 1 || n > 315360000 ? 0 : n;
}

/* A token that can stand in headers and forms. */
static bool get_token(struct slice object, const char *name, struct buf *token)
{
	if (get_text(object, name, GITHUB_MAX_TOKEN, token) && is_made_of(buf_slice(token), "-.~+/="))
		return true;
	buf_wipe(token);
	return false;
}

/* GitHub refuses with status 200. */
static enum github_result read_error(const char *request_id, const struct github_request *c, struct github_grant *grant)
{
	if (!is_made_of(buf_slice(&grant->error), "-.")) {
		buf_clear(&grant->error);
		return misunderstood(request_id, c);
	}
	log_info(request_id, "GitHub refuses (%s): %s", github_call_names[c->kind], buf_cstr(&grant->error));
	return GITHUB_REFUSED;
}

static enum github_result read_grant(const char *request_id, const struct github_request *c, struct github_grant *grant)
{
	struct slice object;
	if (!answer_object(c, &object))
		return misunderstood(request_id, c);
	if (get_text(object, "error", MAX_ERROR, &grant->error))
		return read_error(request_id, c, grant);
	buf_clear(&grant->error);
	if (!get_token(object, "access_token", &grant->token))
		return misunderstood(request_id, c);
	if (!get_text(object, "scope", MAX_SCOPE, &grant->scope))
		buf_clear(&grant->scope);
	grant->expires_in = get_seconds(object, "expires_in");
	if (get_token(object, "refresh_token", &grant->refresh_token))
		grant->refresh_expires_in = get_seconds(object, "refresh_token_expires_in");
	return GITHUB_OK;
}

/* The beginning of a request for a token, to which the caller adds for what. */
static void add_application(struct github *g, struct github_request *c)
{
	buf_addf(&c->url, "%s/login/oauth/access_token", g->conf->github_url);
	add_member(&c->body, "client_id", slice_of(g->conf->github_client_id));
	add_member(&c->body, "client_secret", slice_of(g->conf->github_client_secret));
}

static enum github_result ask_for_token(struct github *g, const char *request_id, struct github_request *c,
					struct github_grant *grant)
{
	buf_add_char(&c->body, '}');
	enum github_result result = send_call(g, request_id, c);
	return counted(g, c, result == GITHUB_OK ? read_grant(request_id, c, grant) : result);
}

enum github_result github_exchange(struct github *g, const char *request_id, struct slice code,
				   struct slice redirect_uri, struct github_grant *grant)
{
	autogithub c = { .method = "POST", .kind = GITHUB_ACCESS_TOKEN, .timeout = GITHUB_TIMEOUT };
	add_application(g, &c);
	add_member(&c.body, "code", code);
	add_member(&c.body, "redirect_uri", redirect_uri);
	return ask_for_token(g, request_id, &c, grant);
}

enum github_result github_refresh(struct github *g, const char *request_id, struct slice refresh_token,
				  struct github_grant *grant)
{
	autogithub c = { .method = "POST", .kind = GITHUB_REFRESH, .timeout = GITHUB_TIMEOUT };
	/* Room for all of it at once: no copy is left behind when the buffer grows. */
	(void)buf_reserve(&c.body, refresh_token.len + 4096);
	add_application(g, &c);
	add_member(&c.body, "grant_type", SLICE_LIT("refresh_token"));
	add_member(&c.body, "refresh_token", refresh_token);
	return ask_for_token(g, request_id, &c, grant);
}

bool github_renewal_is_over(const struct github_grant *grant)
{
	struct slice error = grant->error.len ? buf_slice(&grant->error) : SLICE_LIT("");
	return slice_eq_str(error, "bad_refresh_token") || slice_eq_str(error, "invalid_grant");
}

static enum github_result read_user(const char *request_id, const struct github_request *c, struct buf *login,
				    int64_t *user_id)
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
	autogithub c = { .method = "GET", .kind = GITHUB_USER, .token = token, .timeout = GITHUB_TIMEOUT };
	buf_addf(&c.url, "%s/user", g->conf->github_api_url);
	enum github_result result = send_call(g, request_id, &c);
	return counted(g, &c, result == GITHUB_OK ? read_user(request_id, &c, login, user_id) : result);
}

static enum github_result read_repo(const char *request_id, const struct github_request *c, struct buf *branch)
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
	autogithub c = { .method = "GET", .kind = GITHUB_REPOSITORY, .token = token, .timeout = timeout };
	buf_addf(&c.url, "%s/repos/", g->conf->github_api_url);
	buf_add_slice(&c.url, repo_key);
	enum github_result result = send_call(g, request_id, &c);
	return counted(g, &c, result == GITHUB_OK ? read_repo(request_id, &c, branch) : result);
}

enum github_result github_revoke(struct github *g, const char *request_id, struct slice token)
{
	autogithub c = { .method = "DELETE", .kind = GITHUB_REVOKE, .as_application = true, .timeout = GITHUB_TIMEOUT };
	buf_addf(&c.url, "%s/applications/", g->conf->github_api_url);
	uri_encode(&c.url, slice_of(g->conf->github_client_id));
	buf_add_str(&c.url, "/token");
	add_member(&c.body, "access_token", token);
	buf_add_char(&c.body, '}');
	return counted(g, &c, send_call(g, request_id, &c));
}
