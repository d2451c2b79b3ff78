// Lists of files, in pages too, and deleting all of a session.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Room, bytes, check, checkLogs } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let server;
after(async () => {
	if (server) checkLogs(server);
	await server?.stop();
});
server = await startServer();

const TYPES = ["attachments", "downloads", "long_responses"];
const names = (list) => list.map(({ name }) => name);

test("a list: all metadata, by name as bytes, only of its session and type", async () => {
	const w = new Room(server);
	const wanted = ["Z", "a", "10", "9", "~", "é", "e\u0301", "\ufffd", "😀", "a b#?%&+.png", "_", "A", "a.", "a-",
		"aa"];
	const kept = [];
	for (const [i, name] of wanted.entries())
		kept.push((await w.put(`s/attachments/${encodeURIComponent(name)}`, bytes(i),
			{ type: `image/x-${i}; a=b` })).json);
	for (const target of ["s/downloads/x", "s2/attachments/x", "S/attachments/x",
		"s%20/attachments/x"]) await w.put(target, "x");
	await new Room(server, `${w.slug}x`).put("s/attachments/x", "x");
	await w.assets.put("s/attachments/x", "x");
	kept.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
	for (const target of ["s/attachments", "s/attachments/", "s/attachments?", "s/attachments/?x=1",
		"%73/%61ttachments"]) {
		const answer = await w.get(target);
		assert.deepEqual(answer.json, kept, target);
		assert.match(answer.headers["content-type"], /^application\/json\b/);
		const head = await w.head(target);
		assert.equal(head.body.length, 0);
		for (const name of ["etag", "content-type"]) assert.equal(head.headers[name], answer.headers[name], name);
	}
	await w.delete("s/attachments/a");
	assert.deepEqual(await w.list("s/attachments"), kept.filter(({ name }) => name !== "a"));
});

test("of what was never written: empty, and nothing is made", async () => {
	const w = new Room(server);
	for (const type of TYPES) assert.deepEqual(await w.list(`s/${type}`), []);
	assert.deepEqual((await w.delete("s")).json, { success: true, deleted: 0 });
	await w.delete("s/attachments/x");
	await w.get("s/attachments/x", {}, 404);
	assert.equal(server.psqlValue(`select count(*) from app.workspace where slug = '${w.slug}'`), "0");
});

test("a list of 2,500 is complete, in pages too", async () => {
	const w = new Room(server);
	w.fill("s", "attachments", "f", 2500);
	const all = await w.list("s/attachments");
	assert.deepEqual(names(all), Array.from({ length: 2500 }, (_, i) => `f${String(i + 1).padStart(4, "0")}`));
	assert.deepEqual({ ...all[41], uploadedAt: 0 }, { name: "f0042", size: 42, mimeType: "text/plain", uploadedAt: 0 });
	const zipped = await w.get("s/attachments", { headers: { "Accept-Encoding": "gzip" } });
	assert.equal(zipped.headers["content-encoding"], "gzip");
	assert.deepEqual(JSON.parse(gunzipSync(zipped.body)), all);
	for (const limit of [999, 1250, 2499, 2500, 2501, 10_000])
		assert.deepEqual((await pages(w, `s/attachments?limit=${limit}`)).flat(), all, `limit ${limit}`);
});

// Follows the links to the end.
async function pages(w, target) {
	const found = [];
	for (let next = w.base + target; next;) {
		const answer = check(await server.request(next), 200, next);
		found.push(answer.json);
		const [, link] = answer.headers.link?.match(/^<([^<>]+)>; *rel="?next"?$/) ?? [];
		assert.equal(link === undefined, answer.headers.link === undefined, answer.headers.link);
		if (!link) return found;
		const url = new URL(link, server.url);
		assert.equal(url.origin, server.url);
		next = url.pathname + url.search;
		assert.ok(found.length < 100, "pages without end");
	}
	return found;
}

test("pages: any names, the last one without a link", async () => {
	const w = new Room(server, `p é#?%&+/-${process.pid}`.replace("/", ""));
	const wanted = ["a", "a b#?%&+é😀.png", "a>b", "b\"<", "c,d;e", "é", "%2F", "+", " ", "\\", "<", "zz"];
	for (const name of wanted) await w.put(`s%20%3F/downloads/${encodeURIComponent(name)}`, "x");
	const all = await w.list("s%20%3F/downloads");
	for (const limit of [1, 2, 5, 11, 12, 13]) {
		const found = await pages(w, `s%20%3F/downloads?limit=${limit}`);
		assert.deepEqual(found.flat(), all, `limit ${limit}`);
		assert.ok(found.every((page, i) => page.length === limit || i === found.length - 1), `limit ${limit}`);
		assert.equal(found.length, Math.ceil(wanted.length / limit), `limit ${limit}`);
	}
	// The cursor is the last name, whether it still is a file or not.
	const after = await w.list("s%20%3F/downloads?limit=100&cursor=a%20b");
	assert.deepEqual(names(after), names(all).filter((name) => name > "a b"));
	assert.deepEqual(await w.list("s%20%3F/downloads?limit=5&cursor=%F4%8F%BF%BF"), []);
	// A cursor that went through a URL library, twice, is the same one; and what is neither name nor cursor isn't the end of the list.
	for (const limit of [1, 3]) {
		let found = [], target = `s%20%3F/downloads?limit=${limit}`;
		for (let n = 0; target; n++) {
			assert.ok(n < 100, "pages without end");
			const { json, headers } = await w.get(target);
			found = found.concat(json);
			const url = headers.link && new URL(headers.link.match(/<([^>]*)>/)[1], server.url);
			if (url) for (let i = 0; i < 2; i++) url.search = new URLSearchParams([...url.searchParams]).toString();
			target = url && url.pathname.slice(w.base.length) + url.search;
		}
		assert.deepEqual(found, all, `limit ${limit}`);
	}
	const cursor = new URL((await w.get("s%20%3F/downloads?limit=2")).headers.link.match(/<([^>]*)>/)[1], server.url).searchParams.get("cursor");
	assert.match(cursor, /^[\w.-]+$/);
	for (const bad of [cursor.slice(0, -1), `${cursor}x`, cursor.toLowerCase(), cursor.replace(/\.[^.]*$/, ""), "after.", "after.!", `after.${cursor}`])
		assert.match((await w.get(`s%20%3F/downloads?limit=2&cursor=${encodeURIComponent(bad)}`, {}, 400)).json.error, /^Invalid cursor: take it from the Link/);
	// A name whose space became "+".
	assert.deepEqual(names(await w.list("s%20%3F/downloads?limit=100&cursor=a+b")), names(after));
	// HEAD has the same link; and the key from the query is in none.
	const { headers } = await w.get(`s%20%3F/downloads?apiKey=${server.apiKey}&limit=2`, { key: null });
	assert.ok(headers.link && !headers.link.includes(server.apiKey), headers.link);
	assert.equal((await w.head("s%20%3F/downloads?limit=2")).headers.link !== undefined, true);
});

