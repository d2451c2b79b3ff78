// github_web.mjs: github.com's pages and the OAuth web application flow, after
// docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and the troubleshooting pages beside it.

import { createHmac, randomBytes } from "node:crypto";
import { escapeHtml, html, redirect } from "./answer.mjs";

const TEN_MINUTES = 600_000;
const DOCS = "https://docs.github.com/apps/managing-oauth-apps";

// Each scope with those that it includes, which are left out beside it.
const SCOPES = {
	repo: ["repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"],
	"admin:repo_hook": ["write:repo_hook", "read:repo_hook"], "write:repo_hook": ["read:repo_hook"],
	"admin:org": ["write:org", "read:org"], "write:org": ["read:org"],
	"admin:public_key": ["write:public_key", "read:public_key"], "write:public_key": ["read:public_key"],
	"admin:gpg_key": ["write:gpg_key", "read:gpg_key"], "write:gpg_key": ["read:gpg_key"],
	user: ["read:user", "user:email", "user:follow"], project: ["read:project"], "write:packages": ["read:packages"],
	"delete:packages": [], "admin:org_hook": [], gist: [], notifications: [], delete_repo: [], codespace: [], workflow: [],
	"read:audit_log": [],
};
const KNOWN = new Set(Object.entries(SCOPES).flat(2));

/** The scopes of a text (separated by spaces or commas) as GitHub keeps them. */
export function normalizeScopes(given) {
	const asked = new Set(String(given ?? "").split(/[\s,]+/).filter((scope) => KNOWN.has(scope)));
	const implied = new Set([...asked].flatMap((scope) => SCOPES[scope] ?? []));
	return [...asked].filter((scope) => !implied.has(scope));
}

const covers = (granted, asked) => asked.every((scope) => granted.includes(scope) ||
	granted.some((other) => SCOPES[other]?.includes(scope)));

// ---- pages ----

const STYLE = `body{font:14px/1.5 sans-serif;background:#f6f8fa;color:#1f2328}
main{width:340px;margin:60px auto;padding:24px;background:#fff;border:1px solid #d0d7de;border-radius:6px}
h1{font-size:20px;font-weight:400}label{display:block;margin-top:12px}input{width:100%;box-sizing:border-box;padding:6px}
button{margin-top:16px;padding:6px 16px}.primary{background:#1f883d;color:#fff;border:0;border-radius:6px}.flash{color:#d1242f}`;

const page = (status, title, body, headers) => html(status, `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main>${body}</main></body></html>
`, { "Cache-Control": "no-store", "X-Frame-Options": "deny", ...headers });

export const notFound = () => page(404, "Page not found · GitHub",
	"<h1>404</h1><p>This is not the web page you are looking for.</p>");

const hidden = (fields) => Object.entries(fields).filter(([, value]) => value !== null)
	.map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`).join("\n");

// A form's token against cross-site requests is bound to the browser's cookie.
const csrfToken = (github, browser) => createHmac("sha256", github.secret).update(browser).digest("base64url");

// The browser's cookie, and the header that gives it one when it has none.
function browserOf(github, cookies) {
	const browser = cookies._gh_sess ?? randomBytes(16).toString("hex");
	return { browser, headers: cookies._gh_sess ? {} : { "Set-Cookie": cookie(github, "_gh_sess", browser) } };
}

const cookie = (github, name, value) => `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${github.tls ? "; Secure" : ""}`;

const genuine = (github, { cookies, fields }) =>
	cookies._gh_sess && fields.get("authenticity_token") === csrfToken(github, cookies._gh_sess);

const forged = () => page(422, "Your browser did something unexpected · GitHub",
	"<p>Your browser did something unexpected. Please contact us if the problem persists.</p>");

// ---- login ----

function loginPage(github, { url, cookies }, { returnTo = url.searchParams.get("return_to"), flash = "" } = {}) {
	const { browser, headers } = browserOf(github, cookies);
	const suggested = new URLSearchParams((returnTo ?? "").split("?")[1]).get("login") ?? "";
	return page(200, "Sign in to GitHub · GitHub", `<h1>Sign in to GitHub</h1>
