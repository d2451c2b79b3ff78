// Access to a private repository on GitHub, from the question whether it is there to its end: check, consent, callback,
// what is stored, a clone with it, what becomes of a credential that GitHub no longer takes, and deleting it.
// The database writes down every statement with its parameters, so that a secret that reaches it is found in its log.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { APP_URI, CALLBACK, git, quote, startRig, unseal } from "../harness/oauth.mjs";

let rig;
const work = mkdtempSync(path.join(tmpdir(), "craft-oauth-"));
after(async () => {
	rmSync(work, { recursive: true, force: true });
	await rig?.stop();
});
rig = await startRig({ people: ["alice", "bob", "carol"], env: { GITHUB_REVOKE: "1", LOG_LEVEL: "debug", CRAFT_PG_FLAGS: "-c log_statement=all" } });
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true, collaborators: { bob: "read" }, files: { "a.txt": "private\n" } });
await github.addRepo("alice/other", { private: true });

let counter = 0;
const fresh = () => `oauth-${process.pid}-${++counter}`;
const parameters = (url) => Object.fromEntries(new URL(url).searchParams);

async function ready(login = "alice", repoKey = "alice/notes") {
	const slug = fresh();
	await rig.authorize(slug, repoKey, login);
	assert.equal(await rig.isReady(slug, repoKey), true);
	return slug;
}

// ---- the way there and back ----

test("check gives a link, the link leads to GitHub without a key, consent leads to the app, and then it is ready", async () => {
	const slug = fresh();
	const answer = await rig.check(slug, "alice/notes");
	assert.equal(answer.status, 200);
	assert.match(answer.headers["content-type"], /^application\/json\b/);
	const { authUrl, ...rest } = answer.json;
	assert.deepEqual(rest, { ready: false, needsAuth: true });
	assert.deepEqual(Object.keys(answer.json), ["ready", "needsAuth", "authUrl"]);
	const prefix = `${server.url}/oauth/github?workspaceSlug=${slug}&repoKey=alice%2Fnotes&redirectUri=craft-agent%3A%2F%2Foauth%2Fcallback&ticket=`;
	assert.ok(authUrl.startsWith(prefix), authUrl);
	assert.match(authUrl.slice(prefix.length), /^[\w-]+$/);

	const away = await rig.visit(authUrl);
	assert.equal(away.status, 302, away.text);
	assert.equal(away.headers["cache-control"], "no-store");
	const target = rig.note(away.headers.location);
	assert.ok(target.startsWith(`${github.url}/login/oauth/authorize?`), target);
	const { state, ...others } = parameters(target);
	assert.deepEqual(others, { client_id: github.app.clientId, redirect_uri: server.url + CALLBACK, scope: "repo" });
	assert.match(state, /^[\w-]{60,}$/);

	const callback = rig.note(await github.authorize(target, "alice"));
	assert.equal(parameters(callback).state, state);
	const back = await rig.visit(callback);
	assert.equal(back.status, 302);
	assert.equal(back.headers.location, `${APP_URI}?success=true&repo=alice%2Fnotes&username=alice`);
	assert.equal(back.headers["referrer-policy"], "no-referrer");
	assert.equal(back.headers["cache-control"], "no-store");
	assert.deepEqual(github.requests({ user: "alice" }).map(({ route }) => route), ["user", "repo"]);

	const asked = github.log.length;
	assert.equal((await rig.check(slug, "alice/notes")).text, '{"ready":true}');
	assert.equal(github.log.length, asked, "GitHub has just said so: it isn't asked again");
});

test("what GitHub is sent: JSON with id, secret, code and callback; bearer tokens; an API version", async () => {
	const before = github.log.length;
	await rig.authorize(fresh(), "alice/notes", "bob");
	const rows = github.log.slice(before).filter(({ agent }) => agent?.startsWith("craft-agent-cloud/"));
	assert.deepEqual(rows.map(({ route, method, status }) => [route, method, status]),
		[["access_token", "POST", 200], ["user", "GET", 200], ["repo", "GET", 200]]);
	const { fields, type, accept } = rows[0];
	assert.deepEqual(fields, { client_id: github.app.clientId, client_secret: "…", code: "…", redirect_uri: server.url + CALLBACK });
	assert.match(type, /^application\/json/);
	assert.match(accept, /application\/json/);
	assert.equal(rows[2].path, "/repos/alice/notes");
});

