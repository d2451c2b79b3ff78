// github.mjs: a fake GitHub on loopback: sign-in and consent pages, OAuth, REST API and git over smart HTTP with real
// repositories. It behaves as GitHub's public documentation says, until behave() tells a route to do otherwise.
//
//   import { startGitHub } from "../fakes/github.mjs";
//
//   const github = await startGitHub({ callbackUrl: `${origin}/oauth/github/callback` });
//   after(() => github.stop());
//
//   github.addUser("alice", { password: "secret" });
//   await github.addRepo("alice/notes", { private: true, collaborators: { bob: "read" }, files: { "a.txt": "hello\n" } });
//   env: GITHUB_URL=github.url GITHUB_API_URL=github.apiUrl GITHUB_CA_FILE=github.caFile
//        GITHUB_CLIENT_ID=github.app.clientId GITHUB_CLIENT_SECRET=github.app.clientSecret
//
//   const callback = await github.authorize(authorizeUrl, "alice");      // signs in and consents, without a browser
//   await github.consentIn(page, "alice", { deny: true });               // the same in a Playwright page that is there
//   const token = github.issueToken("alice");                            // a token without all that
//
//   github.behave("user", 502);                   // see behave() for all of it
//   github.advance(600_001);                      // its clock: codes expire
//   github.requests({ route: "repo", token });    // what was asked; the log holds no token, code or secret

import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { compress, grow, insteadOf, parseBehaviour, send } from "./answer.mjs";
import { makeCertificates } from "./ca.mjs";
import { GitRepositories, gitRoutes } from "./git_http.mjs";
import { apiError, apiRoutes, rateLimited } from "./github_api.mjs";
import { authorize, consentIn, request } from "./github_client.mjs";
import { normalizeScopes, notFound, webRoutes } from "./github_web.mjs";
import { basicToken, bearerToken, cookiesOf, masked, readBody } from "./incoming.mjs";

const ROUTES = [...webRoutes, ...gitRoutes, ...apiRoutes];
const NAMES = new Set(["*", "web", "api", ...ROUTES.map(({ name }) => name)]);

const running = new Set();

/** How the log names a token: enough to recognize it, too little to use it. */
export const tokenId = (token) => createHash("sha256").update(token).digest("hex").slice(0, 12);

/** tls: https with an authority of its own (default) or plain http; callbackUrl, clientId, clientSecret, appName, owner:
 *  the one registered app; path, apiPath: where below the origins the two sites begin, such as "/api/v3". */
export async function startGitHub(options = {}) {
	const github = new GitHub(options);
	running.add(github);
	try {
		await github.start();
	} catch (error) {
		await github.stop();
		throw error;
	}
	return github;
}

export class GitHub {
	#servers = [];
	#sockets = new Set();
	#connections = new WeakMap();
	#lastConnection = 0;
	#held = new Set();
	#behaviours = new Map();
	#renames = new Map();
	#tokens = new Map();
	#refreshTokens = new Map();
	#lastId = 1000;
	#ids = new Map();
	#skew = 0;

	/** url, apiUrl: of the two sites; elsewhere: a third origin that answers as both do, for redirects; caFile: PEM, null
	 *  without TLS; dir: removed by stop(); users: by login; repos: by owner/name, both keys in lower case; apps: by
	 *  client id; app: the first of them, {clientId, clientSecret, name, owner, callbackUrl, suspended,
	 *  grantsOnly (scopes that users grant at most), grants (login -> scopes), expiring ({access, refresh}: seconds after
	 *  which its tokens expire, as of GitHub Apps; null: never), tokenLength}; log: a row per request;
	 *  tokenLimit: tokens per user, app and scopes, the oldest of more is revoked; rateLimit: requests an hour. */
	constructor({ tls = true, callbackUrl = null, clientId = "Iv1.0123456789abcdef",
		clientSecret = randomBytes(20).toString("hex"), appName = "Craft Agent Cloud", owner = "craft-agents", path: prefix = "", apiPath = "" } = {}) {
		Object.assign(this, { tls, path: prefix, apiPath, caFile: null, users: new Map(), repos: new Map(), apps: new Map(),
			sessions: new Map(), codes: new Map(), counts: new Map(), log: [], tokenLimit: 10, rateLimit: 5000,
			secret: randomBytes(32) });
		this.app = this.addApp({ clientId, clientSecret, name: appName, owner, callbackUrl });
	}

