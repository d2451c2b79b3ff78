// The fake GitHub of the other tests, against what GitHub documents: fetch plays the app, git clones and pushes, and
// Chromium signs in and consents.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { launchChromium, noChromium } from "../harness/chromium.mjs";
import { startGitHub, tokenId } from "../fakes/github.mjs";
import { alive, waitFor } from "../harness/server.mjs";

const CALLBACK = "http://127.0.0.1:9/oauth/github/callback";
const TEN_MINUTES = 600_000;
const github = await startGitHub({ tls: false, callbackUrl: CALLBACK, apiPath: "/api/v3" });
const secure = await startGitHub();
const work = mkdtempSync(path.join(tmpdir(), "fake-github-test-"));

async function cleanUp() {
	await Promise.all([github.stop(), secure.stop()]);
	rmSync(work, { recursive: true, force: true });
}
after(cleanUp);

for (const login of ["alice", "bob", "carol", "dave"]) github.addUser(login);
await github.addRepo("alice/notes", { private: true, collaborators: { bob: "read" } });
await github.addRepo("acme/site", { collaborators: { bob: "write" } });

function authorizeUrl(more = {}, { url, app } = github) {
	const { clientId, callbackUrl } = app;
	const all = { client_id: clientId, redirect_uri: callbackUrl, scope: "repo", state: "a b&c", ...more };
	return `${url}/login/oauth/authorize?${new URLSearchParams(all)}`;
}

const query = (url) => Object.fromEntries(new URL(url).searchParams);
const codeOf = async (login, more) => query(await github.authorize(authorizeUrl(more), login)).code;

async function exchange(code, { accept = "application/json", form = false, ...more } = {}) {
	const fields = { client_id: github.app.clientId, client_secret: github.app.clientSecret, code, ...more };
	const response = await fetch(`${github.url}/login/oauth/access_token`, { method: "POST",
		headers: { Accept: accept, ...(!form && { "Content-Type": "application/json" }) },
		body: form ? new URLSearchParams(fields) : JSON.stringify(fields) });
	return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

const api = (target, token, { headers = {}, ...init } = {}) => fetch(github.apiUrl + target,
	{ redirect: "manual", headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers }, ...init });

const messageOf = async (response) => [response.status, (await response.json()).message];

// ---- OAuth ----

test("a code becomes a token, as JSON, form or XML; state and the callback's own query come back", async () => {
	const uri = `${CALLBACK}?x=1`;
	const callback = await github.authorize(authorizeUrl({ redirect_uri: uri }), "alice");
	const { code, ...others } = query(callback);
	assert.deepEqual(others, { x: "1", state: "a b&c" });
	assert.match(code, /^[0-9a-f]{20}$/);
	const answer = await exchange(code, { redirect_uri: uri });
	assert.equal(answer.status, 200);
	assert.equal(answer.type, "application/json; charset=utf-8");
	const { access_token: token, ...rest } = JSON.parse(answer.text);
	assert.deepEqual(rest, { scope: "repo", token_type: "bearer" });
	assert.match(token, /^gho_[0-9A-Za-z]{36}$/);

	const form = await exchange(await codeOf("alice"), { accept: "*/*", form: true });
	assert.match(form.type, /^application\/x-www-form-urlencoded/);
	assert.ok(github.isValid(new URLSearchParams(form.text).get("access_token")));
	const xml = await exchange(await codeOf("alice"), { accept: "application/xml" });
	assert.match(xml.text, /<OAuth>\n {2}<access_token>gho_\w{36}<\/access_token>\n {2}<scope>repo<\/scope>\n {2}<token_type>bearer/);
});

