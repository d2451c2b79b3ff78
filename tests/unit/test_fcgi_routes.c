/* test_fcgi_routes.c: from a raw path to the row of the route table, and what every row must hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "handlers.h"
#include "routes.h"

struct found {
	struct uri_path path;
	struct route_match match;
};

static void found_free(struct found *f)
{
	uri_path_free(&f->path);
}

#define autofound __attribute__((cleanup(found_free))) struct found

static void find(struct found *f, enum method method, const char *target)
{
	assert_true(uri_path_parse(slice_of(target), &f->path));
	route_find(&f->path, method, &f->match);
}

/* The path leads to this row, with these arguments. */
static void expect(enum method method, const char *target, const char *pattern, const char *args)
{
	autofound f;
	autobuf got = { 0 };
	find(&f, method, target);
	assert_non_null(f.match.route);
	assert_string_equal(f.match.route->pattern, pattern);
	for (size_t i = 0; i < f.match.arg_count; i++) {
		buf_add_str(&got, i ? "|" : "");
		buf_add_slice(&got, f.match.args[i]);
	}
	assert_string_equal(buf_cstr(&got), args);
}

static void expect_none(enum method method, const char *target)
{
	autofound f;
	find(&f, method, target);
	assert_null(f.match.route);
	assert_int_equal(f.match.allowed, 0);
}

static void expect_allowed(enum method method, const char *target, const char *allowed)
{
	autofound f;
	autobuf names = { 0 };
	find(&f, method, target);
	assert_null(f.match.route);
	method_names(f.match.allowed, &names);
	assert_string_equal(buf_cstr(&names), allowed);
}

static void test_paths(void **state)
{
	(void)state;
	expect(METHOD_GET, "/", "/", "");
	expect(METHOD_GET, "/?apiKey=x", "/", "");
	expect(METHOD_GET, "/workspace/w", "/workspace/:slug", "w");
	expect(METHOD_GET, "/workspace/a%2Fb/sessions", "/workspace/:slug/sessions", "a/b");
	expect(METHOD_HEAD, "/workspace/w/sessions/a%2fb%25?x=/y", "/workspace/:slug/sessions/:id", "w|a/b%");
	expect(METHOD_GET, "/workspace/w/sessions/s/plans/a%20b.md", "/workspace/:slug/sessions/:id/plans/:fileName",
	       "w|s|a b.md");
	expect(METHOD_GET, "/workspace/w/sessions/plans/plans", "/workspace/:slug/sessions/:id/plans", "w|plans");
	expect(METHOD_GET, "/workspace/w/sandbox/sessions/1", "/workspace/:slug/sandbox/sessions/:sessionId", "w|1");
	expect(METHOD_POST, "/workspace/w/actions/new-chat", "/workspace/:slug/actions/new-chat", "w");
}

static void test_projects(void **state)
{
	(void)state;
	expect(METHOD_GET, "/workspace/w/projects/o%2Fr", "/workspace/:slug/projects/:repoKey", "w|o/r");
	expect(METHOD_GET, "/workspace/w/projects/o/r", "/workspace/:slug/projects/:owner/:repo", "w|o|r");
	expect(METHOD_GET, "/workspace/w/projects/o/credential", "/workspace/:slug/projects/:owner/:repo",
	       "w|o|credential");
	expect(METHOD_DELETE, "/workspace/w/projects/o%2Fr/credential", "/workspace/:slug/projects/:repoKey/credential",
	       "w|o/r");
	expect(METHOD_DELETE, "/workspace/w/projects/o/r/credential",
	       "/workspace/:slug/projects/:owner/:repo/credential", "w|o|r");
}

/* Names have rules of their own there: also those that break them are found, so that they can be told so. */
static void test_files(void **state)
{
	(void)state;
	const char *file = "/files/:workspace/:session/:type/:filename";
	expect(METHOD_PUT, "/files/w/s/t/a%20b.png", file, "w|s|t|a b.png");
	expect(METHOD_GET, "/files/w/s/t/a%2Fb", file, "w|s|t|a/b");
	expect(METHOD_GET, "/files/w//t/n", file, "w||t|n");
	expect(METHOD_PUT, "/files/w/s/t/", file, "w|s|t|");
	expect(METHOD_POST, "/files/w/s/t/sign/sign", "/files/:workspace/:session/:type/:filename/sign", "w|s|t|sign");
	expect(METHOD_GET, "/files/w/s/t", "/files/:workspace/:session/:type", "w|s|t");
	expect(METHOD_GET, "/files/w/s/t/", "/files/:workspace/:session/:type", "w|s|t");
	expect(METHOD_DELETE, "/files/w/s", "/files/:workspace/:session", "w|s");
	expect_none(METHOD_GET, "/files/w");
	expect_none(METHOD_GET, "/files/w/s/t/n/m/o");
	expect_allowed(METHOD_POST, "/files/w/s/t/n", "GET, HEAD, PUT, DELETE");
	expect_allowed(METHOD_PUT, "/files/w/s/t", "GET, HEAD");
}