	async start() {
		this.dir = mkdtempSync(path.join(tmpdir(), "fake-github-"));
		// The programs that are given caFile may run as another user.
		chmodSync(this.dir, 0o755);
		this.repositories = new GitRepositories(this.dir);
		const { caFile = null, ...keys } = this.tls ? await makeCertificates(this.dir) : {};
		this.caFile = caFile;
		const ports = [];
		for (const site of ["web", "api", "elsewhere"]) ports.push(await this.#listen(site, keys));
		const scheme = this.tls ? "https" : "http";
		this.origin = `${scheme}://127.0.0.1:${ports[0]}`;
		this.url = this.origin + this.path;
		this.apiUrl = `${scheme}://127.0.0.1:${ports[1]}${this.apiPath}`;
		this.elsewhere = `${scheme}://localhost:${ports[2]}`;
	}

	#listen(site, keys) {
		const server = (this.tls ? https : http).createServer({ ...keys, keepAliveTimeout: 60_000 },
			(req, res) => this.#serve(site, req, res));
		this.#servers.push(server);
		server.on("connection", (socket) => {
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
		});
		return new Promise((resolve, reject) => {
			server.on("error", reject);
			server.listen(0, "127.0.0.1", () => resolve(server.address().port));
		});
	}

	/** Ends all connections and git processes and removes the directory. */
	async stop() {
		if (!running.delete(this)) return;
		const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
		for (const socket of this.#sockets) socket.destroy();
		await Promise.all([...closed, this.repositories?.stop()]);
		this.remove();
	}

	remove() {
		this.repositories?.kill();
		if (this.dir) rmSync(this.dir, { recursive: true, force: true });
	}

	// ---- what there is ----

	addApp({ clientId, clientSecret, name, owner, callbackUrl }) {
		const app = { clientId, clientSecret, name, owner, callbackUrl, suspended: false, grantsOnly: null,
			expiring: null, tokenLength: 40, grants: new Map() };
		this.apps.set(clientId, app);
		return app;
	}

	/** Adds a user who can sign in. Also settable: name, email, unverified (has no verified email address). */
	addUser(login, { password = `password of ${login}`, ...more } = {}) {
		const user = { login, id: this.idOf(login), password, unverified: false, ...more };
		this.users.set(login.toLowerCase(), user);
		return user;
	}

	/** The number of an account, of an organization too. */
	idOf(login) {
		const key = login.toLowerCase();
		if (!this.#ids.has(key)) this.#ids.set(key, ++this.#lastId);
		return this.#ids.get(key);
	}

	/** Makes a repository with a first commit of `files`. An owner who is no user is an organization. collaborators:
	 *  {login: "read" | "write" | "admin"}; files: see commit(), null for an empty repository. The repository's sso: a URL of
	 *  single sign-on without a session of which its API answers 403. */
	async addRepo(fullName, { private: hidden = false, defaultBranch = "main", collaborators = {}, archived = false,
		description = null, files = { "README.md": `# ${fullName}\n` } } = {}) {
		const [owner, name] = fullName.split("/");
		const repo = { id: ++this.#lastId, owner, name, fullName, private: hidden, defaultBranch, collaborators, archived,
			description, sso: null };
		await this.repositories.create(repo.id, defaultBranch);
		repo.dir = this.repositories.path(repo.id);
		this.repos.set(fullName.toLowerCase(), repo);
		if (files) await this.commit(fullName, { message: "First commit", files });
		return repo;
	}

	/** Adds a commit to a branch, which begins at `from` (any revision) when it isn't there, and resolves to its id.
	 *  files: {path: text or Buffer, null to delete it, or {content, mode: "100755", "120000", or
	 *  "160000" with the id of a commit}}. */
	commit(fullName, { branch, ...more } = {}) {
		const repo = this.#repo(fullName);
		return this.repositories.commit(repo.id, { branch: branch ?? repo.defaultBranch, ...more });
	}

	/** Runs git in the repository on the server and resolves to its output: git("o/r", "rev-parse", "main"). */
	git(fullName, ...args) { return this.repositories.git(this.#repo(fullName).id, args); }

	cloneUrl(fullName, token) {
		const url = `${this.url}/${fullName}.git`;
		return token ? url.replace("://", `://x-access-token:${token}@`) : url;
	}

	/** Renames it or gives it to another owner; the old name redirects until there is a repository of that name. */
	renameRepo(from, to) {
		const repo = this.#repo(from);
		this.repos.delete(from.toLowerCase());
		[repo.owner, repo.name] = to.split("/");
		repo.fullName = to;
		this.repos.set(to.toLowerCase(), repo);
		this.#renames.set(from.toLowerCase(), repo);
	}

	#repo(fullName) {
		const repo = this.repos.get(fullName.toLowerCase());
		if (!repo) throw new Error(`no repository ${fullName}`);
		return repo;
	}

	findRepo(owner, name) { return this.repos.get(decode(`${owner}/${name}`).toLowerCase()); }

	/** The repository that had this name once. */
	renamed(owner, name) {
		return this.findRepo(owner, name) ? undefined : this.#renames.get(decode(`${owner}/${name}`).toLowerCase());
	}

	/** "admin", "write", "read" or null. identity: as identify() returns it, null for nobody. */
	permission(repo, identity) {
		const login = identity?.login.toLowerCase();
		const given = Object.entries(repo.collaborators).find(([name]) => name.toLowerCase() === login)?.[1];
		const may = login && login === repo.owner.toLowerCase() ? "admin" : (given ?? null);
		if (!repo.private) return may ?? "read";
		return identity?.scopes.includes("repo") ? may : null;
	}

	// ---- tokens ----

	/** Makes a token; scopes: a list. */
	issueToken(login, scopes = ["repo"], app = this.app) {
		const user = this.users.get(login.toLowerCase());
		if (!user) throw new Error(`no user ${login}`);
		const token = this.#newToken(app);
		const set = normalizeScopes(scopes.join(" "));
		const same = [...this.#tokens].filter(([, other]) => !other.revoked && other.login === user.login &&
			other.app === app && String([...other.scopes].sort()) === String([...set].sort()));
		if (same.length >= this.tokenLimit) same[0][1].revoked = true;
		this.#tokens.set(token, { login: user.login, scopes: set, app, revoked: false, expires: null });
		return token;
	}

	#newToken(app) { return (app.expiring ? "ghu_" : "gho_") + randomText(Math.max(36, app.tokenLength - 4)); }

	/** What a grant of an app with expiring tokens has beside the token, which expires from now on; nothing of others. */
	refreshable(token, app) {
		if (!app.expiring) return {};
		const found = this.#tokens.get(token);
		const refresh = `ghr_${randomText(Math.max(76, app.tokenLength - 4))}`;
		found.expires = this.now() + app.expiring.access * 1000;
		this.#refreshTokens.set(refresh, { token, login: found.login, scopes: [...found.scopes], app,
			expires: this.now() + app.expiring.refresh * 1000 });
		this.onRefreshToken?.(refresh);
		return { expires_in: app.expiring.access, refresh_token: refresh, refresh_token_expires_in: app.expiring.refresh };
	}

	/** Takes a refresh token, which is good once: it and the token that came with it are worth nothing after that. */
	takeRefreshToken(refresh, app) {
		const found = this.#refreshTokens.get(refresh);
		if (!found || found.app !== app || this.now() > found.expires) return null;
		this.#refreshTokens.delete(refresh);
		this.revoke(found.token);
		return found;
	}

	revoke(token) { this.#tokens.get(token).revoked = true; }

	isValid(token) { return this.#isGood(this.#tokens.get(token)); }

	#isGood(found) { return found?.revoked === false && !(found.expires !== null && this.now() > found.expires); }

	/** What the user can do under Settings: takes all of an app's access away. */
	revokeGrant(login, app = this.app) {
		app.grants.delete(this.users.get(login.toLowerCase()).login);
		for (const token of this.#tokens.values())
			if (token.app === app && token.login.toLowerCase() === login.toLowerCase()) token.revoked = true;
		for (const [refresh, { app: of, login: whose }] of this.#refreshTokens)
			if (of === app && whose.toLowerCase() === login.toLowerCase()) this.#refreshTokens.delete(refresh);
	}

	/** Whose token it is: {login, scopes, app}, null when it is none or revoked. Notes in the log that it was used. */
	identify(token, entry) {
		if (!token) return null;
		entry.token = tokenId(token);
		const found = this.#tokens.get(token);
		if (found) entry.user = found.login;
		return this.#isGood(found) ? found : null;
	}

	// ---- time, faults ----

	now() { return Date.now() + this.#skew; }

	/** Moves the clock on by milliseconds. */
	advance(ms) { this.#skew += ms; }

	/** Makes a route misbehave until the next behave() of it. route: "login", "session", "authorize", "consent",
	 *  "access_token", "user", "repo", "revoke", "git"; "web" or "api" for all of a site, "*" for all; the nearest
	 *  counts. how: null for as it should be, a status, one of these names alone, or an object of them:
	 *    status, headers, body    answers this instead, with a page or JSON of GitHub's where there is no body
	 *    html, empty              answers 200 (or status) with a page, or with nothing
	 *    redirect                 to that URL; true: to the same path at `elsewhere`, which answers it well
	 *    rateLimit                403: "primary" (X-RateLimit-Remaining: 0) or "secondary" (Retry-After)
	 *    delay                    milliseconds, or a promise, before all else
	 *    never                    doesn't answer, until release()
	 *    cut                      closes the connection after half of the real answer's body; n: after n bytes; 0: at once
	 *    drip                     milliseconds between the bytes of the real answer's body (true: 50)
	 *    big                      the real answer with 10 MB more in it (or that many bytes)
	 *    times                    only so often, then as it should be */
	behave(route, how) {
		if (!NAMES.has(route)) throw new Error(`no such route: ${route}`);
		if (how === null || how === undefined) this.#behaviours.delete(route);
		else this.#behaviours.set(route, parseBehaviour(how));
	}

	/** How many requests wait for release() now. */
	get held() { return this.#held.size; }

	/** Lets the held requests go on, to the real answer. */
	release() { for (const go of [...this.#held]) go(); }

	#behaviour(route) {
		const key = [route?.name, route?.site, "*"].find((name) => this.#behaviours.has(name));
		const how = this.#behaviours.get(key);
		if (how?.times !== undefined && --how.times <= 0) this.#behaviours.delete(key);
		return how ?? {};
	}

	// ---- the log ----

	/** The log's rows that have these values: {route, token (the token itself), user, site, status, method}. A row: {number,
	 *  at, site, route, method, path, query, fields (names to values, the secret ones as "…"), status (null: not answered),
	 *  token (tokenId), user, app, agent, accept, type, encoding and protocol (of those headers), connection (a
	 *  number)}. */
	requests({ token, ...wanted } = {}) {
		const all = { ...wanted, ...(token !== undefined && { token: token && tokenId(token) }) };
		return this.log.filter((entry) => Object.entries(all).every(([name, value]) => entry[name] === value));
	}

	#note(site, route, { method, headers, socket }, url) {
		if (!this.#connections.has(socket)) this.#connections.set(socket, ++this.#lastConnection);
		const entry = { number: this.log.length + 1, at: this.now(), site, route: route?.name ?? null, method,
			path: url.pathname, query: masked(url.searchParams), fields: {}, status: null, token: null, user: null, app: null,
			agent: headers["user-agent"] ?? null, accept: headers.accept ?? null, type: headers["content-type"] ?? null,
			encoding: headers["content-encoding"] ?? null, protocol: headers["git-protocol"] ?? null,
			connection: this.#connections.get(socket) };
		this.log.push(entry);
		return entry;
	}

	// ---- serving ----

	async #serve(site, req, res) {
		res.on("error", () => {});
		const url = new URL(`http://host${req.url.startsWith("/") ? req.url : "/"}`);
		const prefix = { web: this.path, api: this.apiPath, elsewhere: "" }[site];
		if (url.pathname.startsWith(`${prefix}/`)) url.pathname = url.pathname.slice(prefix.length);
		else if (prefix) site = "nowhere";
		const route = ROUTES.find(({ site: of, method, path: pattern }) => (site === "elsewhere" || of === site) &&
			method === req.method && pattern.test(url.pathname));
		const entry = this.#note(site, route, req, url);
		const context = { site, request: req, url, entry, cookies: cookiesOf(req),
			groups: route?.path.exec(url.pathname).groups ?? {} };
		const how = site === "elsewhere" ? {} : this.#behaviour(route);
		try {
			// Which token came is noted also when the route is never asked.
			this.identify(route?.stream ? basicToken(req) : bearerToken(req), entry);
			if (!route?.stream) Object.assign(context, await readBody(req));
			if (context.fields) entry.fields = masked(context.fields);
			await this.#wait(how, res);
			if (res.destroyed) return;
			await this.#answer(route, context, how, res);
		} catch (error) {
			if (!req.destroyed && !res.destroyed) console.error("fake GitHub:", error);
			res.destroy();
		}
	}

	async #answer(route, context, how, res) {
		const { site, request: req, url, entry } = context;
		const instead = insteadOf(how, { api: site === "api", elsewhere: `${this.elsewhere}${url.pathname}${url.search}`,
			rateLimited: (secondary) => rateLimited(this, secondary) });
		if (instead && route?.stream) req.resume();
		const missing = () => (site === "web" ? notFound() : apiError(404, "Not Found"));
		let answer = instead ?? (route ? await route.handle(this, context) : missing());
		if (how.big) answer = grow(answer, how.big);
		entry.status = answer.status;
		const id = [4, 6, 8].map((n) => randomBytes(n / 2).toString("hex").toUpperCase()).join(":");
		answer = { ...answer, headers: { Server: "github.com", "X-GitHub-Request-Id": id, ...answer.headers } };
		await send(res, compress(answer, req.headers["accept-encoding"]), how);
	}

	async #wait({ delay, never }, res) {
		if (!delay && !never) return;
		let timer;
		await new Promise((resolve) => {
			const go = () => {
				this.#held.delete(go);
				resolve();
			};
			res.once("close", go);
			if (never) this.#held.add(go);
			else if (typeof delay === "number") timer = setTimeout(go, delay);
			else delay.then(go, go);
		});
		clearTimeout(timer);
	}
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

const randomText = (length) => randomBytes(2 * length).toString("base64").replace(/[^0-9A-Za-z]/g, "").slice(0, length);

Object.assign(GitHub.prototype, { authorize, consentIn, request });

// A test file that dies leaves no git and no directory behind.
process.on("exit", () => { for (const github of running) github.remove(); });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(1));