${flash && `<p class="flash" role="alert">${flash}</p>`}
<form action="${github.path}/session" method="post" accept-charset="UTF-8">
${hidden({ authenticity_token: csrfToken(github, browser), return_to: returnTo })}
<label for="login_field">Username or email address</label>
<input type="text" name="login" id="login_field" value="${escapeHtml(suggested)}" autocomplete="username" autofocus>
<label for="password">Password</label>
<input type="password" name="password" id="password" autocomplete="current-password">
<button type="submit" name="commit" value="Sign in" class="primary">Sign in</button>
</form>`, headers);
}

function signIn(github, context) {
	const { fields } = context;
	if (!genuine(github, context)) return forged();
	const returnTo = fields.get("return_to");
	const user = github.users.get((fields.get("login") ?? "").toLowerCase());
	if (!user || !user.password || user.password !== fields.get("password"))
		return loginPage(github, context, { returnTo, flash: "Incorrect username or password." });
	const session = randomBytes(24).toString("base64url");
	github.sessions.set(session, user.login);
	// Only a path of this site, not another host's.
	const target = /^\/(?![/\\])/.test(returnTo ?? "") ? returnTo : `${github.path}/`;
	return redirect(302, github.origin + target, { "Set-Cookie": cookie(github, "user_session", session) });
}

const userOf = (github, { cookies }) => github.users.get(github.sessions.get(cookies.user_session)?.toLowerCase());

function home(github, context) {
	const user = userOf(github, context);
	return user ? page(200, "GitHub", `<h1>Signed in as ${escapeHtml(user.login)}</h1>`) : loginPage(github, context);
}

// ---- authorize ----

const LOOPBACK = /^(127\.0\.0\.1|\[::1\]|localhost)$/;

/** Does a redirect_uri belong to the registered callback URL? The same scheme, host or a subdomain, port (any for a
 *  loopback callback without one), and path or below it. */
export function callbackMatches(registered, given) {
	let callback, uri;
	try {
		[callback, uri] = [new URL(registered), new URL(given)];
	} catch {
		return false;
	}
	const anyPort = LOOPBACK.test(callback.hostname) && callback.port === "";
	const below = callback.pathname.replace(/\/?$/, "/");
	const subdomain = !LOOPBACK.test(callback.hostname) && uri.hostname.endsWith(`.${callback.hostname}`);
	return uri.protocol === callback.protocol && !uri.username && !uri.password &&
		(uri.port === callback.port || anyPort) && (uri.hostname === callback.hostname || subdomain) &&
		(uri.pathname === callback.pathname || uri.pathname.startsWith(below));
}

function backToApp(uri, parameters) {
	const target = new URL(uri);
	for (const [name, value] of Object.entries(parameters))
		if (value !== null) target.searchParams.append(name, value);
	return redirect(302, target.href);
}

const deny = (uri, state, error, description) => backToApp(uri, { error, error_description: description,
	error_uri: `${DOCS}/troubleshooting-authorization-request-errors/#${error.replaceAll("_", "-")}`, state });

// Who asks for what; or the answer when that can't be.
function readRequest(github, parameters) {
	const [clientId, given, state] = ["client_id", "redirect_uri", "state"].map((name) => parameters.get(name));
	const app = github.apps.get(clientId);
	if (!app) return { answer: notFound() };
	if (!app.callbackUrl) return { answer: page(500, "Fake GitHub", "<p>The test has not set app.callbackUrl.</p>") };
	if (app.suspended) {
		return { answer: deny(app.callbackUrl, state, "application_suspended",
			"Your application has been suspended. Contact support@github.com.") };
	}
	if (given !== null && !callbackMatches(app.callbackUrl, given)) {
		return { answer: deny(app.callbackUrl, state, "redirect_uri_mismatch",
			"The redirect_uri MUST match the registered callback URL for this application.") };
	}
	return { app, given, state, uri: given ?? app.callbackUrl, scopes: normalizeScopes(parameters.get("scope")) };
}

function giveCode(github, { app, given, state, uri, scopes }, user) {
	const code = randomBytes(10).toString("hex");
	const known = app.grants.get(user.login) ?? [];
	app.grants.set(user.login, normalizeScopes([...known, ...scopes].join(" ")));
	github.codes.set(code, { app, login: user.login, scopes, given, expires: github.now() + TEN_MINUTES });
	return backToApp(uri, { code, state });
}

function showAuthorize(github, context) {
	const { url } = context;
	const wanted = readRequest(github, url.searchParams);
	if (wanted.answer) return wanted.answer;
	const user = userOf(github, context);
	if (!user) {
		const returnTo = `${github.path}${url.pathname}${url.search}`;
		const parameters = new URLSearchParams({ client_id: wanted.app.clientId, return_to: returnTo });
		return redirect(302, `${github.url}/login?${parameters}`);
	}
	const granted = wanted.app.grants.get(user.login);
	// Who asks for no scope gets those of before.
	if (granted && !wanted.scopes.length) return giveCode(github, { ...wanted, scopes: granted }, user);
	if (granted && covers(granted, wanted.scopes)) return giveCode(github, wanted, user);
	return consentPage(github, context, wanted, user);
}

