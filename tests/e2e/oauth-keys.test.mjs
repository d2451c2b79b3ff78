// What a configuration does to credentials and logins: a rotated or wrong ENCRYPTION_KEY, craft-cloud rekey, damaged rows,
// PUBLIC_URL, a GitHub whose certificate isn't trusted, a prefix in GitHub's URLs, and no GitHub app at all.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startGitHub } from "../fakes/github.mjs";
import { APP_URI, CALLBACK, quote, seal, startRig } from "../harness/oauth.mjs";

const [A, B] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex").toUpperCase()];
const PUBLIC = "https://craft.example:8443";
const work = mkdtempSync(path.join(tmpdir(), "craft-keys-"));
const strange = await startGitHub();
let rig;
after(async () => {
	rmSync(work, { recursive: true, force: true });
	await strange.stop();
	await rig?.stop();
});
rig = await startRig({ github: { path: "/hub", apiPath: "/api/v3" }, env: { ENCRYPTION_KEY: A, FCGI_GITHUB_WORKERS: "1" } });
rig.secrets.add(B);
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true });
await github.addRepo("alice/other", { private: true });

const counts = (stdout) => Object.fromEntries([...stdout.matchAll(/^(already|re-encrypted|neither|changed meanwhile) +(\d+)$/gm)]
	.map(([, name, n]) => [name, Number(n)]));

async function rekey() {
	const { code, stdout, stderr } = await rig.cloud("rekey");
	rig.assertNoSecret(stdout + stderr, "craft-cloud rekey");
	return { code, stderr, lost: stdout.split("\n").filter((line) => /^neither .* /.test(line) && !/^neither +\d+$/.test(line)), ...counts(stdout) };
}

test("below paths of their own both of GitHub's sites are found, over connections that are kept", async () => {
	for (const slug of ["one", "two"]) await rig.authorize(slug, "alice/notes", "alice");
	for (const route of ["access_token", "user", "repo"]) {
		const rows = github.requests({ route });
		assert.equal(rows.length, 2);
		assert.equal(new Set(rows.map(({ connection }) => connection)).size, 1, route);
	}
	assert.equal(github.requests({ route: "user" })[0].connection, github.requests({ route: "repo" })[0].connection);
	const { host, hostname } = new URL(github.url);
	assert.equal((await rig.check("one", "alice/notes", `https://${host}/hub/alice/notes.git`)).status, 200);
	assert.equal((await rig.check("one", "alice/notes", `git@${hostname}:alice/notes.git`)).status, 200);
	assert.equal((await rig.check("one", "alice/notes", `https://${host}/alice/notes.git`)).status, 400);
	assert.deepEqual(await rekey(), { code: 0, stderr: "", lost: [], already: 2, "re-encrypted": 0, neither: 0 });
});

let oldLink, oldCallback;

