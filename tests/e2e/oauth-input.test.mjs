// What comes to the two OAuth URLs from browsers that anybody can send there: parameters that are missing, repeated, huge or
// malformed, redirect URIs, tickets and states that are forged, changed, old, of somebody else or used before. None of it
// sends a browser anywhere, and all of it is told in JSON.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { APP_URI, CALLBACK, quote, seconds, startRig } from "../harness/oauth.mjs";
import { fastcgi } from "../harness/fastcgi.mjs";
import { ROOT, alive, waitFor } from "../harness/server.mjs";

const ALLOWED = "https://ok.example/app other.app://cb https://port.example:444/";
let rig;
after(() => rig?.stop());
rig = await startRig({ people: ["alice", "carol"], env: { OAUTH_REDIRECT_ALLOW: ALLOWED } });
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true });

let counter = 0;
const fresh = () => `input-${process.pid}-${++counter}`;
const grantOf = (workspace, more) => ({ workspace, repoKey: "alice/notes", redirectUri: APP_URI, ...more });
const callback = (parameters) => server.request(`${CALLBACK}?${new URLSearchParams(parameters)}`, { key: null });
// A code that GitHub never gave: to come as far as being refused by it, a state must be good.
const CODE = "0123456789abcdef0123";
const badCode = () => rig.failure("alice/notes", "bad_verification_code");

async function assertGood(state, what) {
	const answer = await callback({ code: CODE, state });
	assert.equal(answer.status, 302, `${what} ${answer.text}`);
	assert.equal(answer.headers.location, badCode(), what);
}

// ---- /oauth/github ----

test("missing, empty, repeated and malformed parameters", async () => {
	const slug = fresh();
	const missing = "Missing required parameters: workspaceSlug, repoKey, redirectUri";
	for (const name of ["workspaceSlug", "repoKey", "redirectUri"]) {
		for (const value of [null, ""]) {
			for (const key of [undefined, null]) {
				const parameters = { workspaceSlug: slug, repoKey: "alice/notes", [name]: value };
				const target = rig.startPath(parameters.workspaceSlug, parameters.repoKey, parameters);
				const answer = await server.request(target.replace(/&(workspaceSlug|repoKey)=[^&]*$/, ""), { key });
				rig.assertRefused(answer, 400, /./, target);
				assert.equal(answer.json.error, missing, target);
			}
		}
	}
	rig.assertRefused(await server.request("/oauth/github"), 400, /^Missing required parameters/);
	const good = rig.startPath(slug, "alice/notes", { ticket: "x" });
	for (const name of ["workspaceSlug", "repoKey", "redirectUri", "ticket"]) {
		for (const more of [`&${name}=x`, `&${name}=`])
			rig.assertRefused(await server.request(good + more), 400, new RegExp(name), name);
		for (const bad of ["%", "%2", "%zz", "%00", "%ff", "%c0%af", "%ed%a0%80", "a%00b"]) {
			const target = good.replace(new RegExp(`${name}=[^&]*`), `${name}=${bad}`);
			rig.assertRefused(await server.request(target), 400, new RegExp(name), target);
		}
	}
	assert.equal((await server.request(`${good}&unknown=1&unknown=2&=&&x`)).status, 302, "what isn't known doesn't matter");
});

test("slugs and repositories by their rules", async () => {
	const ask = (slug, repoKey) => server.request(rig.startPath(slug, repoKey));
	rig.assertRefused(await ask("x".repeat(1025), "alice/notes"), 400, /^Invalid workspaceSlug/);
	assert.equal((await ask("x".repeat(1024), "alice/notes")).status, 302);
	for (const repoKey of ["alice", "alice/notes/x", "../x", "alice/..", "alice/notes.git", "-a/x", "a--b/x", "alice/x y", "alice/\r\nx",
		"álice/x", `${"a".repeat(40)}/x`, `a/${"x".repeat(101)}`])
		rig.assertRefused(await ask("s", repoKey), 400, /^Invalid repoKey/, repoKey);
	for (const length of [20_000, 200_000])
		rig.assertRefused(await ask("s", "x".repeat(length)), 414, /./, String(length));
});

test("other methods", async () => {
	const slug = fresh();
	const state = rig.state(grantOf(slug));
	for (const method of ["POST", "PUT", "DELETE"]) {
		for (const target of [rig.startPath(slug, "alice/notes"), `${CALLBACK}?code=${CODE}&state=${state}`])
			rig.assertRefused(await server.request(target, { method }), 405, /./, `${method} ${target}`);
	}
	for (const target of ["/oauth", "/oauth/", "/oauth/gitlab", "/oauth/github/", `${CALLBACK}/`, `${CALLBACK}/x`])
		rig.assertRefused(await server.request(target), 404, /./, target);
	const head = await server.request(`${CALLBACK}?code=${CODE}&state=${state}`, { method: "HEAD", key: null });
	assert.notEqual(head.status, 302, "what only looks doesn't use a state up");
	await assertGood(state, "after HEAD");
});