test("projects show the user and never the token", async () => {
	const slug = await ready("bob");
	const token = rig.tokens.at(-1);
	const one = await rig.project(slug, "alice/notes");
	const split = await server.request(`/workspace/${slug}/projects/alice/notes`);
	const list = await rig.projects(slug);
	assert.deepEqual([one.status, split.status, split.text], [200, 200, one.text]);
	const { github: { authenticatedAt, ...who }, addedAt, ...rest } = one.json;
	assert.deepEqual(rest, { repoKey: "alice/notes", repoUrl: rig.repoUrl("alice/notes"), defaultBranch: "main", hasGitHubAuth: true });
	assert.deepEqual(who, { username: "bob", userId: github.idOf("bob"), scope: "repo" });
	for (const time of [addedAt, authenticatedAt]) assert.ok(Math.abs(time - Date.now()) < 60_000, String(time));
	assert.deepEqual(list, [{ ...rest, addedAt }]);
	const { sealed } = rig.credential(slug, "alice/notes");
	for (const { text } of [one, split, { text: JSON.stringify(list) }])
		assert.ok(!text.includes(token) && !text.includes("gho_") && !text.includes(sealed), "a token is shown");
});

test("at rest it is sealed as the contract says, and a real git clones a private repository with it", async () => {
	const slug = await ready("bob");
	const { sealed, plain } = rig.credential(slug, "alice/notes");
	assert.deepEqual(Object.keys(plain), ["accessToken", "username", "userId", "scope", "authenticatedAt"]);
	const { accessToken, authenticatedAt, ...who } = plain;
	assert.deepEqual(who, { username: "bob", userId: github.idOf("bob"), scope: "repo" });
	assert.equal(authenticatedAt, (await rig.project(slug, "alice/notes")).json.github.authenticatedAt);
	assert.equal(accessToken, rig.tokens.at(-1));
	assert.equal(unseal(sealed, "0".repeat(64), { workspace: "x" }), null);

	const cloned = await git(work, github.caFile, "clone", "-q", github.cloneUrl("alice/notes", accessToken), slug);
	assert.ok(cloned.ok, cloned.err);
	assert.equal(readFileSync(path.join(work, slug, "a.txt"), "utf8"), "private\n");
	assert.equal((await git(work, github.caFile, "ls-remote", github.cloneUrl("alice/notes"))).ok, false);

	const again = fresh();
	await rig.authorize(again, "alice/notes", "bob");
	const ivs = [sealed, rig.credential(again, "alice/notes").sealed].map((text) => text.slice(0, 16));
	assert.notEqual(ivs[0], ivs[1], "each has an IV of its own");
});

test("a second login takes the place of the first one", async () => {
	const slug = await ready("alice");
	const first = rig.credential(slug, "alice/notes").plain.accessToken;
	await rig.authorize(slug, "alice/notes", "bob");
	assert.notEqual(rig.credential(slug, "alice/notes").plain.accessToken, first);
	assert.equal((await rig.project(slug, "alice/notes")).json.github.username, "bob");
	assert.equal((await rig.projects(slug)).length, 1);
});

test("a credential belongs to one workspace and one repository", async () => {
	const slug = await ready("alice");
	assert.equal(await rig.isReady(slug, "alice/other"), false);
	assert.equal(await rig.isReady(fresh(), "alice/notes"), false);
	assert.equal(await rig.isReady(slug, "Alice/NOTES"), true, "GitHub's names have no case");
	assert.deepEqual((await rig.projects(slug)).map((p) => [p.repoKey, p.hasGitHubAuth]).sort(),
		[["alice/notes", true], ["alice/other", false]]);
	assert.equal((await rig.project(slug, "ALICE/notes")).json.github.username, "alice");
});

test("who cancels comes back with GitHub's error, and nothing is stored", async () => {
	const slug = fresh();
	assert.equal(await rig.login(slug, "alice/notes", "carol", { deny: true, redirectUri: "http://localhost:1/x?a=b" }),
		rig.failure("alice/notes", "access_denied", "http://localhost:1/x?a=b&"));
	assert.equal(rig.credential(slug, "alice/notes"), null);
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
});