test("with another key all need a new login, and nothing breaks", async () => {
	oldLink = await rig.authUrl("later", "alice/notes");
	oldCallback = await rig.consent("later", "alice/notes", "alice");
	await rig.reconfigure({ ENCRYPTION_KEY: B });
	for (const slug of ["one", "two"]) assert.equal(await rig.isReady(slug, "alice/notes"), false);
	rig.assertRefused(await rig.visit(oldLink), 403, /\/api\/sandbox\/check/);
	rig.assertRefused(await rig.visit(oldCallback), 400, /^Invalid state parameter$/);
	await rig.authorize("two", "alice/notes", "alice");
	assert.equal(await rig.isReady("two", "alice/notes"), true);
	assert.match(server.logs("craft-fcgi"), /doesn't open with ENCRYPTION_KEY/);
	const { code, stderr, ...rest } = await rekey();
	assert.deepEqual(rest, { lost: ["neither one alice/notes"], already: 1, "re-encrypted": 0, neither: 1 });
	assert.equal(code, 1);
	assert.match(stderr, /ENCRYPTION_KEY_PREVIOUS is not set/);
});

test("with the old one as ENCRYPTION_KEY_PREVIOUS all goes on, links and logins under way too", async () => {
	await rig.reconfigure({ ENCRYPTION_KEY_PREVIOUS: A });
	for (const slug of ["one", "two"]) assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.equal((await rig.visit(oldLink)).status, 302);
	assert.equal(await rig.land(oldCallback), rig.success("alice/notes", "alice"));
	for (const slug of ["two", "later"]) assert.ok(rig.credential(slug, "alice/notes", B).plain, "new ones are under the new key");
	assert.ok(rig.credential("one", "alice/notes", A).plain);
	const ticket = new URL(await rig.authUrl("fresh", "alice/notes")).searchParams.get("ticket");
	assert.notEqual(ticket, null);
});

test("craft-cloud rekey makes the old key unnecessary, and may be run again", async () => {
	// More than are read at once, with a damaged one and one that neither key opens in between.
	await rig.authorize("one", "alice/other", "alice");
	const { sealed, plain } = rig.credential("one", "alice/notes", A);
	// In the older form, which isn't bound to its place.
	const unbound = seal(JSON.stringify(plain), A, null);
	server.psql(`insert into app.workspace (slug) select 'many ' || n from generate_series(1, 1200) n;
		insert into app.project (workspace_id, repo_key, repo_url) select id, 'alice/notes', 'x' from app.workspace where slug like 'many %';
		insert into app.credential (workspace_id, repo_key, sealed, username, user_id, scope, authenticated_at)
			select w.id, c.repo_key, case w.slug when 'many 7' then 'damaged' when 'many 1100' then overlay(${quote(unbound)} placing 'AAAA' from 20) else ${quote(unbound)} end,
				c.username, c.user_id, c.scope, now() from app.workspace w, app.credential c where w.slug like 'many %' and c.sealed = ${quote(sealed)}`);
	const before = rig.credential("many 600", "alice/notes", A).plain;
	const stop = server.psqlValue("select id from app.workspace where slug = 'many 700'");
	server.psql(`create function public.stop() returns trigger language plpgsql as $$ begin raise exception 'stopped by the test'; end $$;
		create trigger stop before update on app.credential for each row when (new.workspace_id = ${stop}) execute function public.stop()`);
	const broken = await rekey();
	server.psql("drop function public.stop() cascade");
	assert.equal(broken.code, 1);
	assert.match(broken.stderr, /what was done stays done, run it again/);
	assert.ok(broken["re-encrypted"] > 600 && broken["re-encrypted"] < 1199, `${broken["re-encrypted"]} before it ended`);
	const first = await rekey();
	assert.deepEqual([first.code, first.already, first["re-encrypted"], first.neither], [1, 3 + broken["re-encrypted"], 1199 - broken["re-encrypted"], 2]);
	assert.deepEqual(first.lost.sort(), ["neither many 1100 alice/notes", "neither many 7 alice/notes"]);
	assert.match(first.stderr, /neither key/);
	assert.deepEqual(rig.credential("many 600", "alice/notes", B).plain, before, "the same in it, the time too");
	server.psql("delete from app.credential c using app.workspace w where w.id = c.workspace_id and w.slug in ('many 7', 'many 1100')");
	const second = await rekey();
	assert.deepEqual([second.code, second.already, second["re-encrypted"], second.neither], [0, 1202, 0, 0]);
	await rig.reconfigure({ ENCRYPTION_KEY_PREVIOUS: null });
	for (const slug of ["one", "many 1", "many 1200"]) assert.equal(await rig.isReady(slug, "alice/notes"), true);
	rig.assertRefused(await rig.visit(oldLink), 403, /\/api\/sandbox\/check/);
});

test("what is damaged in the database needs a new login", async () => {
	const { sealed } = rig.credential("one", "alice/notes");
	const raw = Buffer.from(sealed, "base64");
	const plain = (text) => text.toString("base64");
	const damages = ["x", "=", "!!!!", plain(raw.subarray(0, 27)), plain(raw.subarray(0, 12)), plain(Buffer.alloc(28)), plain(raw.subarray(0, -1)), `${sealed}AAAA`, sealed.toLowerCase(),
		`${sealed}\n`, plain(Buffer.alloc(500_000)), "A".repeat(1_000_003), "ü"];
	for (const text of damages) {
		server.psql(`update app.credential set sealed = ${text.length > 10_000 ? `repeat('A', ${text.length})` : quote(text)}
			where workspace_id = (select id from app.workspace where slug = 'one')`);
		assert.equal(await rig.isReady("one", "alice/notes"), false, text.slice(0, 40));
		assert.equal((await rig.project("one", "alice/notes")).status, 200);
	}
	await rig.authorize("one", "alice/notes", "alice");
	assert.equal(await rig.isReady("one", "alice/notes"), true);
});

test("another authority than GitHub's: no request goes out, token_exchange_failed; PUBLIC_URL names this server", async () => {
	const before = github.log.length;
	await rig.reconfigure({ GITHUB_CA_FILE: strange.caFile, PUBLIC_URL: PUBLIC });
	const { authUrl } = (await rig.check("public", "alice/notes")).json;
	assert.ok(authUrl.startsWith(`${PUBLIC}/oauth/github?workspaceSlug=public&`), authUrl);
	const away = await server.request(authUrl.slice(PUBLIC.length), { key: null, headers: { Host: "evil.example" } });
	assert.equal(away.status, 302);
	const target = rig.note(away.headers.location);
	assert.equal(new URL(target).searchParams.get("redirect_uri"), PUBLIC + CALLBACK);
	github.app.callbackUrl = PUBLIC + CALLBACK;
	const callback = rig.note(await github.authorize(target, "alice"));
	assert.ok(callback.startsWith(`${PUBLIC}${CALLBACK}?code=`), callback);
	const back = await server.request(callback.slice(PUBLIC.length), { key: null });
	assert.equal(back.headers.location, rig.failure("alice/notes", "token_exchange_failed"));
	assert.equal(await rig.isReady("one", "alice/notes"), true, "what was good is taken for good");
	rig.age("one");
	assert.equal(await rig.isReady("one", "alice/notes"), true);
	assert.deepEqual(github.log.slice(before).filter(({ agent }) => agent?.startsWith("craft")), []);
	assert.match(server.logs("craft-fcgi"), /asking GitHub \(access_token\) failed: .*certificate/i);
});

test("an authority's file that isn't there or none: no login, and no crash", async () => {
	const file = path.join(work, "ca.pem");
	writeFileSync(file, "no certificate\n");
	for (const caFile of [file, path.join(work, "nothing.pem")]) {
		await rig.reconfigure({ GITHUB_CA_FILE: caFile });
		const state = rig.state({ workspace: "one", repoKey: "alice/notes", redirectUri: APP_URI });
		const back = await server.request(`${CALLBACK}?code=0123456789abcdef0123&state=${state}`, { key: null });
		assert.equal(back.headers.location, rig.failure("alice/notes", "token_exchange_failed"));
	}
});

test("the exchange names the callback by PUBLIC_URL too", async () => {
	await rig.reconfigure({ GITHUB_CA_FILE: github.caFile });
	const { authUrl } = (await rig.check("public", "alice/notes")).json;
	const away = await server.request(authUrl.slice(PUBLIC.length), { key: null });
	const callback = rig.note(await github.authorize(rig.note(away.headers.location), "alice"));
	const back = await server.request(callback.slice(PUBLIC.length), { key: null });
	assert.equal(back.headers.location, rig.success("alice/notes", "alice"));
	assert.equal(github.requests({ route: "access_token" }).at(-1).fields.redirect_uri, PUBLIC + CALLBACK);
});

test("without GITHUB_REVOKE a credential is forgotten and its token stays", async () => {
	const token = rig.tokens.at(-1);
	assert.equal((await rig.forget("public", "alice/notes")).status, 200);
	assert.equal(rig.credential("public", "alice/notes"), null);
	assert.deepEqual([github.isValid(token), github.requests({ route: "revoke" }).length], [true, 0]);
});

test("no app is configured: 503 for who logs in, and what there is stays", async () => {
	await rig.reconfigure({ GITHUB_CLIENT_ID: null, PUBLIC_URL: null });
	assert.equal(await rig.isReady("one", "alice/notes"), true);
	const authUrl = await rig.authUrl("without", "alice/notes");
	rig.assertRefused(await rig.visit(authUrl), 503, /GitHub|GITHUB/);
	rig.assertRefused(await server.request(rig.startPath("one", "alice/notes")), 503, /GitHub|GITHUB/);
	rig.assertRefused(await server.request(rig.startPath("one", "alice/notes"), { key: null }), 403, /\/api\/sandbox\/check/);
	const state = rig.state({ workspace: "one", repoKey: "alice/notes", redirectUri: APP_URI });
	const back = await server.request(`${CALLBACK}?code=0123456789abcdef0123&state=${state}`, { key: null });
	assert.equal(back.headers.location, rig.failure("alice/notes", "internal_error"));
});