test("where a browser may be sent afterwards", async () => {
	const landing = async (redirectUri, expected) => {
		const target = await rig.toGitHub("s", "alice/notes", { redirectUri });
		const answer = await callback({ error: "access_denied", state: new URL(target).searchParams.get("state") });
		assert.equal(answer.status, 302, redirectUri);
		assert.equal(answer.headers.location, `${redirectUri}${expected}error=access_denied&repo=alice%2Fnotes`);
	};
	for (const uri of ["craft-agent://oauth/callback", "craft-agent://x", "craft-agent://", "CRAFT-AGENT://x", "http://localhost", "http://localhost/",
		"http://LOCALHOST:65535/a%20b", "http://127.0.0.1", "http://127.0.0.1:9/a/b;c", "http://[::1]", "http://[::1]:49152/cb", "https://ok.example/app", "https://ok.example/app/below",
		"https://ok.example:443/app/", "other.app://cb", "other.app://cb/x", "https://port.example:444/anything"])
		await landing(uri, "?");
	for (const uri of ["craft-agent://x?y=1", "http://localhost:1234/cb?x=1", "http://127.0.0.1?a=b&c=%26", "https://ok.example/app?x=/../y"])
		await landing(uri, "&");
	await landing("http://localhost:1/?", "");
	await landing("http://localhost:1/?x=1&", "");

	const bad = ["craft-agent:", "craft-agent:x", "craft-agent:/x", "craft-agent", "craft-agentx://x", "xcraft-agent://x",
		"craft-agent://u@x", "craft-agent://x#y", "http://localhost.evil.com", "http://localhost@evil.com/", "http://evil.com@localhost/",
		"http://localhost:80@evil.com/", "http://user:pw@127.0.0.1/", "http://localhost#x", "http://localhost/#",
		"http://localhost/\r\nX-Evil: 1", "http://localhost/\n", "\nhttp://localhost/", " http://localhost/", "http://localhost/ x",
		"http://localhost\t/", "http://localhost\\@evil.com/", "http://localhost\\.evil.com", "http:\\\\localhost", "http:/localhost",
		"http:localhost", "//localhost", "localhost", "http://localhost:0/", "http://localhost:65536/", "http://localhost:8080x/",
		"http://localhost:/", "http://localhost%2eevil.com/", "http://localhost%00/", "http://localhost/%0", "http://127.0.0.1.evil.com",
		"http://127.0.0.2/", "http://127.1/", "http://2130706433/", "http://0.0.0.0/", "http://[::2]/", "http://[::1].evil/", "http://[::1]@evil/", "http://①27.0.0.1/",
		"http://localhost。/", "http://localhost./", "https://localhost/", "https://evil", "https://evil.example/?u=http://localhost/",
		"javascript:alert(1)", "javascript://localhost/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "blob:http://localhost/",
		"view-source:http://localhost/", "http://localhost/é", "http://localhost/<script>", "http://localhost/\"",
		"https://ok.example/application", "https://ok.example/", "https://ok.example", "https://ok.example:444/app", "http://ok.example/app",
		"https://ok.example.evil/app", "https://x.ok.example/app", "https://ok.example/app/../x", "https://ok.example/app/%2e%2e/x",
		"https://ok.example/APP", "other.app:cb", "other.app://cbx", "https://port.example/x", `http://localhost/${"x".repeat(2032)}`];
	for (const redirectUri of bad) {
		for (const key of [undefined, null]) {
			const answer = await server.request(rig.startPath("s", "alice/notes", { redirectUri }), { key });
			rig.assertRefused(answer, 400, /^Invalid redirectUri/, redirectUri);
		}
	}
});

// ---- tickets ----

