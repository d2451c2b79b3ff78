// github_api.mjs: the part of GitHub's REST API that is needed: the user, repositories, and an app's tokens, after
// docs.github.com/rest (users/users, repos/repos, apps/oauth-applications, using-the-rest-api/*).

import { createHash } from "node:crypto";
import { json } from "./answer.mjs";
import { basicPair, bearerToken } from "./incoming.mjs";

const DOCS = "https://docs.github.com/rest";
const VERSION = "2022-11-28";
const HOUR = 3_600_000;

/** An error as the API has them. */
export function apiError(status, message, page = "", headers = {}) {
	return json(status, { message, documentation_url: DOCS + page, status: String(status) }, headers);
}

const nodeId = (kind, id) => Buffer.from(`0${kind.length}:${kind}${id}`).toString("base64");

function simpleUser(github, login) {
	const user = github.users.get(login.toLowerCase()) ?? { login, id: github.idOf(login), type: "Organization" };
	const url = `${github.apiUrl}/users/${user.login}`;
	return { login: user.login, id: user.id, node_id: nodeId("User", user.id),
		avatar_url: `https://avatars.githubusercontent.com/u/${user.id}?v=4`, gravatar_id: "", url,
		html_url: `${github.url}/${user.login}`, repos_url: `${url}/repos`, type: user.type ?? "User", site_admin: false };
}

function fullUser(github, user) {
	return { ...simpleUser(github, user.login), name: user.name ?? null, company: null, blog: "", location: null,
		email: user.email ?? null, bio: null, public_repos: 0, followers: 0, following: 0,
		created_at: "2011-01-25T18:44:36Z", updated_at: "2024-01-25T18:44:36Z" };
}

const LEVELS = { read: ["pull"], write: ["pull", "triage", "push"], admin: ["pull", "triage", "push", "maintain", "admin"] };

function fullRepo(github, repo, may, signedIn) {
	const html = `${github.url}/${repo.fullName}`;
	const permissions = Object.fromEntries(LEVELS.admin.map((level) => [level, LEVELS[may].includes(level)]));
	return { id: repo.id, node_id: nodeId("Repository", repo.id), name: repo.name, full_name: repo.fullName,
		private: repo.private, owner: simpleUser(github, repo.owner), html_url: html, description: repo.description ?? null,
		fork: false, url: `${github.apiUrl}/repos/${repo.fullName}`, created_at: "2011-01-26T19:01:12Z",
		updated_at: "2024-01-26T19:14:43Z", pushed_at: "2024-01-26T19:06:43Z",
		git_url: `git://${new URL(html).host}/${repo.fullName}.git`, ssh_url: `git@${new URL(html).hostname}:${repo.fullName}.git`,
		clone_url: `${html}.git`, size: 108, language: null, archived: repo.archived, disabled: false, visibility: repo.private ? "private" : "public",
		default_branch: repo.defaultBranch, ...(signedIn && { permissions }) };
}

// ---- who asks ----

function limitHeaders(github, count, limit) {
	const reset = Math.ceil(github.now() / HOUR) * (HOUR / 1000);
	return { "X-RateLimit-Limit": limit, "X-RateLimit-Remaining": Math.max(0, limit - count),
		"X-RateLimit-Used": Math.min(count, limit), "X-RateLimit-Reset": reset, "X-RateLimit-Resource": "core" };
}

/** What GitHub answers who asks too often: by the hour's count or, secondary, by another rule with Retry-After. */
export function rateLimited(github, secondary) {
	const page = "/overview/rate-limits-for-the-rest-api";
	return secondary
		? apiError(403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
			`${page}#about-secondary-rate-limits`, { ...limitHeaders(github, 1, 5000), "Retry-After": "60" })
		: apiError(403, "API rate limit exceeded for user ID 1.", page, limitHeaders(github, 5000, 5000));
}

// Counts the request of a user (or of all who don't say who they are) in this hour.
function count(github, identity) {
	const key = `${identity?.login ?? ""} ${Math.floor(github.now() / HOUR)}`;
	const used = (github.counts.get(key) ?? 0) + 1;
	github.counts.set(key, used);
	return { used, limit: identity ? github.rateLimit : Math.min(60, github.rateLimit) };
}