/* The argument of "*path" is put together later, from the segment on that the match names: it is the last one then. */
static void expect_rest(enum method method, const char *target, const char *pattern, size_t from, const char *rest)
{
	struct request req = { 0 };
	autofound f;
	find(&f, method, target);
	assert_non_null(f.match.route);
	assert_string_equal(f.match.route->pattern, pattern);
	assert_int_equal(f.match.rest_from, from);
	req.path = f.path;
	route_take(&f.match, &req);
	assert_ptr_equal(req.route, f.match.route);
	assert_int_equal(req.arg_count, f.match.arg_count + 1);
	assert_true(slice_eq_str(req.args[0], "w") && slice_eq_str(req.args[req.arg_count - 1], rest));
	assert_non_null(req.args[req.arg_count - 1].ptr);
	buf_free(&req.rest);
}

static void test_assets(void **state)
{
	(void)state;
	expect_rest(METHOD_PUT, "/assets/w/a", "/assets/:workspace/*path", 2, "a");
	expect_rest(METHOD_GET, "/assets/w/a/b%20/c.svg", "/assets/:workspace/*path", 2, "a/b /c.svg");
	expect_rest(METHOD_GET, "/assets/w/sign/c.svg", "/assets/:workspace/*path", 2, "sign/c.svg");
	expect_rest(METHOD_PUT, "/assets/w/", "/assets/:workspace/*path", 2, "");
	expect_rest(METHOD_POST, "/assets/w/sign/a/b", "/assets/:workspace/sign/*path", 3, "a/b");
	expect_none(METHOD_GET, "/assets/w");
	expect_allowed(METHOD_POST, "/assets/w/a", "GET, HEAD, PUT, DELETE");
}

static void test_trailing_slash(void **state)
{
	(void)state;
	expect(METHOD_GET, "/workspace/w/sessions/", "/workspace/:slug/sessions", "w");
	expect(METHOD_GET, "/workspace/w/sandbox/sessions/", "/workspace/:slug/sandbox/sessions", "w");
	expect_none(METHOD_GET, "/workspace/w/sessions/s/");
	expect_none(METHOD_GET, "/workspace/w/sessions//");
	expect_none(METHOD_POST, "/workspace/w/actions/new-chat/");
}

static void test_unknown(void **state)
{
	(void)state;
	expect_none(METHOD_GET, "/workspace");
	expect_none(METHOD_GET, "/workspace/");
	expect_none(METHOD_GET, "/workspace//sessions");
	expect_none(METHOD_GET, "//workspace/w/sessions");
	expect_none(METHOD_GET, "/Workspace/w/sessions");
	expect_none(METHOD_GET, "/workspace/w%2Fsessions%2Fs/");
	expect_none(METHOD_GET, "/workspace/w/session");
	expect_none(METHOD_GET, "/workspace/w/sessions/s/plans/p/q");
	expect_none(METHOD_POST, "/workspace/w/actions");
}

static void test_methods(void **state)
{
	(void)state;
	expect_allowed(METHOD_POST, "/workspace/w/sessions", "GET, HEAD");
	expect_allowed(METHOD_OTHER, "/", "GET, HEAD");
	expect_allowed(METHOD_GET, "/workspace/w/actions/new-chat", "POST");
	expect_allowed(METHOD_GET, "/workspace/w/projects/o/r/credential", "DELETE");
	expect_allowed(METHOD_PUT, "/workspace/w/projects/o/credential", "GET, HEAD, DELETE");
}

static void test_sandboxes(void **state)
{
	(void)state;
	expect(METHOD_POST, "/api/sandbox/create", "/api/sandbox/create", "");
	expect(METHOD_GET, "/api/sandbox/a%2Fb/1/status", "/api/sandbox/:workspace/:sessionId/status", "a/b|1");
	expect(METHOD_HEAD, "/api/sandbox/w/1/status", "/api/sandbox/:workspace/:sessionId/status", "w|1");
	expect(METHOD_DELETE, "/api/sandbox/w/1", "/api/sandbox/:workspace/:sessionId", "w|1");
	expect(METHOD_POST, "/api/sandbox/w/1/heartbeat", "/api/sandbox/:workspace/:sessionId/heartbeat", "w|1");
	/* A workspace may have any name. */
	expect(METHOD_DELETE, "/api/sandbox/create/status", "/api/sandbox/:workspace/:sessionId", "create|status");
	expect_allowed(METHOD_GET, "/api/sandbox/create", "POST");
	expect_allowed(METHOD_GET, "/api/sandbox/w/1", "DELETE");
	expect_allowed(METHOD_POST, "/api/sandbox/w/1/status", "GET, HEAD");
	expect_allowed(METHOD_GET, "/api/sandbox/w/1/heartbeat", "POST");
	expect_none(METHOD_GET, "/api/sandbox");
	expect_none(METHOD_GET, "/api/sandbox/w/1/x");
}