test("without a key and a good ticket for just this: 403 that says where to get one", async () => {
	const slug = fresh();
	const ask = (ticket, more = {}) => server.request(rig.startPath(more.slug ?? slug, more.repoKey ?? "alice/notes",
		{ ticket, redirectUri: more.redirectUri ?? APP_URI }), { key: null });
	const refused = async (ticket, more, what) =>
		rig.assertRefused(await ask(ticket, more), 403, /\/api\/sandbox\/check/, what);
	const good = new URL(await rig.authUrl(slug, "alice/notes")).searchParams.get("ticket");
	assert.equal((await ask(good)).status, 302);
	assert.equal((await ask(good)).status, 302, "it may be opened again");
	assert.equal((await ask(rig.ticket(grantOf(slug)))).status, 302, "the test makes them as the server does");
	await refused(null, {}, "none");
	await refused("", {}, "empty");
	await refused(good, { slug: `${slug}x` }, "another workspace");
	await refused(good, { slug: slug.toUpperCase() }, "another case");
	await refused(good, { repoKey: "alice/note" }, "another repository");
	await refused(good, { redirectUri: "http://localhost:1/" }, "another redirectUri");
	await refused(good, { redirectUri: `${APP_URI}?x` }, "a longer redirectUri");
	// Fields that run into each other must not.
	await refused(rig.ticket({ workspace: `${slug}a`, repoKey: "lice/notes", redirectUri: APP_URI }), {}, "moved letters");
	await refused(rig.ticket(grantOf(slug), { expires: seconds() - 1 }), {}, "expired");
	await refused(rig.ticket(grantOf(slug), { expires: -1 }), {}, "before 1970");
	await refused(rig.ticket(grantOf(slug), { key: randomBytes(32).toString("hex") }), {}, "of another server");
	await refused(rig.state(grantOf(slug)), {}, "a state");
	for (let i = 0; i < good.length; i += 6) {
		const other = good[i] === "A" ? "B" : "A";
		await refused(good.slice(0, i) + other + good.slice(i + 1), {}, `changed at ${i}`);
		await refused(good.slice(0, i), {}, `cut at ${i}`);
	}
	for (const ticket of [`${good}=`, `${good}A`, ` ${good}`, good.replace(/.$/, "+"), "A".repeat(54), "A".repeat(5000)])
		await refused(ticket, {}, ticket.slice(0, 70));
});

test("the API key does without a ticket, by header or query; a wrong one is refused even with a ticket", async () => {
	const slug = fresh();
	const url = rig.startPath(slug, "alice/notes");
	assert.equal((await server.request(url)).status, 302);
	const byQuery = await server.request(`${url}&apiKey=${server.apiKey}`, { key: null });
	assert.equal(byQuery.status, 302);
	assert.ok(!byQuery.headers.location.includes(server.apiKey));
	const ticket = rig.ticket(grantOf(slug));
	for (const target of [url, `${url}&ticket=${ticket}`]) {
		rig.assertRefused(await server.request(target, { key: "wrong" }), 401, /^Unauthorized$/);
		rig.assertRefused(await server.request(`${target}&apiKey=wrong`, { key: null }), 401, /^Unauthorized$/);
	}
	assert.equal((await server.request(`${url}&ticket=x`)).status, 302, "the key counts, whatever the ticket");
});

// ---- states ----

test("callbacks without a state, a code, or with two of them", async () => {
	const state = rig.state(grantOf(fresh()));
	const other = rig.state(grantOf(fresh()));
	const missing = /^Missing code or state parameter$/;
	const table = [["", missing], [`code=${CODE}`, missing], [`state=${state}`, missing], [`code=${CODE}&state=`, missing], [`code=&state=${state}`, missing],
		["error=access_denied", missing], [`code=${CODE}&state=${state}&state=${state}`, /state/], [`code=${CODE}&state=${state}&state=${other}`, /state/],
		[`code=${CODE}&code=${CODE}&state=${state}`, /code/], [`error=x&error=y&state=${state}`, /./], [`code=%ff&state=${state}`, /code/], [`code=%00&state=${state}`, /code/],
		[`code=${"x".repeat(513)}&state=${state}`, /code/], [`code=${CODE}&state=%00`, /state/], [`code=${CODE}&state=%`, /state/]];
	for (const [query, pattern] of table)
		rig.assertRefused(await server.request(`${CALLBACK}?${query}`, { key: null }), 400, pattern, query.slice(0, 80));
	assert.equal(github.requests({ route: "access_token" }).length, github.requests({ route: "access_token", status: 200 }).length);
	await assertGood(state, "none of these has used it up");
});