// What every request of the API goes through.
function checked(handle) {
	return (github, context) => {
		const { request, entry } = context;
		if (!request.headers["user-agent"]) {
			return { status: 403, headers: { "Content-Type": "text/html" }, body:
				"Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n" };
		}
		const version = request.headers["x-github-api-version"];
		if (version !== undefined && version !== VERSION)
			return apiError(400, `"${version}" is not a supported version.`, "/overview/api-versions");
		const { authorization } = request.headers;
		const identity = github.identify(bearerToken(request), entry);
		if (authorization && !/^basic\s/i.test(authorization) && !identity) return apiError(401, "Bad credentials");
		const { used, limit } = count(github, identity);
		const answer = used > limit ? rateLimited(github, false) : handle(github, { ...context, identity });
		const scopes = identity && { "X-OAuth-Scopes": identity.scopes.join(", "), "X-OAuth-Client-Id": identity.app.clientId };
		return { ...answer, headers: { ...limitHeaders(github, used, limit), ...scopes,
			"X-GitHub-Media-Type": "github.v3; format=json", "X-GitHub-Api-Version-Selected": VERSION, ...answer.headers } };
	};
}

// With an entity tag, and 304 for who has it already.
function tagged({ request }, value, headers) {
	const etag = `"${createHash("sha256").update(JSON.stringify(value)).digest("hex")}"`;
	const given = (request.headers["if-none-match"] ?? "").split(/,\s*/).map((tag) => tag.replace(/^W\//, ""));
	const all = { ETag: etag, "Cache-Control": "private, max-age=60, s-maxage=60", ...headers };
	return given.includes(etag) ? { status: 304, headers: all, body: "" } : json(200, value, all);
}

// ---- routes ----

function getUser(github, context) {
	const { identity } = context;
	if (!identity) return apiError(401, "Requires authentication", "/users/users#get-the-authenticated-user");
	return tagged(context, fullUser(github, github.users.get(identity.login.toLowerCase())), { "X-Accepted-OAuth-Scopes": "" });
}

function showRepo(github, context, repo) {
	const may = repo && github.permission(repo, context.identity);
	const accepted = { "X-Accepted-OAuth-Scopes": "repo" };
	if (!may) return apiError(404, "Not Found", "/repos/repos#get-a-repository", accepted);
	if (repo.sso) {
		return apiError(403, "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization.",
			"/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/", { ...accepted, "X-GitHub-SSO": `required; url=${repo.sso}` });
	}
	return tagged(context, fullRepo(github, repo, may, Boolean(context.identity)), accepted);
}

function getRepo(github, context) {
	const { owner, name } = context.groups;
	const moved = github.renamed(owner, name);
	if (!moved || !github.permission(moved, context.identity))
		return showRepo(github, context, github.findRepo(owner, name));
	const url = `${github.apiUrl}/repositories/${moved.id}`;
	return json(301, { message: "Moved Permanently", url,
		documentation_url: `${DOCS}/guides/best-practices-for-using-the-rest-api#follow-redirects` }, { Location: url });
}

const getRepoById = (github, context) =>
	showRepo(github, context, [...github.repos.values()].find(({ id }) => id === Number(context.groups.id)));

// The app of `Basic client_id:client_secret`.
function appOf(github, request) {
	const [id, secret] = basicPair(request) ?? [];
	const app = github.apps.get(id);
	return app?.clientSecret === secret ? app : null;
}

function deleteToken(github, { request, groups, body, entry }) {
	const page = "/apps/oauth-applications#delete-an-app-token";
	const app = appOf(github, request);
	if (!app) return apiError(401, "Bad credentials");
	entry.app = app.clientId;
	if (app.clientId !== decodeURIComponent(groups.client)) return apiError(404, "Not Found", page);
	let value;
	try {
		value = JSON.parse(body);
	} catch {
		return apiError(400, "Problems parsing JSON", page);
	}
	if (value === null || typeof value !== "object" || Array.isArray(value))
		return apiError(400, "Body should be a JSON object", page);
	if (typeof value.access_token !== "string" || value.access_token === "")
		return apiError(422, 'Invalid request.\n\n"access_token" wasn\'t supplied.', page);
	const identity = github.identify(value.access_token, entry);
	if (identity?.app !== app) return apiError(404, "Not Found", page);
	github.revoke(value.access_token);
	return { status: 204, headers: {}, body: "" };
}

const route = (name, method, path, handle) => ({ name, site: "api", method, path, handle: checked(handle) });

export const apiRoutes = [
	route("user", "GET", /^\/user$/, getUser),
	route("repo", "GET", /^\/repos\/(?<owner>[^/]+)\/(?<name>[^/]+)$/, getRepo),
	route("repo", "GET", /^\/repositories\/(?<id>\d+)$/, getRepoById),
	route("revoke", "DELETE", /^\/applications\/(?<client>[^/]+)\/token$/, deleteToken),
];