test("what is wrong with an exchange is said with 200", async () => {
	const errorOf = async (code, more) => {
		const { status, text } = await exchange(code, more);
		assert.equal(status, 200);
		const { error, error_description: description, error_uri: uri } = JSON.parse(text);
		assert.ok(description.length > 10 && uri.startsWith("https://docs.github.com/"));
		return error;
	};
	const code = await codeOf("alice");
	assert.equal(await errorOf(code, { client_secret: "wrong" }), "incorrect_client_credentials");
	assert.equal(await errorOf(code, { client_id: "nobody" }), "incorrect_client_credentials");
	assert.equal(await errorOf(code, { redirect_uri: "https://evil.example/" }), "redirect_uri_mismatch");
	assert.equal(await errorOf("0".repeat(20)), "bad_verification_code");
	assert.match((await exchange(code)).text, /access_token/);
	assert.equal(await errorOf(code), "bad_verification_code", "a code is good once");
	const [late, inTime] = [await codeOf("alice"), await codeOf("alice")];
	github.advance(TEN_MINUTES - 5000);
	assert.match((await exchange(inTime)).text, /access_token/);
	github.advance(5001);
	assert.equal(await errorOf(late), "bad_verification_code", "a code is good for ten minutes");
	github.users.get("dave").unverified = true;
	assert.equal(await errorOf(await codeOf("dave")), "unverified_user_email");
});