test("links that were made before go on working; each leads to GitHub once more", async () => {
	const slug = fresh();
	const [one, two] = [await rig.authUrl(slug, "alice/notes"), await rig.authUrl(slug, "alice/notes")];
	const states = new Set();
	for (const url of [one, one, two]) {
		const { status, headers } = await rig.visit(url);
		assert.equal(status, 302);
		states.add(parameters(rig.note(headers.location)).state);
	}
	assert.equal(states.size, 3);
});

test("workspaces of any writing", async () => {
	for (const slug of ["工作区/二", "ü ö#?%&+", "Команда 🎉", "فريق", "'; drop table app.credential; --"]) {
		const url = await rig.authUrl(slug, "alice/notes");
		assert.equal(new URL(url).searchParams.get("workspaceSlug"), slug);
		const away = await rig.visit(url);
		const callback = rig.note(await github.authorize(rig.note(away.headers.location), "alice"));
		assert.equal(await rig.land(callback), rig.success("alice/notes", "alice"));
		assert.equal(await rig.isReady(slug, "alice/notes"), true, slug);
		assert.equal((await rig.projects(slug))[0].hasGitHubAuth, true);
		assert.equal((await rig.forget(slug, "alice/notes")).status, 200);
		assert.equal(await rig.isReady(slug, "alice/notes"), false);
	}
});

test("the longest names there can be", async () => {
	const slug = "長".repeat(341);
	const redirectUri = `craft-agent://${"x".repeat(2034)}`;
	assert.equal(Buffer.byteLength(slug), 1023);
	assert.equal(redirectUri.length, 2048);
	assert.equal(await rig.login(slug, "alice/notes", "alice", { redirectUri }), rig.success("alice/notes", "alice", `${redirectUri}?`));
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
});

// ---- checks ----

test("many checks and logins at once make one row", async () => {
	const slug = fresh();
	const answers = await Promise.all(["alice/notes", "Alice/Notes", "alice/NOTES"].flatMap((key) =>
		Array.from({ length: 5 }, () => rig.check(slug, key))));
	assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
	assert.equal((await rig.projects(slug)).length, 1);
	const callbacks = await Promise.all(Array.from({ length: 6 }, () => rig.consent(slug, "alice/notes", "alice")));
	const landed = await Promise.all(callbacks.map((url) => rig.land(url)));
	assert.deepEqual([...new Set(landed)], [rig.success("alice/notes", "alice")]);
	assert.equal(server.psqlValue(`select count(*) from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = ${quote(slug)}`), "1");
	assert.equal((await rig.projects(slug)).length, 1);
});

test("repoUrl: all forms of the same repository, kept as it came last", async () => {
	const slug = fresh();
	const { host, hostname } = new URL(github.url);
	const good = [`https://${host}/alice/notes`, `https://${host}/alice/notes.git`, `https://${host}/Alice/Notes/`,
		`git@${hostname}:alice/notes.git`, `git@${hostname}:alice/notes`, `ssh://git@${hostname}/alice/notes.git`,
		`ssh://git@${hostname}:22/alice/notes`];
	for (const url of good) {
		assert.equal((await rig.check(slug, "alice/notes", url)).status, 200, url);
		assert.equal((await rig.projects(slug))[0].repoUrl, url);
	}
	const bad = [`https://${host}/alice/other`, `https://${host}/bob/notes`, "https://github.com/alice/notes", "alice/notes",
		`http://${host}/alice/notes`, `https://u:p@${host}/alice/notes`, `https://git@${host}/alice/notes`,
		`https://${host}/alice/notes?x`, `https://${host}/alice/notes#x`, `https://${host}/alice/notes/tree/main`,
		`https://${host}.evil.com/alice/notes`, `https://${host}/x/../alice/notes`, `https://${host}/alice%2Fnotes`,
		`git@evil.com:alice/notes`, `root@${hostname}:alice/notes`, `ssh://${hostname}/alice/notes`, `https://${host}/alice/notes\n`,
		` https://${host}/alice/notes`, `ext::sh -c x`, `file:///alice/notes`, `--upload-pack=x`, "x".repeat(5000)];
	for (const url of bad) rig.assertRefused(await rig.check(slug, "alice/notes", url), 400, /^Invalid repoUrl/, url);
	assert.equal((await rig.projects(slug))[0].repoUrl, good.at(-1));
});

