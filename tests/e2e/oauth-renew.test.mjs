// GitHub's tokens that expire: kept with what renews them, renewed once by whoever comes first, and used from then on; long
// tokens; what moved to another row opens nothing.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { statSync } from "node:fs";
import { after, test } from "node:test";
import { fastcgi } from "../harness/fastcgi.mjs";
import { quote, seal, startRig } from "../harness/oauth.mjs";
import { alive, ROOT, waitFor } from "../harness/server.mjs";

const HOURS = 3600;
let rig;
after(() => rig?.stop());
rig = await startRig({ env: { FCGI_GITHUB_WORKERS: "4", GITHUB_REVOKE: "1" } });
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true });
github.app.expiring = { access: 8 * HOURS, refresh: 24 * 180 * HOURS };

let counter = 0;
const fresh = () => `renew-${process.pid}-${++counter}`;
const plainOf = (slug) => rig.credential(slug, "alice/notes").plain;
const refreshes = () => github.requests({ route: "access_token" }).filter(({ fields }) => fields.grant_type === "refresh_token");

// Has the stored token be about to expire (or expired), as it would be hours later: sealed anew, with other times.
function hurry(slug, change) {
	const plain = { ...plainOf(slug), ...change };
	const sealed = seal(JSON.stringify(plain), rig.encryptionKey, { workspace: slug, item: "alice/notes" });
	server.psql(`update app.credential set sealed = ${quote(sealed)}, checked_at = now() - interval '1 hour'
		where workspace_id = (select id from app.workspace where slug = ${quote(slug)})`);
}
const soon = () => ({ expiresAt: Date.now() + 60_000 });

test("what expires is stored with its time and what renews it, sealed; the plaintext is PROTOCOL's", async () => {
	const slug = fresh();
	const before = Date.now();
	await rig.authorize(slug, "alice/notes", "alice");
	const { sealed, plain } = rig.credential(slug, "alice/notes");
	assert.match(sealed, /^2:/);
	assert.deepEqual(Object.keys(plain), ["accessToken", "username", "userId", "scope", "authenticatedAt", "expiresAt", "refreshToken", "refreshTokenExpiresAt"]);
	const late = Date.now();
	assert.ok(plain.expiresAt >= before + 8 * HOURS * 1000 && plain.expiresAt <= late + 8 * HOURS * 1000);
	assert.ok(plain.refreshTokenExpiresAt >= before + 24 * 180 * HOURS * 1000);
	assert.match(plain.refreshToken, /^ghr_/);
	const { text } = await rig.project(slug, "alice/notes");
	assert.ok(!text.includes("ghr_") && !text.includes("ghu_"));
});

test("a token that is about to expire is renewed by a check, and both are new", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	const old = plainOf(slug);
	hurry(slug, soon());
	const before = refreshes().length;
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	const plain = plainOf(slug);
	assert.equal(refreshes().length - before, 1);
	assert.notEqual(plain.accessToken, old.accessToken);
	assert.notEqual(plain.refreshToken, old.refreshToken);
	assert.ok(github.isValid(plain.accessToken) && !github.isValid(old.accessToken));
	assert.deepEqual([plain.username, plain.userId, plain.scope, plain.authenticatedAt], [old.username, old.userId, old.scope, old.authenticatedAt]);
	assert.equal(github.requests({ route: "repo", token: plain.accessToken }).length, 1, "it is the new one that asks");
	// What isn't due isn't renewed.
	rig.age(slug);
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.equal(refreshes().length - before, 1);
});