test("errors of an authorize request go to the registered callback", async () => {
	const denied = await github.authorize(authorizeUrl(), "carol", { deny: true });
	assert.ok(denied.startsWith(`${CALLBACK}?`));
	const { error_uri: uri, ...rest } = query(denied);
	assert.match(uri, /#access-denied$/);
	assert.deepEqual(rest, { error: "access_denied", state: "a b&c",
		error_description: "The user has denied your application access." });
	const mismatches = ["http://127.0.0.1:10/oauth/github/callback", "http://127.0.0.1:9/oauth",
		"http://evil.example/oauth/github/callback", "https://127.0.0.1:9/oauth/github/callback", "x"];
	for (const bad of mismatches) {
		const back = await github.authorize(authorizeUrl({ redirect_uri: bad }), "carol");
		assert.ok(back.startsWith(`${CALLBACK}?error=redirect_uri_mismatch&`), back);
	}
	assert.match(await github.authorize(authorizeUrl({ redirect_uri: `${CALLBACK}/below` }), "carol"), /callback\/below\?code=/);
	await assert.rejects(github.authorize(authorizeUrl({ client_id: "nobody" }), "carol"), /ended with 404/);
	await assert.rejects(github.authorize(authorizeUrl(), "carol", { password: "wrong" }), /Incorrect username or password/);
	const forged = await fetch(`${github.url}/login/oauth/authorize`,
		{ method: "POST", body: new URLSearchParams({ authorize: "1" }) });
	assert.equal(forged.status, 422);
});

test("scopes are normalized, may be granted in part, and are given again without a question", async () => {
	const scopeOf = async (scope) => JSON.parse((await exchange(await codeOf("bob", { scope }))).text).scope;
	github.app.grantsOnly = ["public_repo"];
	assert.equal(await scopeOf("repo gist public_repo"), "");
	github.app.grantsOnly = null;
	assert.equal(await scopeOf("user,gist,user:email nonsense"), "user,gist");
	const asked = github.requests({ route: "consent" }).length;
	assert.equal(await scopeOf("read:user"), "read:user");
	assert.equal(await scopeOf(""), "user,gist");
	assert.equal(github.requests({ route: "consent" }).length, asked, "what was granted before needs no page");
	github.revokeGrant("bob");
	assert.equal(await scopeOf("gist"), "gist");
	assert.equal(github.requests({ route: "consent" }).length, asked + 1);
});

test("of more than ten tokens for the same the oldest is revoked", () => {
	const tokens = Array.from({ length: 11 }, () => github.issueToken("carol"));
	assert.deepEqual(tokens.map((token) => github.isValid(token)), [false, ...Array(10).fill(true)]);
});

// ---- REST ----

test("user and repositories: 200, 304, 401, 404, and 301 for a new name", async () => {
	const [alice, bob, carol] = ["alice", "bob", "carol"].map((login) => github.issueToken(login));
	const user = await api("/user", alice);
	assert.equal(user.headers.get("x-oauth-scopes"), "repo");
	assert.equal(user.headers.get("content-encoding"), "gzip");
	const { login, id } = await user.json();
	assert.deepEqual([login, typeof id], ["alice", "number"]);
	assert.equal((await api("/user", alice, { headers: { "If-None-Match": user.headers.get("etag") } })).status, 304);
	assert.deepEqual(await messageOf(await api("/user")), [401, "Requires authentication"]);
	const refused = await api("/user", "gho_nonsense");
	assert.equal(refused.headers.get("www-authenticate"), null);
	assert.deepEqual(await messageOf(refused), [401, "Bad credentials"]);

	const repo = await (await api("/repos/Alice/NOTES", null, { headers: { Authorization: `token ${bob}` } })).json();
	assert.deepEqual([repo.full_name, repo.private, repo.default_branch, repo.owner.login],
		["alice/notes", true, "main", "alice"]);
	assert.deepEqual([repo.permissions.push, repo.permissions.pull], [false, true]);
	const narrow = github.issueToken("alice", ["public_repo"]);
	for (const token of [carol, narrow, null])
		assert.deepEqual(await messageOf(await api("/repos/alice/notes", token)), [404, "Not Found"]);
	const open = await (await api("/repos/acme/site")).json();
	assert.deepEqual([open.private, open.owner.type, open.permissions], [false, "Organization", undefined]);

	await github.addRepo("alice/old", { private: true });
	github.renameRepo("alice/old", "acme/new");
	github.repos.get("acme/new").collaborators.alice = "admin";
	const moved = await api("/repos/alice/old", alice);
	assert.equal(moved.status, 301);
	const there = await fetch(moved.headers.get("location"), { headers: { Authorization: `Bearer ${alice}` } });
	assert.equal((await there.json()).full_name, "acme/new");
	assert.equal((await api("/repos/alice/old", carol)).status, 404);
	github.revoke(bob);
	assert.deepEqual(await messageOf(await api("/user", bob)), [401, "Bad credentials"]);
});

test("the API wants a User-Agent, and counts requests", async () => {
	const res = await new Promise((resolve) => http.get(`${github.apiUrl}/user`, resolve));
	assert.equal(res.resume().statusCode, 403);
	const token = github.issueToken("dave");
	const first = await api("/user", token);
	const remaining = Number(first.headers.get("x-ratelimit-remaining"));
	assert.equal(Number((await api("/user", token)).headers.get("x-ratelimit-remaining")), remaining - 1);
	github.rateLimit = 2;
	const limited = await api("/user", token);
	assert.equal(limited.headers.get("x-ratelimit-remaining"), "0");
	assert.ok(Number(limited.headers.get("x-ratelimit-reset")) * 1000 > github.now());
	assert.match((await messageOf(limited)).join(" "), /^403 API rate limit exceeded/);
	github.advance(3_600_000);
	assert.equal((await api("/user", token)).status, 200);
	github.rateLimit = 5000;
});

test("an app revokes its tokens", async () => {
	const [token, other] = [github.issueToken("alice"), github.issueToken("alice")];
	const revoke = (body, { secret = github.app.clientSecret, id = github.app.clientId } = {}) => {
		const basic = Buffer.from(`${github.app.clientId}:${secret}`).toString("base64");
		return api(`/applications/${id}/token`, null, { method: "DELETE", body, headers: { Authorization: `Basic ${basic}` } });
	};
	const body = JSON.stringify({ access_token: token });
	assert.equal((await revoke(body, { secret: "wrong" })).status, 401);
	assert.equal((await revoke(body, { id: "another" })).status, 404);
	assert.equal((await revoke("{}")).status, 422);
	assert.equal((await revoke("{")).status, 400);
	const done = await revoke(body);
	assert.deepEqual([done.status, await done.text()], [204, ""]);
	assert.equal((await revoke(body)).status, 404);
	assert.deepEqual([github.isValid(token), github.isValid(other)], [false, true]);
	assert.deepEqual(github.requests({ route: "revoke", token }).map(({ status }) => status), [204, 404]);
});

// ---- faults ----

test("routes misbehave as they are told, and so often", async () => {
	const token = github.issueToken("alice");
	const user = (init) => api("/user", token, init);
	github.behave("user", { status: 502, times: 1 });
	assert.equal((await user()).status, 502);
	assert.equal((await user()).status, 200);
	github.behave("api", "html");
	assert.match(await (await user()).text(), /^<!DOCTYPE html>/);
	github.behave("user", "empty");
	assert.equal(await (await user()).text(), "");
	github.behave("api", null);
	github.behave("user", { status: 201, body: "{", headers: { "X-Odd": "yes" } });
	const odd = await user();
	assert.deepEqual([odd.status, odd.headers.get("x-odd"), await odd.text()], [201, "yes", "{"]);
	github.behave("user", "big");
	const big = await (await user()).text();
	assert.ok(big.length > 10 << 20 && JSON.parse(big).login === "alice");
	for (const cut of [true, 0, 20]) {
		github.behave("user", { cut });
		await assert.rejects(user().then((response) => response.text()), TypeError);
	}
	github.behave("user", { drip: 1 });
	assert.equal((await (await user({ headers: { "Accept-Encoding": "identity" } })).json()).login, "alice");
	github.behave("user", { rateLimit: "secondary" });
	const limited = await user();
	assert.deepEqual([limited.status, limited.headers.get("retry-after")], [403, "60"]);
	assert.throws(() => github.behave("usr", 500), /no such route/);
	assert.throws(() => github.behave("user", "slow"), /no such behaviour/);
	github.behave("user", null);
});

test("it redirects elsewhere, which shows what a client takes there", async () => {
	const token = github.issueToken("bob");
	github.behave("user", { redirect: true, status: 307 });
	const response = await api("/user", token);
	assert.equal(response.headers.get("location"), `${github.elsewhere}/user`);
	const followed = await fetch(response.headers.get("location"), { headers: { Authorization: `Bearer ${token}` } });
	assert.equal((await followed.json()).login, "bob");
	assert.deepEqual(github.requests({ token }).map(({ site, status }) => [site, status]), [["api", 307], ["elsewhere", 200]]);
	github.behave("user", null);
});

test("it waits, for a time or until release(), or until the client goes", async () => {
	const token = github.issueToken("alice");
	github.behave("*", "never");
	const abort = new AbortController();
	const [kept, gone] = [api("/user", token), api("/user", token, { signal: abort.signal })];
	await waitFor(() => github.held === 2, { what: "both to be held" });
	abort.abort();
	await assert.rejects(gone, { name: "AbortError" });
	await waitFor(() => github.held === 1, { what: "one to be gone" });
	assert.deepEqual(github.requests({ token }).map(({ status }) => status), [null, null]);
	github.release();
	assert.equal((await kept).status, 200);
	github.behave("*", { delay: 200 });
	const begin = performance.now();
	assert.equal((await api("/user", token)).status, 200);
	assert.ok(performance.now() - begin >= 195);
	github.behave("*", null);
});

test("connections are kept, and the log tells them apart", async () => {
	const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(secure.caFile) });
	const get = () => new Promise((resolve, reject) => {
		const req = https.get(`${secure.apiUrl}/user`, { agent }, (res) => res.resume().on("end", resolve));
		req.on("error", reject);
	});
	const before = secure.log.length;
	await get();
	await get();
	agent.destroy();
	await secure.request(`${secure.apiUrl}/user`);
	const [a, b, c] = secure.log.slice(before).map(({ connection }) => connection);
	assert.ok(a === b && b !== c);
	await assert.rejects(fetch(`${secure.apiUrl}/user`), "an authority that nobody knows");
});