test("what isn't asked in full or in the right form is refused, and remembers nothing", async () => {
	const slug = fresh();
	const all = { workspaceSlug: slug, repoKey: "alice/notes", repoUrl: rig.repoUrl("alice/notes") };
	const post = (body, more) => server.request("/api/sandbox/check", { method: "POST", body, ...more });
	for (const name of Object.keys(all)) {
		for (const value of [undefined, null, ""])
			rig.assertRefused(await post({ ...all, [name]: value }), 400, /^Missing required parameters$/, `${name} ${value}`);
		for (const value of [1, {}, [], true, "a\0b", "\ud800"])
			rig.assertRefused(await post({ ...all, [name]: value }), 400, new RegExp(`^Invalid ${name}`), `${name} ${JSON.stringify(value)}`);
	}
	for (const [body, pattern] of [["", /body/], ["{", /Invalid JSON/], ["[]", /object/], ['"x"', /object/], [`{"a":${"[".repeat(5000)}`, /JSON/]])
		rig.assertRefused(await post(body), 400, pattern, body.slice(0, 10));
	for (const repoKey of ["alice", "alice/", "/notes", "alice/notes/x", "-alice/notes", "alice-/notes", "al--ice/notes", "al ice/notes",
		"alice/..", "alice/.", "alice/notes.git", "alice/notes.GIT", "../notes", "alice/no tes", "alice\\notes", "älice/notes",
		"alice/nötes", `${"a".repeat(40)}/x`, `a/${"x".repeat(101)}`, "alice/notes\n", "x".repeat(5000)])
		rig.assertRefused(await rig.check(slug, repoKey), 400, /^Invalid repoKey/, repoKey.slice(0, 60));
	rig.assertRefused(await post({ ...all, workspaceSlug: "x".repeat(1025) }), 400, /^Invalid workspaceSlug/);
	rig.assertRefused(await post({ ...all, padding: "x".repeat(3 << 20) }), 413, /./);
	rig.assertRefused(await post(all, { key: null }), 401, /^Unauthorized$/);
	rig.assertRefused(await post(all, { key: "wrong" }), 401, /^Unauthorized$/);
	rig.assertRefused(await server.request("/api/sandbox/check"), 405, /./);
	assert.equal((await server.request("/api/sandbox/check", { method: "OPTIONS", key: null })).status, 204);
	assert.equal(server.psqlValue(`select count(*) from app.workspace where slug = ${quote(slug)}`), "0");
	for (const repoKey of ["a/b", "a-b/.github", "name_code/_.-", `${"a".repeat(39)}/${"x".repeat(100)}`, "alice/notes.wiki"])
		assert.equal((await rig.check(fresh(), repoKey)).status, 200, repoKey);
});

// ---- credentials that end ----

test("a token that GitHub refuses needs a new login; until one comes the project is without", async () => {
	const slug = await ready("alice");
	const { plain } = rig.credential(slug, "alice/notes");
	github.revoke(plain.accessToken);
	assert.equal(await rig.isReady(slug, "alice/notes"), true, "GitHub isn't asked each time");
	rig.age(slug);
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
	assert.equal((await rig.projects(slug))[0].hasGitHubAuth, false);
	const { hasGitHubAuth, github: who } = (await rig.project(slug, "alice/notes")).json;
	assert.deepEqual([hasGitHubAuth, who], [false, null]);
	const asked = github.log.length;
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
	assert.equal(github.log.length, asked, "it isn't sent again");
	assert.equal(server.psqlValue(`select has_github_auth || ' ' || (github_invalid_at is not null) from report.projects
		where workspace = ${quote(slug)}`), "false true");
	await rig.authorize(slug, "alice/notes", "alice");
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.equal((await rig.projects(slug))[0].hasGitHubAuth, true);
});

