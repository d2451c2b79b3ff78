// Made-up signatures and keys by the thousand: those that are right open all the same, each time, also where the server knew
// nothing of them before; and what can't be checked is never called wrong.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { startRig } from "../harness/oauth.mjs";
import { waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const WORKSPACES = 12;
const AT_ONCE = 8;
let rig, server;
const rooms = [];

before(async () => {
	rig = await startRig();
	({ server } = rig);
	for (let i = 0; i < WORKSPACES; i++) rooms.push(await room(`team-${i}`));
});
after(() => rig?.stop());

// A workspace with a key and a signed link made with that key.
async function room(slug) {
	const { code, stdout } = await rig.cloud("key", "add", "--workspace", slug, "--name", "laptop");
	assert.equal(code, 0);
	const key = stdout.trim();
	rig.secrets.add(key);
	const target = `/files/${slug}/s/attachments/a.txt`;
	assert.equal((await server.request(target, { method: "PUT", body: slug, key })).status, 201);
	const { url } = (await server.request(`${target}/sign`, { method: "POST", key })).json;
	return { slug, key, target, signed: url.slice(server.url.length) };
}

// Requests without end, AT_ONCE at a time, until stop(); statuses: how often which came.
function flood(make, ask = async (request) => (await server.request(...request)).status) {
	const statuses = {};
	let over = false;
	const one = async () => {
		while (!over) {
			const status = await ask(make());
			statuses[status] = (statuses[status] ?? 0) + 1;
		}
	};
	const all = Promise.all(Array.from({ length: AT_ONCE }, one));
	return { statuses, stop: () => { over = true; return all; } };
}

const exp = () => Math.floor(Date.now() / 1000) + 600;
const madeUpSignature = () => [`/files/${randomBytes(8).toString("hex")}/s/attachments/a?exp=${exp()}&sig=${randomBytes(32).toString("hex")}`, { key: null }];
const madeUpKey = () => ["/workspace/w/labels", { key: `cak_${randomBytes(8).toString("hex")}_${randomBytes(32).toString("hex")}` }];
const total = (statuses) => Object.values(statuses).reduce((sum, n) => sum + n, 0);

// Each link and key once, by a request each, on a server whose workers know none of them.
async function allOpen(what) {
	for (const { slug, key, target, signed } of rooms) {
		const byLink = await server.request(signed, { key: null });
		assert.deepEqual([byLink.status, byLink.text], [200, slug], `${what}: the link of ${slug}`);
		const byKey = await server.request(target, { key });
		assert.deepEqual([byKey.status, byKey.text], [200, slug], `${what}: the key of ${slug}`);
	}
}

for (const [what, make, allowed] of [["signatures", madeUpSignature, ["403"]], ["keys", madeUpKey, ["401", "429"]]])
	test(`made-up ${what} in a flood`, { timeout: 180_000 }, async () => {
		await server.restart();
		const bad = flood(make);
		try {
			// More than any allowance for questions about the unknown.
			while (total(bad.statuses) < 2000) await new Promise((resolve) => setTimeout(resolve, 50));
			for (let round = 0; round < 5; round++) await allOpen(`round ${round} among made-up ${what}`);
		} finally {
			await bad.stop();
		}
		assert.deepEqual(Object.keys(bad.statuses).filter((status) => !allowed.includes(status)), [], JSON.stringify(bad.statuses));
		await allOpen(`after made-up ${what}`);
	});

// An upgrade at a bridge, past nginx, as from that address: its status, 101 when it opened.
async function upgrade([workspace, apiKey, address]) {
	try {
		(await connect(server, workspace, { apiKey, bridge: 0, headers: { "X-Real-IP": address } })).kill();
		return 101;
	} catch (error) {
		if (!error.response) throw error;
		return error.response.status;
	}
}

const madeUpAddress = () => `10.${[...randomBytes(3)].join(".")}`;
for (const [what, address, allowed] of [["many addresses", madeUpAddress, ["401"]], ["one address, the right ones' too", () => "192.0.2.1", ["401", "429"]]])
	test(`made-up keys in a flood at a bridge, of ${what}`, { timeout: 180_000 }, async () => {
		await server.restart();
		const bad = flood(() => ["w", madeUpKey()[1].key, address()], upgrade);
		try {
			while (total(bad.statuses) < 2000) await new Promise((resolve) => setTimeout(resolve, 50));
			// The bridge knows none of them yet; then it does.
			for (const round of [0, 1]) for (const { slug, key } of rooms) assert.equal(await upgrade([slug, key, address()]), 101, `round ${round}: ${slug}`);
			const late = await room(`late-${allowed.length}`);
			await waitFor(async () => (await upgrade([late.slug, late.key, address()])) === 101, { what: "the new key to open" });
			assert.equal(await upgrade([rooms[0].slug, rooms[0].key.replace(/.$/, (c) => (c === "0" ? "1" : "0")), madeUpAddress()]), 401, "another secret");
			assert.equal((await rig.cloud("key", "revoke", "--workspace", late.slug, "--name", "laptop")).code, 0);
			assert.equal(await upgrade([late.slug, late.key, madeUpAddress()]), 401);
		} finally {
			await bad.stop();
		}
		assert.deepEqual(Object.keys(bad.statuses).filter((status) => !allowed.includes(status)), [], JSON.stringify(bad.statuses));
	});

test("a key that was made in the flood opens, and one that was revoked doesn't", { timeout: 120_000 }, async () => {
	const bad = flood(madeUpSignature);
	try {
		while (total(bad.statuses) < 1000) await new Promise((resolve) => setTimeout(resolve, 50));
		const late = await room("late");
		// A key is taken for unknown for a second at most.
		await waitFor(async () => (await server.request(late.signed, { key: null })).status === 200, { what: "the new link to open" });
		assert.equal((await rig.cloud("key", "revoke", "--workspace", "late", "--name", "laptop")).code, 0);
		await waitFor(async () => (await server.request(late.signed, { key: null })).status === 403, { what: "the link to close" });
		// Another worker may believe in the key for a second.
		await waitFor(async () => (await server.request(late.target, { key: late.key })).status === 401, { what: "the key to be refused" });
	} finally {
		await bad.stop();
	}
});

test("without the database: 503 with Retry-After, and not 403", async () => {
	await server.restart();
	await server.stopDatabase();
	try {
		for (const [target, key] of [[rooms[0].signed, null], [rooms[0].target, rooms[0].key]]) {
			const { status, headers, json } = await server.request(target, { key });
			assert.equal(status, 503, `${target}: ${JSON.stringify(json)}`);
			assert.match(headers["retry-after"] ?? "", /^\d+$/);
		}
		// What needs no question is answered as ever.
		assert.equal((await server.request(`${rooms[0].target}?exp=1&sig=00`, { key: null })).status, 403);
	} finally {
		await server.startDatabase();
	}
	await allOpen("with the database again");
});