test("twelve that come at once, on two hosts: one asks GitHub, all are ready with what it got", async () => {
	const { uid, gid } = statSync(rig.confFile);
	const sockets = ["a", "b", "c"].map((name) => path.join(server.runDir, `renew-${name}.sock`));
	const second = spawn(path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build", "fcgi/craft-fcgi"), ["--config", rig.confFile], {
		stdio: ["ignore", "ignore", "inherit"], env: { PATH: process.env.PATH, FCGI_LISTEN: sockets[0], FCGI_UPLOAD_LISTEN: sockets[1],
			FCGI_GITHUB_LISTEN: sockets[2], FCGI_WORKERS: "1", FCGI_UPLOAD_WORKERS: "1", FCGI_GITHUB_WORKERS: "2", LOG_LEVEL: "error" }, ...(process.getuid() === 0 && { uid, gid }) });
	try {
		const slug = fresh();
		await rig.authorize(slug, "alice/notes", "alice");
		const body = JSON.stringify({ workspaceSlug: slug, repoKey: "alice/notes", repoUrl: rig.repoUrl("alice/notes") });
		const elsewhere = () => fastcgi(sockets[0], { REQUEST_METHOD: "POST", REQUEST_URI: "/api/sandbox/check", HTTP_HOST: "x", REQUEST_SCHEME: "https",
			HTTP_AUTHORIZATION: `Bearer ${server.apiKey}`, CONTENT_TYPE: "application/json", CONTENT_LENGTH: String(Buffer.byteLength(body)) }, body);
		await waitFor(elsewhere, { what: "the second server" });
		hurry(slug, soon());
		const before = refreshes().length;
		github.behave("access_token", { delay: 500 });
		const all = await Promise.all([...Array.from({ length: 6 }, () => rig.check(slug, "alice/notes").then(({ text }) => text)),
			...Array.from({ length: 6 }, async () => (await elsewhere()).split("\r\n\r\n")[1])]);
		github.behave("access_token", null);
		assert.deepEqual([...new Set(all)], ['{"ready":true}']);
		assert.equal(refreshes().length - before, 1);
		assert.ok(github.isValid(plainOf(slug).accessToken));
		assert.equal(server.psqlValue("select count(*) from app.credential where refresh_lease is not null"), "0");
	} finally {
		second.kill();
		await waitFor(() => !alive(second.pid), { what: "the second server to end" });
	}
});

test("GitHub away: what is good still is taken for good, what has expired waits; nothing is lost", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	for (const change of [soon(), { expiresAt: Date.now() - 1000 }]) {
		hurry(slug, change);
		for (const how of [503, 429, { status: 200, body: "{}" }, "html"]) {
			github.behave("access_token", how);
			assert.equal(await rig.isReady(slug, "alice/notes"), true);
		}
		github.behave("access_token", null);
		assert.equal(await rig.isReady(slug, "alice/notes"), true);
		assert.ok(plainOf(slug).expiresAt > Date.now() + 7 * HOURS * 1000, "renewed when GitHub is back");
	}
});

test("a refresh token that is over, or none: access has to be granted anew", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, { ...soon(), refreshToken: "ghr_worthless" });
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
	assert.equal((await rig.projects(slug))[0].hasGitHubAuth, false);
	await rig.authorize(slug, "alice/notes", "alice");
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	hurry(slug, { expiresAt: Date.now() - 1000, refreshTokenExpiresAt: Date.now() - 1000 });
	assert.equal(await rig.isReady(slug, "alice/notes"), false, "both have expired");
	hurry(slug, { expiresAt: Date.now() - 1000, refreshToken: undefined, refreshTokenExpiresAt: undefined });
	assert.equal(await rig.isReady(slug, "alice/notes"), false);
	// A wrong secret of ours is not the user's fault.
	const { clientSecret } = github.app;
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, soon());
	github.app.clientSecret = "another";
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	github.app.clientSecret = clientSecret;
});

test("GitHub has rotated, and its answer is lost: nobody has the new token, so access has to be granted anew", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, soon());
	github.behave("access_token", { cut: 0, times: 1 });
	assert.equal(await rig.isReady(slug, "alice/notes"), false, "by then the old one is worthless, too");
	await rig.authorize(slug, "alice/notes", "alice");
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
});