// ---- git ----

function git(args, { cwd = work, env = {} } = {}) {
	const all = { PATH: process.env.PATH, HOME: work, LC_ALL: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0",
		GIT_SSL_CAINFO: secure.caFile, GIT_AUTHOR_NAME: "T", GIT_AUTHOR_EMAIL: "t@example.com", GIT_COMMITTER_NAME: "T",
		GIT_COMMITTER_EMAIL: "t@example.com", ...env };
	return new Promise((resolve) => {
		execFile("git", args, { cwd, env: all, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
			resolve({ ok: !error, out: stdout.trim(), err: stderr }));
	});
}

async function good(args, options) {
	const { ok, out, err } = await git(args, options);
	assert.ok(ok, `git ${args[0]}: ${err}`);
	return out;
}

test("git clones, fetches and pushes over TLS", async () => {
	for (const login of ["alice", "bob", "carol"]) secure.addUser(login);
	await secure.addRepo("alice/app", { private: true, collaborators: { bob: "write", carol: "read" }, files: {
		"src/main.c": "int main(void) {}\n", "odd \"näme\"\n": "x", run: { content: "#!/bin/sh\n", mode: "100755" } } });
	// So many that a fetch of them is worth compressing.
	await Promise.all(Array.from({ length: 24 }, (_, n) =>
		secure.commit("alice/app", { branch: `b${n}`, from: "main", files: { [`f${n}`]: `${n}` } })));
	const head = await secure.commit("alice/app", { message: "Zweiter: ü", files: { run: null, "a b.bin": Buffer.from([0, 255]) } });
	const url = secure.cloneUrl("alice/app", secure.issueToken("bob"));

	const refs = await good(["ls-remote", url]);
	assert.ok(refs.startsWith(`${head}\tHEAD\n`) && refs.split("\n").length === 26);
	const before = secure.log.length;
	await good(["clone", "-q", url, "app"]);
	const rows = secure.log.slice(before);
	assert.deepEqual(rows.map(({ status }) => status), [401, 200, 200, 200]);
	assert.ok(rows.every(({ protocol }) => protocol === "version=2") && rows.at(-1).encoding === "gzip");
	const cwd = path.join(work, "app");
	assert.deepEqual(readdirSync(cwd).sort(), [".git", "a b.bin", "odd \"näme\"\n", "src"]);
	assert.equal(await good(["log", "--format=%s"], { cwd }), "Zweiter: ü\nFirst commit");
	await good(["clone", "-q", "--depth=1", "--filter=blob:none", "-c", "protocol.version=0", url, "thin"]);

	// More than http.postBuffer, so that it goes out in chunks.
	writeFileSync(path.join(cwd, "large"), randomBytes(3 << 20));
	await good(["add", "-A"], { cwd });
	await good(["commit", "-qm", "large"], { cwd });
	await good(["push", "-q", "origin", "HEAD:refs/heads/topic"], { cwd });
	assert.equal(await secure.git("alice/app", "rev-parse", "topic"), await good(["rev-parse", "HEAD"], { cwd }));
	assert.equal(secure.repositories.errors, "");
});

test("git is refused as GitHub refuses it", async () => {
	const cwd = path.join(work, "app");
	const push = async (token, name = "alice/app") =>
		(await git(["push", secure.cloneUrl(name, token), "HEAD:refs/heads/x"], { cwd })).err;
	const read = async (token, name = "alice/app") => (await git(["ls-remote", secure.cloneUrl(name, token)])).err;
	secure.addUser("mallory");
	const stranger = secure.issueToken("mallory");
	const revoked = secure.issueToken("alice");
	secure.revoke(revoked);
	await secure.addRepo("alice/open", { archived: true });
	assert.match(await read(null), /could not read Username/);
	assert.match(await read(revoked), /remote: Invalid username or token\.[^]*Authentication failed/);
	assert.match(await read(stranger), /remote: Repository not found\.\nfatal: repository '[^']*' not found/);
	assert.match(await read(secure.issueToken("alice", [])), /remote: Repository not found/);
	assert.match(await read(secure.issueToken("alice"), "alice/nothing"), /remote: Repository not found/);
	assert.match(await push(secure.issueToken("carol")), /remote: Permission to alice\/app\.git denied to carol\.[^]*error: 403/);
	assert.match(await push(secure.issueToken("alice"), "alice/open"), /archived so it is read-only/);
	assert.match(await push(null, "alice/open"), /could not read Username/);
	assert.equal(await read(null, "alice/open"), "");
	const anonymous = await secure.request(`${secure.url}/alice/app.git/info/refs?service=git-upload-pack`);
	assert.deepEqual([anonymous.status, anonymous.headers["www-authenticate"]], [401, 'Basic realm="GitHub"']);
});

test("git follows a renamed repository, and meets faults", async () => {
	const token = secure.issueToken("alice");
	secure.renameRepo("alice/app", "alice/program");
	await good(["clone", "-q", secure.cloneUrl("Alice/App", token), "moved"]);
	assert.equal(secure.requests({ route: "git", token, status: 301 }).length, 1);
	secure.behave("git", 503);
	assert.match((await git(["ls-remote", secure.cloneUrl("alice/program", token)])).err, /error: 503/);
	secure.behave("git", { cut: 100 });
	assert.equal((await git(["clone", "-q", secure.cloneUrl("alice/program", token), "cut"])).ok, false);
	secure.behave("git", null);
});

// ---- browser ----

test("a person signs in, cancels, and consents in Chromium", { skip: noChromium }, async () => {
	const came = [];
	const app = http.createServer((req, res) => {
		came.push(req.url);
		res.end("<title>back</title>");
	});
	await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve));
	secure.app.callbackUrl = `http://127.0.0.1:${app.address().port}/callback`;
	const browser = await launchChromium();
	try {
		const page = await browser.newPage({ ignoreHTTPSErrors: true });
		const back = (pattern) => page.waitForURL(pattern);
		await page.goto(authorizeUrl({ state: "one" }, secure));
		await page.getByLabel("Username or email address").fill("alice");
		await page.getByLabel("Password").fill("wrong");
		await page.getByRole("button", { name: "Sign in" }).click();
		assert.equal(await page.getByRole("alert").textContent(), "Incorrect username or password.");
		await Promise.all([back(/error=access_denied/), secure.consentIn(page, "alice", { deny: true })]);
		await page.goto(authorizeUrl({ state: "two" }, secure));
		await Promise.all([back(/code=/), page.getByRole("button", { name: "Authorize craft-agents" }).click()]);
		await page.goto(authorizeUrl({ state: "three" }, secure));
		assert.equal(await page.title(), "back", "who has consented isn't asked again");
		const seen = came.filter((url) => url.startsWith("/callback")).map((url) => query(`http://x${url}`));
		assert.deepEqual(seen.map(({ error, state }) => [error, state]),
			[["access_denied", "one"], [undefined, "two"], [undefined, "three"]]);
		assert.match(seen[1].code, /^[0-9a-f]{20}$/);
	} finally {
		await browser.close();
		app.closeAllConnections?.();
		app.close();
	}
});

// ---- afterwards ----

test("the log names tokens without holding them", () => {
	const token = secure.issueToken("alice");
	for (const { log, app } of [github, secure]) {
		const text = JSON.stringify(log);
		assert.doesNotMatch(text, /gho_\w{36}|password of/);
		assert.ok(!text.includes(app.clientSecret) && !/"code":"[0-9a-f]/.test(text));
	}
	assert.equal(tokenId(token).length, 12);
	assert.equal(secure.requests({ token }).length, 0);
});

test("stop() leaves nothing, even with a request under way", async () => {
	secure.behave("*", "never");
	const held = secure.request(`${secure.apiUrl}/user`);
	await waitFor(() => secure.held === 1);
	secure.behave("git", null);
	const [ended] = await Promise.allSettled([held, secure.stop()]);
	assert.equal(ended.status, "rejected");
	await cleanUp();
	assert.deepEqual([github.dir, secure.dir].filter(existsSync), []);
	const children = readdirSync("/proc/self/task")
		.flatMap((id) => readFileSync(`/proc/self/task/${id}/children`, "utf8").split(" "));
	assert.deepEqual(children.filter((pid) => pid && alive(pid) && /git/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))), []);
	await assert.rejects(fetch(`${github.url}/login`), TypeError);
});