test("limits and cursors that are none", async () => {
	const w = new Room(server);
	await w.put("s/attachments/f", "x");
	for (const limit of ["0", "-1", "10001", "1.5", "x", "", "+5", "%205", "0x10", "1e2", "9".repeat(30), "5x", "5%00"])
		await w.get(`s/attachments?limit=${limit}`, {}, 400);
	for (const cursor of ["%ff", "%00", "%zz", "%ed%a0%80", "a%00b"])
		await w.get(`s/attachments?limit=5&cursor=${cursor}`, {}, 400);
	await w.get(`s/attachments?limit=5&cursor=${"x".repeat(5000)}`, {}, [200, 400]);
});

test("the list's ETag changes with each change, and only then", async () => {
	const w = new Room(server);
	const seen = new Set();
	const fresh = async (what) => {
		const { headers: { etag } } = await w.get("s/attachments");
		assert.match(etag, /^(W\/)?"[\x21\x23-\x7e]+"$/);
		for (const old of seen) await w.get("s/attachments", { headers: { "If-None-Match": old } }, 200);
		assert.ok(!seen.has(etag), `${what} left the tag`);
		seen.add(etag);
		for (const method of ["GET", "HEAD"])
			for (const given of [etag, `W/${etag.replace(/^W\//, "")}`, `"x", ${etag}`]) {
				const same = await w.ask(method, "s/attachments", 304, { headers: { "If-None-Match": given } });
				assert.equal(same.headers.etag, etag);
				assert.equal(same.body.length, 0);
			}
	};
	await w.put("s/attachments/first", "x");
	await fresh("the first");
	for (const [what, change] of Object.entries({
		"a new file": () => w.put("s/attachments/f", "x"),
		"a replaced one": () => w.put("s/attachments/f", "x"),
		"a deleted one": () => w.delete("s/attachments/f"),
		"a file again": () => w.put("s/attachments/f", "x"),
		"the session's end": () => w.delete("s"),
	})) {
		await change();
		await fresh(what);
	}
});

// ---- deleting a session ----

test("DELETE of a session: all its types, nothing else", async () => {
	const w = new Room(server);
	const others = ["s2/attachments/a", "S/attachments/a", "s%20/downloads/a"];
	for (const type of TYPES) for (const name of ["a", "b%20c"]) await w.put(`s/${type}/${name}`, "x");
	for (const target of others) await w.put(target, "other");
	await w.assets.put("s/attachments/a", "asset");
	await w.assets.put("s", "asset");
	assert.deepEqual((await w.delete("s")).json, { success: true, deleted: 6 });
	assert.deepEqual((await w.delete("s")).json, { success: true, deleted: 0 });
	for (const type of TYPES) assert.deepEqual(await w.list(`s/${type}`), []);
	for (const target of others) await w.holds(target, Buffer.from("other"));
	for (const target of ["s/attachments/a", "s"]) await w.assets.holds(target, Buffer.from("asset"));
});

test("DELETE of a session of 10,000 files", async () => {
	const w = new Room(server);
	w.fill("s", "attachments", "f", 4000);
	w.fill("s", "downloads", "f", 3000);
	w.fill("s", "long_responses", "f", 3000);
	w.fill("s2", "attachments", "f", 10);
	assert.deepEqual((await w.delete("s")).json, { success: true, deleted: 10_000 });
	assert.equal(server.psqlValue(`select count(*) from report.files where workspace = '${w.slug}'`), "10");
	assert.equal((await w.list("s2/attachments")).length, 10);
});

test("deleting a session over sync, or by its action, leaves its files", async (t) => {
	const w = new Room(server);
	const client = await connect(server, w.slug);
	t.after(() => client.kill());
	for (const id of ["s1", "s2"]) {
		await client.ok("session:create", { id });
		await w.put(`${id}/attachments/a`, id);
	}
	await client.ok("session:delete", { sessionId: "s1" });
	const action = `/workspace/${w.slug}/actions/delete-session`;
	assert.equal((await server.request(action, { method: "POST", body: { sessionId: "s2" } })).status, 200);
	assert.deepEqual((await server.request(`/workspace/${w.slug}/sessions`)).json, []);
	for (const id of ["s1", "s2"]) {
		await w.holds(`${id}/attachments/a`, Buffer.from(id));
		assert.equal((await w.list(`${id}/attachments`)).length, 1);
	}
	// And the other way round: files make no session.
	await w.put("s3/attachments/a", "x");
	assert.deepEqual((await server.request(`/workspace/${w.slug}/sessions`)).json, []);
});