function consentPage(github, { url, cookies }, { app, scopes, uri }, user) {
	const { browser, headers } = browserOf(github, cookies);
	const names = ["client_id", "redirect_uri", "state", "scope"];
	const repeat = Object.fromEntries(names.map((name) => [name, url.searchParams.get(name)]));
	return page(200, "Authorize application", `<h1>Authorize ${escapeHtml(app.name)}</h1>
<p>${escapeHtml(app.name)} by <b>${escapeHtml(app.owner)}</b> wants to access your <b>${escapeHtml(user.login)}</b> account</p>
<ul>${scopes.map((scope) => `<li>${escapeHtml(scope)}</li>`).join("") || "<li>Public data only</li>"}</ul>
<form action="${github.path}/login/oauth/authorize" method="post" accept-charset="UTF-8">
${hidden({ authenticity_token: csrfToken(github, browser), ...repeat })}
<button type="submit" name="authorize" value="0">Cancel</button>
<button type="submit" name="authorize" value="1" class="primary">Authorize ${escapeHtml(app.owner)}</button>
</form>
<p>Authorizing will redirect to <b>${escapeHtml(new URL(uri).origin)}</b></p>`, headers);
}

function decide(github, context) {
	const { fields } = context;
	const user = userOf(github, context);
	if (!user || !genuine(github, context)) return forged();
	const wanted = readRequest(github, fields);
	if (wanted.answer) return wanted.answer;
	if (fields.get("authorize") !== "1")
		return deny(wanted.uri, wanted.state, "access_denied", "The user has denied your application access.");
	const { grantsOnly } = wanted.app;
	const scopes = grantsOnly ? wanted.scopes.filter((scope) => covers(grantsOnly, [scope])) : wanted.scopes;
	return giveCode(github, { ...wanted, scopes }, user);
}

// ---- access_token ----

const ERRORS = {
	incorrect_client_credentials: "The client_id and/or client_secret passed are incorrect.",
	redirect_uri_mismatch: "The redirect_uri MUST match the registered callback URL for this application.",
	bad_verification_code: "The code passed is incorrect or expired.",
	bad_refresh_token: "The refresh token passed is incorrect or expired.",
	unverified_user_email: "The user must have a verified primary email.",
};

// JSON, XML or, when neither is asked for, a form; errors too come with 200.
function encode(accept, value) {
	const [type, body] = /\bapplication\/json\b/.test(accept) ? ["application/json", JSON.stringify(value)]
		: /\bapplication\/xml\b/.test(accept)
			? ["application/xml", `<?xml version="1.0" encoding="UTF-8"?>\n<OAuth>\n${Object.entries(value)
				.map(([name, text]) => `  <${name}>${escapeHtml(text)}</${name}>\n`).join("")}</OAuth>\n`]
			: ["application/x-www-form-urlencoded", String(new URLSearchParams(value))];
	return { status: 200, headers: { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" }, body };
}

// A refresh token for new ones of both kinds.
function refresh(github, app, fields) {
	const found = github.takeRefreshToken(fields.get("refresh_token"), app);
	if (!found) throw "bad_refresh_token";
	const token = github.issueToken(found.login, found.scopes, app);
	return { access_token: token, ...github.refreshable(token, app), scope: "", token_type: "bearer" };
}

// A code for a token; throws the name of GitHub's error.
function exchange(github, fields) {
	const app = github.apps.get(fields.get("client_id"));
	if (!app || app.clientSecret !== fields.get("client_secret")) throw "incorrect_client_credentials";
	if (fields.get("grant_type") === "refresh_token") return refresh(github, app, fields);
	const found = github.codes.get(fields.get("code"));
	if (!found || found.app !== app || github.now() > found.expires) throw "bad_verification_code";
	const uri = fields.get("redirect_uri");
	if (uri !== null && uri !== (found.given ?? app.callbackUrl)) throw "redirect_uri_mismatch";
	if (github.users.get(found.login.toLowerCase()).unverified) throw "unverified_user_email";
	github.codes.delete(fields.get("code"));
	const token = github.issueToken(found.login, found.scopes, app);
	return { access_token: token, ...github.refreshable(token, app), scope: found.scopes.join(","), token_type: "bearer" };
}

function accessToken(github, { fields, request }) {
	const accept = request.headers.accept ?? "";
	try {
		return encode(accept, exchange(github, fields));
	} catch (error) {
		if (typeof error !== "string") throw error;
		return encode(accept, { error, error_description: ERRORS[error],
			error_uri: `${DOCS}/troubleshooting-oauth-app-access-token-request-errors/#${error.replaceAll("_", "-")}` });
	}
}

const route = (name, method, path, handle) => ({ name, site: "web", method, path, handle });

export const webRoutes = [
	route("home", "GET", /^\/$/, home),
	route("login", "GET", /^\/login$/, loginPage),
	route("session", "POST", /^\/session$/, signIn),
	route("authorize", "GET", /^\/login\/oauth\/authorize$/, showAuthorize),
	route("consent", "POST", /^\/login\/oauth\/authorize$/, decide),
	route("access_token", "POST", /^\/login\/oauth\/access_token$/, accessToken),
];
