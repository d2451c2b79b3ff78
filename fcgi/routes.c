/* routes.c: the route table: every URL that craft-fcgi answers (PROTOCOL sections 1 and 3 to 6). */
#include "routes.h"

#include "file_key.h"
#include "handlers.h"
#include "upload.h"

#define READ (METHOD_GET | METHOD_HEAD)
#define W "/workspace/:slug"
#define F "/files/:workspace/:session/:type/:filename"
#define A "/assets/:workspace/*path"
#define S "/api/sandbox/:workspace/:sessionId"
#define SMALL_BODY (64u << 10)

/* One line is one route. */
/* clang-format off */
const struct route routes[] = {
	{ READ, "/", KEY_IF_SENT, SCOPE_ANY, READS, 0, health_get, SQL_NONE, SQL_NONE, false, NULL },
	{ READ, W, KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, health_upgrade, SQL_NONE, SQL_NONE, false, NULL },

	{ READ, W "/sessions", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_SESSIONS, SQL_WORKSPACE_TAG, true, NULL },
	{ READ, W "/sessions/:id", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, sessions_get, SQL_SESSION_PARTS, SQL_SESSION_TAG, false, NULL },
	{ READ, W "/sessions/:id/plans", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_PLANS, SQL_WORKSPACE_TAG, true, NULL },
	{ READ, W "/sessions/:id/plans/:fileName", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, plans_get, SQL_PLAN_PARTS, SQL_NONE, false, NULL },
	{ READ, W "/sources", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_SOURCES, SQL_WORKSPACE_TAG, true, NULL },
	{ READ, W "/sources/:sourceSlug", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_get, SQL_SOURCE, SQL_NONE, false, NULL },
	{ READ, W "/statuses", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_get, SQL_STATUSES, SQL_WORKSPACE_TAG, true, NULL },
	{ READ, W "/labels", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_get, SQL_LABELS, SQL_WORKSPACE_TAG, true, NULL },
	{ READ, W "/skills", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_SKILLS, SQL_WORKSPACE_TAG, true, NULL },

	{ READ, W "/projects", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_PROJECTS, SQL_NONE, true, NULL },
	{ READ, W "/projects/:repoKey", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, projects_get, SQL_PROJECT, SQL_NONE, false, NULL },
	{ READ, W "/projects/:owner/:repo", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, projects_get, SQL_PROJECT, SQL_NONE, false, NULL },
	{ METHOD_DELETE, W "/projects/:repoKey/credential", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, projects_delete_credential, SQL_CREDENTIAL_DELETE, SQL_NONE, false, NULL },
	{ METHOD_DELETE, W "/projects/:owner/:repo/credential", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, projects_delete_credential, SQL_CREDENTIAL_DELETE, SQL_NONE, false, NULL },

	{ READ, W "/sandbox/sessions", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_list, SQL_SANDBOXES, SQL_NONE, true, NULL },
	{ READ, W "/sandbox/sessions/:sessionId", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, documents_get, SQL_SANDBOX, SQL_NONE, false, NULL },

	{ METHOD_POST, W "/actions/new-chat", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, actions_new_chat, SQL_SESSION_CREATE, SQL_NONE, false, NULL },
	{ METHOD_POST, W "/actions/flag-session", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, ACTION_BODY, actions_flag_session, SQL_SESSION_UPDATE, SQL_NONE, false, NULL },
	{ METHOD_POST, W "/actions/unflag-session", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, ACTION_BODY, actions_unflag_session, SQL_SESSION_UPDATE, SQL_NONE, false, NULL },
	{ METHOD_POST, W "/actions/rename-session", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, ACTION_BODY, actions_rename_session, SQL_SESSION_UPDATE, SQL_NONE, false, NULL },
	{ METHOD_POST, W "/actions/delete-session", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, ACTION_BODY, actions_delete_session, SQL_SESSION_DELETE, SQL_NONE, false, NULL },

	{ METHOD_GET, "/oauth/github", KEY_IF_SENT, SCOPE_PARAMETER, CHANGES, 0, oauth_start, SQL_NONE, SQL_NONE, false, NULL },
	{ METHOD_GET, "/oauth/github/callback", KEY_NOT_ASKED, SCOPE_NONE, CHANGES, 0, oauth_callback, SQL_OAUTH_USE, SQL_NONE, false, NULL },
	{ METHOD_POST, "/api/sandbox/check", KEY_REQUIRED, SCOPE_PARAMETER, CHANGES, SMALL_BODY, sandbox_check_post, SQL_PROJECT_REMEMBER, SQL_NONE, false, NULL },
	{ METHOD_POST, "/api/sandbox/create", KEY_REQUIRED, SCOPE_PARAMETER, CHANGES, SMALL_BODY, sandbox_create_post, SQL_SANDBOX_CREATE, SQL_NONE, false, NULL },
	{ READ, S "/status", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, sandbox_status_get, SQL_SANDBOX, SQL_NONE, false, NULL },
	{ METHOD_DELETE, S, KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, sandbox_delete, SQL_SANDBOX_DELETE, SQL_NONE, false, NULL },
	{ METHOD_POST, S "/terminate", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, sandbox_delete, SQL_SANDBOX_DELETE, SQL_NONE, false, NULL },
	{ METHOD_POST, S "/heartbeat", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, sandbox_heartbeat_post, SQL_SANDBOX_TOUCH, SQL_NONE, false, NULL },

	{ METHOD_DELETE, "/files/:workspace/:session", KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, files_delete_session, SQL_FILES_DELETE_SESSION, SQL_NONE, true, file_key_check },
	{ READ, "/files/:workspace/:session/:type", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, files_list, SQL_FILES, SQL_NONE, true, file_key_check },
	{ METHOD_PUT, F, KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, files_put, SQL_FILE_PUT, SQL_NONE, false, upload_check },
	{ READ, F, KEY_OR_SIGNATURE, SCOPE_ARGUMENT, READS, 0, files_get, SQL_FILE_FIND, SQL_NONE, false, file_key_check },
	{ METHOD_DELETE, F, KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, files_delete, SQL_FILE_DELETE, SQL_NONE, false, file_key_check },
	{ METHOD_POST, F "/sign", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, files_sign, SQL_FILE_FIND, SQL_NONE, false, files_sign_check },

	{ METHOD_PUT, A, KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, files_put, SQL_FILE_PUT, SQL_NONE, false, upload_check },
	{ READ, A, KEY_OR_SIGNATURE, SCOPE_ARGUMENT, READS, 0, files_get, SQL_FILE_FIND, SQL_NONE, false, file_key_check },
	{ METHOD_DELETE, A, KEY_REQUIRED, SCOPE_ARGUMENT, CHANGES, 0, files_delete, SQL_FILE_DELETE, SQL_NONE, false, file_key_check },
	{ METHOD_POST, "/assets/:workspace/sign/*path", KEY_REQUIRED, SCOPE_ARGUMENT, READS, 0, files_sign, SQL_FILE_FIND, SQL_NONE, false, files_sign_check },
};
/* clang-format on */
const size_t routes_count = sizeof(routes) / sizeof(*routes);

