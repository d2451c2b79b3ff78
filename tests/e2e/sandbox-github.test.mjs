// craft-sandboxd and GitHub: by way of a proxy that wants a password, which nobody can read from outside; with tokens that
// expire, which it renews before a clone, in the middle of a sandbox's life, and when GitHub has refused one.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { quote, seal } from "../harness/oauth.mjs";
import { startProxy } from "../fakes/proxy.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const HOURS = 3600;
const PASSWORD = "pr0xy-p@ss:w/rd%";
let rig, proxy;

before(async () => {
	proxy = await startProxy({ user: "craft user", password: PASSWORD });
	// Its whole name with the password, and the password alone, as they could be seen somewhere.
	rig = await startSandboxRig({ env: { OUTGOING_PROXY: proxy.url } });
	for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), proxy.wanted.slice(6)]) rig.rig.secrets.add(secret);
	rig.github.app.expiring = { access: 8 * HOURS, refresh: 24 * 180 * HOURS };
});

after(async () => {
	await rig?.stop();
	await proxy?.stop();
});

const hostOf = (url) => new URL(url).host;
const through = (url, since) => proxy.connects.slice(since).filter((host) => host === hostOf(url)).length;
const plainOf = (repoKey) => rig.rig.credential(rig.slug, repoKey).plain;
const refreshes = () => rig.github.requests({ route: "access_token" }).filter(({ fields }) => fields.grant_type === "refresh_token").length;

function hurry(repoKey, change) {
	const sealed = seal(JSON.stringify({ ...plainOf(repoKey), ...change }), rig.rig.encryptionKey, { workspace: rig.slug, item: repoKey });
	rig.server.psql(`update app.credential set sealed = ${quote(sealed)} where repo_id = ${quote(repoKey)}`);
}

// Everything that a neighbour on the host can read of processes, while something goes on.
function watch() {
	const seen = new Set();
	const look = () => {
		for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
			for (const file of ["cmdline", "environ"]) {
				try {
					const text = readFileSync(`/proc/${pid}/${file}`, "latin1");
					if (/craft|git/.test(text)) seen.add(`${file}: ${text.replaceAll("\0", " ")}`);
				} catch { /* gone, or not ours */ }
			}
		}
	};
	const timer = setInterval(look, 5);
	return () => { clearInterval(timer); return [...seen]; };
}

test("login, check, clone, a fetch from the box and the model go by the proxy; its password is nowhere to be seen", async () => {
	const { github, anthropic } = rig;
	await rig.addRepo("alice/notes", { "a.txt": "one\n" });
	assert.ok(through(github.url) > 0 && through(github.apiUrl) > 0, "craft-fcgi");
	const before = proxy.connects.length;
	const stop = watch();
	const sandbox = await rig.ready("alice/notes");
	const seen = stop();
	assert.ok(through(github.url, before) > 0, "the clone");
	assert.ok(seen.some((text) => /^cmdline: .*git/.test(text)), "git was seen");
	// The daemons' own environment has it as a key, for the test's sake only.
	for (const text of seen.filter((line) => !line.includes("OUTGOING_PROXY=")))
		for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), proxy.wanted.slice(6)]) assert.ok(!text.includes(secret), text.slice(0, 200));
	await github.commit("alice/notes", { message: "two", files: { "b.txt": "two\n" } });
	const fetching = proxy.connects.length;
	assert.equal((await sandbox.bash("git fetch -q && git show FETCH_HEAD:b.txt")).output, "two\n");
	assert.ok(through(github.url, fetching) > 0, "the gateway");
	const asking = proxy.connects.length;
	const { result } = await sandbox.execute("Say hi");
	assert.equal(result.success, true);
	assert.ok(through(anthropic.url, asking) > 0, "the model");
	assert.equal(proxy.others, 0, "nothing is shown to the proxy");
	await sandbox.delete();
});

test("a proxy that refuses is told as what it is, without its password", async () => {
	proxy.status = 503;
	try {
		const sandbox = await rig.begin("alice/notes");
		const { error } = await waitFor(async () => {
			const { json } = await rig.server.request(`/api/sandbox/${rig.slug}/${sandbox.sessionId}/status`);
			return json.error && json;
		}, { what: "the clone to fail", deadline: 60_000 });
		assert.ok(!error.includes(PASSWORD) && !error.includes("craft user"), error);
	} finally {
		proxy.status = null;
	}
});

test("a token that is about to expire is renewed before the clone, and the clone is made with the new one", async () => {
	await rig.addRepo("alice/soon", { "a.txt": "one\n" });
	const old = plainOf("alice/soon");
	hurry("alice/soon", { expiresAt: Date.now() + 60_000 });
	const before = refreshes();
	const sandbox = await rig.ready("alice/soon");
	const plain = plainOf("alice/soon");
	assert.notEqual(plain.accessToken, old.accessToken);
	assert.ok(rig.github.requests({ route: "git", token: plain.accessToken }).length > 0);
	assert.equal(rig.github.requests({ route: "git", token: old.accessToken }).length, 0);
	assert.equal(refreshes() - before, 1);
	await sandbox.delete();
});

test("a token that GitHub refuses at the clone is renewed, and the clone goes on", async () => {
	await rig.addRepo("alice/refused", { "a.txt": "one\n" });
	rig.github.revoke(plainOf("alice/refused").accessToken);
	const sandbox = await rig.ready("alice/refused");
	assert.equal((await sandbox.bash("cat a.txt")).output, "one\n");
	assert.ok(rig.github.isValid(plainOf("alice/refused").accessToken));
	await sandbox.delete();
});

test("a token that is renewed elsewhere while a sandbox lives: its next fetch but one has the new one", async () => {
	await rig.addRepo("alice/lives", { "a.txt": "one\n" });
	const sandbox = await rig.ready("alice/lives");
	// A check renews it: the one that the gateway has is worth nothing.
	hurry("alice/lives", { expiresAt: Date.now() + 60_000 });
	rig.rig.age(rig.slug);
	const before = refreshes();
	assert.equal(await rig.rig.isReady(rig.slug, "alice/lives"), true);
	await waitFor(async () => (await sandbox.bash("git fetch -q 2>/dev/null && echo fetched", { fails: true })).output === "fetched\n",
		{ what: "a fetch with the new token", deadline: 120_000 });
	assert.equal(refreshes() - before, 1, "the sandbox takes over what was renewed");
	await sandbox.delete();
});

test("a token of 4,096 characters clones and fetches", async () => {
	rig.github.app.tokenLength = 4096;
	await rig.addRepo("alice/long", { "a.txt": "one\n" });
	rig.github.app.tokenLength = 40;
	const sandbox = await rig.ready("alice/long");
	assert.equal((await sandbox.bash("git fetch -q && cat a.txt")).output, "one\n");
	await sandbox.delete();
});