test("a token that GitHub refuses before its time is renewed once", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	github.revoke(plainOf(slug).accessToken);
	rig.age(slug);
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.ok(github.isValid(plainOf(slug).accessToken));
	github.revokeGrant("alice");
	rig.age(slug);
	assert.equal(await rig.isReady(slug, "alice/notes"), false, "the user took all of it away");
});

test("who renewed and died holds nobody up for longer than its lease", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, soon());
	server.psql(`update app.credential set refresh_lease = 'dead', refresh_until = now() + interval '2 s'
		where workspace_id = (select id from app.workspace where slug = ${quote(slug)})`);
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.ok(plainOf(slug).expiresAt > Date.now() + 7 * HOURS * 1000);
});

test("a login during a renewal wins", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, soon());
	github.behave("access_token", { never: true, times: 1 });
	const checking = rig.isReady(slug, "alice/notes");
	await rig.held(1);
	await rig.authorize(slug, "alice/notes", "alice");
	const granted = plainOf(slug);
	github.release();
	assert.equal(await checking, true);
	assert.deepEqual(plainOf(slug), granted);
});

test("a credential that is deleted is revoked, also when its token has expired", async () => {
	const slug = fresh();
	await rig.authorize(slug, "alice/notes", "alice");
	hurry(slug, { expiresAt: Date.now() - 1000 });
	const before = refreshes().length;
	assert.equal((await rig.forget(slug, "alice/notes")).status, 200);
	assert.equal(refreshes().length - before, 1);
	assert.equal(github.requests({ route: "revoke", status: 204 }).length > 0, true);
});

test("tokens of 520 to 8,192 characters", async () => {
	for (const length of [520, 1500, 8192]) {
		const slug = fresh();
		github.app.tokenLength = length;
		await rig.authorize(slug, "alice/notes", "alice");
		assert.equal(plainOf(slug).accessToken.length, length);
		hurry(slug, soon());
		assert.equal(await rig.isReady(slug, "alice/notes"), true);
	}
	github.app.tokenLength = 40;
});

test("a credential that was moved to another workspace or repository opens nothing there", async () => {
	const [mine, theirs] = [fresh(), fresh()];
	await github.addRepo(`alice/${theirs}`, { private: true });
	await rig.authorize(mine, "alice/notes", "alice");
	await rig.authorize(theirs, "alice/notes", "alice");
	const { sealed } = rig.credential(theirs, "alice/notes");
	server.psql(`update app.credential set sealed = ${quote(sealed)} where workspace_id = (select id from app.workspace where slug = ${quote(mine)})`);
	assert.equal(await rig.isReady(mine, "alice/notes"), false);
	const { code, stdout, stderr } = await rig.cloud("rekey");
	assert.equal(code, 1, stderr);
	assert.match(stdout, new RegExp(`^neither ${mine} alice/notes$`, "m"));
	// The older form is readable, and rekey binds it.
	server.psql(`update app.credential set sealed = ${quote(seal(JSON.stringify(plainOf(theirs)), rig.encryptionKey, null))}
		where workspace_id = (select id from app.workspace where slug = ${quote(mine)})`);
	assert.equal(await rig.isReady(mine, "alice/notes"), true);
	assert.equal((await rig.cloud("rekey")).code, 0);
	assert.match(rig.credential(mine, "alice/notes").sealed, /^2:/);
	assert.equal(await rig.isReady(mine, "alice/notes"), true);
});

test("until craft-cloud rekey says so the form of the release before is written", async () => {
	const slug = fresh();
	server.psql("update app.seal_form set form = 1");
	await rig.authorize(slug, "alice/notes", "alice");
	assert.doesNotMatch(rig.credential(slug, "alice/notes").sealed, /:/);
	assert.ok(plainOf(slug).refreshToken);
	assert.equal((await rig.cloud("rekey")).code, 0);
	assert.match(rig.credential(slug, "alice/notes").sealed, /^2:/);
	const next = fresh();
	await rig.authorize(next, "alice/notes", "alice");
	assert.match(rig.credential(next, "alice/notes").sealed, /^2:/);
});