void routes_print(FILE *out)
{
	static const char *const keys[] = {
		[KEY_REQUIRED] = "key",
		[KEY_IF_SENT] = "key if sent",
		[KEY_OR_SIGNATURE] = "key or signature",
		[KEY_NOT_ASKED] = "none",
	};
	for (size_t i = 0; i < routes_count; i++) {
		autobuf methods = { 0 };
		method_names(routes[i].methods, &methods);
		(void)fprintf(out, "%s\t%s\t%s\t%s\n", buf_cstr(&methods), routes[i].pattern, keys[routes[i].key],
			      routes[i].effect == READS ? "reads" : "changes");
	}
}

/* Takes the next "/segment" off a pattern. */
static struct slice next_segment(const char **pattern)
{
	const char *start = *pattern + 1;
	size_t len = strcspn(start, "/");
	*pattern = start + len;
	return slice_make(start, len);
}

/* A segment that stands for itself, or for an argument. */
static bool take_segment(const struct route *route, struct slice want, struct slice got, struct route_match *match)
{
	if (*want.ptr != ':')
		return slice_eq(want, got);
	/* "owner%2Frepo" is one segment, and no owner. */
	bool slash = slice_eq_str(want, ":owner") && memchr(got.ptr, '/', got.len);
	if ((got.len == 0 && !route->check) || slash || match->arg_count == REQUEST_MAX_ARGS)
		return false;
	match->args[match->arg_count++] = got;
	return true;
}

static bool matches(const struct route *route, const struct uri_path *path, struct route_match *match)
{
	const char *pattern = route->pattern;
	/* Where names have rules of their own, an empty last one is a name that breaks them. */
	bool last_is_empty = path->trailing_slash && path->count && !route->list;
	size_t i = 0, count = path->count + (last_is_empty && route->check);
	match->arg_count = 0;
	match->rest_from = 0;
	if (last_is_empty && !route->check)
		return false;
	while (pattern[0] == '/' && pattern[1]) {
		struct slice want = next_segment(&pattern);
		if (i == count)
			return false;
		if (*want.ptr == '*') {
			match->rest_from = i;
			return true;
		}
		struct slice got = i < path->count ? path->seg[i] : SLICE_LIT("");
		i++;
		if (!take_segment(route, want, got, match))
			return false;
	}
	return i == count;
}

void route_find(const struct uri_path *path, enum method method, struct route_match *match)
{
	*match = (struct route_match){ 0 };
	struct route_match tried = { 0 };
	for (size_t i = 0; i < routes_count; i++) {
		if (!matches(&routes[i], path, &tried))
			continue;
		tried.allowed = match->allowed | routes[i].methods;
		if (!match->route && (routes[i].methods & method)) {
			*match = tried;
			match->route = &routes[i];
		}
		match->allowed = tried.allowed;
	}
}

void route_take(const struct route_match *match, struct request *req)
{
	req->route = match->route;
	req->arg_count = match->arg_count;
	req->rest_from = match->rest_from;
	memcpy(req->args, match->args, sizeof(req->args));
	if (!req->rest_from)
		return;
	/* An empty one isn't NULL. */
	(void)buf_reserve(&req->rest, 1);
	uri_path_join(&req->path, req->rest_from, &req->rest);
	req->args[req->arg_count++] = buf_slice(&req->rest);
}