test("a token that GitHub takes is asked about once in a while only", async () => {
	const slug = await ready("alice");
	const { accessToken: token } = rig.credential(slug, "alice/notes").plain;
	rig.age(slug);
	const before = github.requests({ token }).length;
	for (let i = 0; i < 3; i++) assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.deepEqual(github.requests({ token }).slice(before).map(({ route, status }) => [route, status]), [["repo", 200]]);
});

test("deleting a credential forgets it and has GitHub revoke the token", async () => {
	const slug = await ready("alice");
	const { accessToken: token } = rig.credential(slug, "alice/notes").plain;
	rig.assertRefused(await rig.forget(slug, "alice/notes", { key: null }), 401, /Unauthorized/);
	assert.equal(github.isValid(token), true);
	const answer = await rig.forget(slug, "alice/notes");
	assert.deepEqual([answer.status, answer.text], [200, '{"success":true}']);
	assert.equal(github.isValid(token), false);
	assert.equal(rig.credential(slug, "alice/notes"), null);
	assert.equal((await rig.projects(slug))[0].hasGitHubAuth, false);
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
	const asked = github.log.length;
	for (const [workspace, repoKey] of [[slug, "alice/notes"], [slug, "no/thing"], [fresh(), "alice/notes"], [slug, "x"]]) {
		const { status, text } = await rig.forget(workspace, repoKey);
		assert.deepEqual([status, text], [200, '{"success":true}'], repoKey);
	}
	assert.equal(github.log.length, asked);

	const other = await ready("alice");
	const split = await server.request(`/workspace/${other}/projects/Alice/Notes/credential`, { method: "DELETE" });
	assert.equal(split.status, 200);
	assert.equal(rig.credential(other, "alice/notes"), null);
	assert.equal(github.isValid(rig.tokens.at(-1)), false);
});

test("it is forgotten even if GitHub doesn't revoke", async () => {
	for (const how of [500, "html", 404, { redirect: true, status: 307 }]) {
		const slug = await ready("alice");
		github.behave("revoke", how);
		assert.equal((await rig.forget(slug, "alice/notes")).status, 200);
		github.behave("revoke", null);
		assert.equal(rig.credential(slug, "alice/notes"), null);
		assert.equal(github.isValid(rig.tokens.at(-1)), true);
	}
});

// ---- afterwards ----

test("requests share connections", () => {
	for (const route of ["access_token", "user"]) {
		const rows = github.requests({ route });
		const connections = new Set(rows.map(({ connection }) => connection)).size;
		assert.ok(rows.length > 20 && connections <= 8, `${rows.length} requests to ${route} over ${connections} connections`);
	}
});

test("what a DBA can read or dump holds no secret", () => {
	const sealed = server.psql("select sealed from app.credential").flat();
	assert.ok(sealed.length > 5);
	const clean = (text, where) => {
		rig.assertNoSecret(text, where);
		for (const one of sealed) assert.ok(!text.includes(one), `${where} holds a sealed credential`);
	};
	const views = server.psql("select viewname from pg_views where schemaname = 'report'").flat();
	assert.ok(views.includes("projects"));
	for (const view of views) clean(JSON.stringify(server.psql(`select * from report.${view}`, { role: "craft_dba" })), view);
	for (const table of ["credential", "oauth_used"])
		assert.throws(() => server.psql(`select * from app.${table}`, { role: "craft_dba" }), /permission denied/);
	const dump = (...args) => spawnSync("pg_dump", ["-h", path.join(server.runDir, "pg"), "-U", "postgres", ...args, "craft"],
		{ encoding: "utf8", maxBuffer: 1 << 28 });
	const mine = dump("--role=craft_dba");
	clean(mine.stdout + mine.stderr, "pg_dump as craft_dba");
	const all = dump();
	assert.equal(all.status, 0, all.stderr);
	assert.ok(all.stdout.includes(sealed[0]));
	rig.assertNoSecret(all.stdout, "pg_dump");
});

test("no log holds a secret", () => {
	const text = server.logs();
	// Had a secret been sent there, it would be seen.
	assert.match(server.logs("postgres"), /api\.credential_put/);
	assert.match(text, /status=302/);
	assert.ok(rig.secrets.size > 50);
	rig.assertNoSecret(text, "a log");
});