static size_t count_args(const char *pattern)
{
	size_t n = 0;
	for (const char *p = pattern; *p; p++)
		n += *p == ':' || *p == '*';
	return n;
}

static enum route_key wanted_key(const struct route *r)
{
	if (r->handler == oauth_callback)
		return KEY_NOT_ASKED;
	if (r->handler == health_get || r->handler == oauth_start)
		return KEY_IF_SENT;
	return r->handler == files_get ? KEY_OR_SIGNATURE : KEY_REQUIRED;
}

/* Without a key only the front page and OAuth answer, and files that a signed URL names; changes read a bounded body;
 * statements fit their route. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_count; i++) {
		const struct route *r = &routes[i];
		assert_int_equal(r->key, wanted_key(r));
		assert_true(r->key != KEY_OR_SIGNATURE || r->methods == (METHOD_GET | METHOD_HEAD));
		assert_non_null(r->handler);
		assert_true(count_args(r->pattern) <= REQUEST_MAX_ARGS);
		/* What a visit changes, or begins, isn't there for HEAD. */
		bool visit = r->handler == oauth_start || r->handler == oauth_callback;
		assert_true(!!(r->methods & METHOD_GET) == (visit || !!(r->methods & METHOD_HEAD)));
		/* A body may be missing where a link is signed or a chat begun, and says nothing in a heartbeat or an end. */
		bool bare = r->check == files_sign_check || r->handler == sandbox_heartbeat_post ||
			    r->handler == actions_new_chat || r->handler == sandbox_delete;
		assert_true(r->methods & METHOD_POST ? r->body_limit > 0 || bare : !r->body_limit);
		if (r->handler == documents_list || r->handler == documents_get)
			assert_int_equal(statements[r->statement].params, count_args(r->pattern));
		if (r->handler == documents_list)
			assert_true(r->list);
	}
}

/* What a workspace's key opens: a route that isn't known here opens to none. */
static void test_scopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_count; i++) {
		const struct route *r = &routes[i];
		bool named = strncmp(r->pattern, "/workspace/", 11) == 0 || strncmp(r->pattern, "/files/", 7) == 0 ||
			     strncmp(r->pattern, "/assets/", 8) == 0 || strncmp(r->pattern, "/api/sandbox/:", 14) == 0;
		bool asked = r->handler == oauth_start || r->handler == sandbox_check_post ||
			     r->handler == sandbox_create_post;
		enum route_scope want = SCOPE_NONE;
		if (named)
			want = SCOPE_ARGUMENT;
		else if (asked)
			want = SCOPE_PARAMETER;
		else if (r->handler == health_get)
			want = SCOPE_ANY;
		assert_int_equal(r->scope, want);
		assert_true(want != SCOPE_NONE || r->key == KEY_NOT_ASKED);
		/* OAuth leads to a credential that is stored; signing stores nothing. */
		bool visit = r->handler == oauth_start || r->handler == oauth_callback;
		bool reads = r->handler == files_sign || ((r->methods & METHOD_GET) && !visit);
		assert_int_equal(r->effect, reads ? READS : CHANGES);
	}
}

static void test_statements(void **state)
{
	(void)state;
	for (size_t i = SQL_NONE + 1; i < SQL_COUNT; i++) {
		char parameter[16];
		assert_non_null(statements[i].sql);
		(void)snprintf(parameter, sizeof(parameter), "$%d", statements[i].params);
		assert_true(!statements[i].params || strstr(statements[i].sql, parameter));
		(void)snprintf(parameter, sizeof(parameter), "$%d:", statements[i].params + 1);
		assert_null(strstr(statements[i].sql, parameter));
		for (size_t j = i + 1; j < SQL_COUNT; j++)
			assert_string_not_equal(statements[i].name, statements[j].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	  cmocka_unit_test(test_projects),
		cmocka_unit_test(test_files),	  cmocka_unit_test(test_assets),
		cmocka_unit_test(test_sandboxes), cmocka_unit_test(test_trailing_slash),
		cmocka_unit_test(test_unknown),	  cmocka_unit_test(test_methods),
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_statements),
		cmocka_unit_test(test_scopes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