test("forged, changed, cut, expired and foreign states", async () => {
	const grant = grantOf(fresh());
	await assertGood(rig.state(grant), "the test makes them as the server does");
	const good = rig.state(grant);
	const refused = async (state, what, pattern = /^Invalid state parameter$/) =>
		rig.assertRefused(await callback({ code: CODE, state }), 400, pattern, what);
	const before = github.log.length;
	for (let i = 0; i < good.length; i += 7) {
		await refused(good.slice(0, i) + (good[i] === "A" ? "B" : "A") + good.slice(i + 1), `changed at ${i}`);
		if (i) await refused(good.slice(0, i), `cut at ${i}`);
	}
	for (const state of ["x", "null", "A".repeat(1000), "A".repeat(4521), randomBytes(3000).toString("base64url"), `${good}=`, `${good}A`, `${good}.`, ` ${good}`,
		good + good, good.replace(/.$/, "+")])
		await refused(state, state.slice(0, 40));
	await refused(rig.state(grant, { key: randomBytes(32).toString("hex") }), "of another server");
	await refused(rig.ticket(grant), "a ticket");
	for (const expires of [seconds() - 1, seconds() - 600, 0])
		await refused(rig.state(grant, { expires }), `expired at ${expires}`, /expired/);
	await refused(rig.state(grant, { expires: seconds() - 1, key: randomBytes(32).toString("hex") }), "foreign and expired");
	assert.ok((await callback({ code: CODE, state: "x".repeat(100_000) })).status >= 400);
	assert.equal(github.log.length, before, "GitHub hears of none of these");
	await assertGood(good, "it was good");
	assert.equal(server.psqlValue(`select count(*) from app.credential c join app.workspace w on w.id = c.workspace_id where w.slug = ${quote(grant.workspace)}`), "0");
});

test("a state tells the truth whatever the query says beside it", async () => {
	const slug = fresh();
	const url = new URL(await rig.consent(slug, "alice/notes", "alice"));
	for (const [name, value] of [["workspaceSlug", "other"], ["repoKey", "bob/x"], ["redirectUri", "https://evil"], ["ticket", "x"]])
		url.searchParams.append(name, value);
	assert.equal(await rig.land(url.href), rig.success("alice/notes", "alice"));
	assert.deepEqual((await rig.projects(slug)).map(({ repoKey }) => repoKey), ["alice/notes"]);
});

test("a state works once, also after an error and after a failure", async () => {
	const used = /used already/;
	const done = await rig.consent(fresh(), "alice/notes", "alice");
	assert.equal(await rig.land(done), rig.success("alice/notes", "alice"));
	rig.assertRefused(await rig.visit(done), 400, used);
	const denied = await rig.consent(fresh(), "alice/notes", "carol", { deny: true });
	assert.equal(await rig.land(denied), rig.failure("alice/notes", "access_denied"));
	rig.assertRefused(await rig.visit(denied), 400, used);
	const wrong = rig.state(grantOf(fresh()));
	await assertGood(wrong, "first");
	rig.assertRefused(await callback({ code: CODE, state: wrong }), 400, used);
	const many = await rig.consent(fresh(), "alice/notes", "alice");
	const answers = await Promise.all(Array.from({ length: 12 }, () => rig.visit(many)));
	assert.deepEqual(answers.map(({ status }) => status).sort(), [302, ...Array(11).fill(400)]);
});

test("a state that another worker has in hand is used", async () => {
	const url = await rig.consent(fresh(), "alice/notes", "alice");
	rig.hang("access_token");
	const first = rig.visit(url);
	try {
		await rig.held(1);
		// That worker waits for GitHub: this one is another.
		rig.assertRefused(await rig.visit(url), 400, /used already/);
	} finally {
		rig.letGo("access_token");
	}
	assert.equal((await first).headers.location, rig.success("alice/notes", "alice"));
});

// ---- another machine with the same database ----

test("a state works once on all machines that share a database", async () => {
	const { uid, gid } = statSync(rig.confFile);
	const sockets = ["a", "b", "c"].map((name) => path.join(server.runDir, `${name}.sock`));
	const second = spawn(path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build", "fcgi/craft-fcgi"), ["--config", rig.confFile], {
		stdio: ["ignore", "ignore", "inherit"], env: { PATH: process.env.PATH, FCGI_LISTEN: sockets[0], FCGI_UPLOAD_LISTEN: sockets[1],
			FCGI_GITHUB_LISTEN: sockets[2], FCGI_WORKERS: "1", FCGI_UPLOAD_WORKERS: "1", FCGI_GITHUB_WORKERS: "1", LOG_LEVEL: "error" }, ...(process.getuid() === 0 && { uid, gid }) });
	try {
		const there = (url) => waitFor(() => fastcgi(sockets[0], { REQUEST_METHOD: "GET", REQUEST_URI: url.pathname + url.search, HTTP_HOST: url.host,
			REQUEST_SCHEME: "https", REQUEST_ID: "second" }), { what: "the second server" });
		const [here, first] = [await rig.consent(fresh(), "alice/notes", "alice"), new URL(await rig.consent(fresh(), "alice/notes", "alice"))];
		assert.equal(await rig.land(here), rig.success("alice/notes", "alice"));
		assert.match(await there(new URL(here)), /^Status: 400[^]*used already/);
		assert.ok((await there(first)).includes(`Location: ${rig.success("alice/notes", "alice")}`));
		rig.assertRefused(await rig.visit(first.href), 400, /used already/);
	} finally {
		second.kill();
		await waitFor(() => !alive(second.pid), { what: "the second server to end" });
	}
});
