/* routes.c: the route table: every URL that craft-fcgi answers (PROTOCOL sections 1 and 3). */
#include "routes.h"

#include "handlers.h"

#define READ (METHOD_GET | METHOD_HEAD)
#define W "/workspace/:slug"
#define ACTION_BODY (1u << 20)

/* One line is one route. */
/* clang-format off */
const struct route routes[] = {
	{ READ, "/", KEY_IF_SENT, 0, health_get, SQL_NONE, SQL_NONE, false },
	{ READ, W, KEY_REQUIRED, 0, health_upgrade, SQL_NONE, SQL_NONE, false },

	{ READ, W "/sessions", KEY_REQUIRED, 0, documents_list, SQL_SESSIONS, SQL_WORKSPACE_TAG, true },
	{ READ, W "/sessions/:id", KEY_REQUIRED, 0, sessions_get, SQL_SESSION_PARTS, SQL_SESSION_TAG, false },
	{ READ, W "/sessions/:id/plans", KEY_REQUIRED, 0, documents_list, SQL_PLANS, SQL_WORKSPACE_TAG, true },
	{ READ, W "/sessions/:id/plans/:fileName", KEY_REQUIRED, 0, plans_get, SQL_PLAN_PARTS, SQL_NONE, false },
	{ READ, W "/sources", KEY_REQUIRED, 0, documents_list, SQL_SOURCES, SQL_WORKSPACE_TAG, true },
	{ READ, W "/sources/:slug", KEY_REQUIRED, 0, documents_get, SQL_SOURCE, SQL_NONE, false },
	{ READ, W "/statuses", KEY_REQUIRED, 0, documents_get, SQL_STATUSES, SQL_WORKSPACE_TAG, true },
	{ READ, W "/labels", KEY_REQUIRED, 0, documents_get, SQL_LABELS, SQL_WORKSPACE_TAG, true },
	{ READ, W "/skills", KEY_REQUIRED, 0, documents_list, SQL_SKILLS, SQL_WORKSPACE_TAG, true },

	{ READ, W "/projects", KEY_REQUIRED, 0, documents_list, SQL_PROJECTS, SQL_NONE, true },
	{ READ, W "/projects/:repoKey", KEY_REQUIRED, 0, projects_get, SQL_PROJECT, SQL_NONE, false },
	{ READ, W "/projects/:owner/:repo", KEY_REQUIRED, 0, projects_get, SQL_PROJECT, SQL_NONE, false },
	{ METHOD_DELETE, W "/projects/:repoKey/credential", KEY_REQUIRED, 0, projects_delete_credential, SQL_CREDENTIAL_DELETE, SQL_NONE, false },
	{ METHOD_DELETE, W "/projects/:owner/:repo/credential", KEY_REQUIRED, 0, projects_delete_credential, SQL_CREDENTIAL_DELETE, SQL_NONE, false },

	{ READ, W "/sandbox/sessions", KEY_REQUIRED, 0, documents_list, SQL_SANDBOXES, SQL_NONE, true },
	{ READ, W "/sandbox/sessions/:sessionId", KEY_REQUIRED, 0, documents_get, SQL_SANDBOX, SQL_NONE, false },

	{ METHOD_POST, W "/actions/new-chat", KEY_REQUIRED, ACTION_BODY, actions_new_chat, SQL_SESSION_CREATE, SQL_NONE, false },
	{ METHOD_POST, W "/actions/flag-session", KEY_REQUIRED, ACTION_BODY, actions_flag_session, SQL_SESSION_UPDATE, SQL_NONE, false },
	{ METHOD_POST, W "/actions/unflag-session", KEY_REQUIRED, ACTION_BODY, actions_unflag_session, SQL_SESSION_UPDATE, SQL_NONE, false },
	{ METHOD_POST, W "/actions/rename-session", KEY_REQUIRED, ACTION_BODY, actions_rename_session, SQL_SESSION_UPDATE, SQL_NONE, false },
	{ METHOD_POST, W "/actions/delete-session", KEY_REQUIRED, ACTION_BODY, actions_delete_session, SQL_SESSION_DELETE, SQL_NONE, false },
};
/* clang-format on */
const size_t routes_count = sizeof(routes) / sizeof(*routes);

/* Takes the next "/segment" off a pattern. */
static struct slice next_segment(const char **pattern)
{
	const char *start = *pattern + 1;
	size_t len = strcspn(start, "/");
	*pattern = start + len;
	return slice_make(start, len);
}

static bool matches(const struct route *route, const struct uri_path *path, struct route_match *match)
{
	const char *pattern = route->pattern;
	size_t i = 0;
	match->arg_count = 0;
	if (path->trailing_slash && path->count && !route->list)
		return false;
	while (pattern[0] == '/' && pattern[1]) {
		struct slice want = next_segment(&pattern);
		if (i == path->count)
			return false;
		struct slice got = path->seg[i++];
		if (*want.ptr != ':') {
			if (!slice_eq(want, got))
				return false;
			continue;
		}
		/* "owner%2Frepo" is one segment, and no owner. */
		bool slash = slice_eq_str(want, ":owner") && memchr(got.ptr, '/', got.len);
		if (got.len == 0 || slash || match->arg_count == REQUEST_MAX_ARGS)
			return false;
		match->args[match->arg_count++] = got;
	}
	return i == path->count;
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
