// Lists and sessions that a worker keeps: whatever changes, and whoever changed it, the next read is of the new state.
// One worker, so that each read after the first would find what is kept.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const KEEP = 1 << 20; // bytes; a quarter of it is the most for one answer

let server;
after(() => server?.stop());
server = await startServer({ env: { FCGI_WORKERS: "1", FCGI_ANSWER_CACHE: String(KEEP) } });

let counter = 0;

async function room(t) {
	const slug = `kept-${process.pid}-${++counter}`;
	const client = await connect(server, slug);
	t.after(() => client.kill());
	const get = async (path, options) => {
		const { status, text, headers } = await server.request(`/workspace/${slug}${path}`, options);
		return { status, body: status === 200 ? JSON.parse(text) : text, etag: headers.etag, text };
	};
	return { slug, client, get };
}

/** How often a statement that reads whole lists or sessions ran, by PostgreSQL's count of calls of its function. */
function calls(name) {
	server.psql("select pg_stat_force_next_flush()");
	return Number(server.psqlValue(`select coalesce(sum(calls), 0) from pg_stat_user_functions where funcname = '${name}'`));
}

test("a list is read once while it stays as it is, and anew after each change", async (t) => {
	const { client, get } = await room(t);
	await client.ok("session:save", { id: "a", header: { id: "a", n: 1 }, messages: [] });
	const first = await get("/sessions");
	assert.deepEqual(first.body, [{ id: "a", n: 1 }]);
	const again = await get("/sessions");
	assert.equal(again.text, first.text);
	assert.equal(again.etag, first.etag);
	await client.ok("session:updateMeta", { sessionId: "a", updates: { n: 2 } });
	const changed = await get("/sessions");
	assert.deepEqual(changed.body, [{ id: "a", n: 2 }]);
	assert.notEqual(changed.etag, first.etag);
	await client.ok("session:delete", { sessionId: "a" });
	assert.deepEqual((await get("/sessions")).body, []);
});

test("the database is asked for the whole only when its ETag is another", async (t) => {
	server.psql("alter system set track_functions = 'all'");
	server.psql("select pg_reload_conf()");
	t.after(() => {
		server.psql("alter system reset track_functions");
		server.psql("select pg_reload_conf()");
	});
	const { client, get } = await room(t);
	await client.ok("session:save", { id: "a", header: { id: "a" }, messages: [1, 2] });
	// A worker's connection hears of the setting between two statements; its counts are out a second later at the latest.
	await get("/sessions");
	await get("/sessions/a");
	const settled = async (name) => {
		let last = -1;
		for (;;) {
			const now = calls(name);
			if (now === last) return now;
			last = now;
			await new Promise((done) => setTimeout(done, 1500));
			await get("/labels");
		}
	};
	const lists = await settled("sessions"), parts = await settled("session_parts");
	for (let i = 0; i < 5; i++) {
		await get("/sessions");
		await get("/sessions/a");
	}
	assert.equal(await settled("sessions"), lists);
	assert.equal(await settled("session_parts"), parts);
	await client.ok("session:save", { id: "a", header: { id: "a" }, messages: [1, 2, 3] });
	assert.deepEqual((await get("/sessions/a")).body.messages, [1, 2, 3]);
	await get("/sessions");
	assert.equal(await settled("sessions"), lists + 1);
	assert.equal(await settled("session_parts"), parts + 1);
});

test("a session: changed messages, a changed header, deleted, made anew", async (t) => {
	const { client, get } = await room(t);
	const save = (header, messages) => client.ok("session:save", { id: "s", header, messages });
	const read = async () => (await get("/sessions/s")).body;
	await save({ v: 1 }, [{ a: 1 }]);
	for (let i = 0; i < 2; i++) assert.deepEqual(await read(), { v: 1, messages: [{ a: 1 }] });
	await save({ v: 1 }, [{ a: 1 }, { b: 2 }]);
	for (let i = 0; i < 2; i++) assert.deepEqual(await read(), { v: 1, messages: [{ a: 1 }, { b: 2 }] });
	await client.ok("session:updateMeta", { sessionId: "s", updates: { v: 2 } });
	assert.equal((await read()).v, 2);
	await client.ok("session:clearMessages", { sessionId: "s" });
	assert.deepEqual((await read()).messages, []);
	await client.ok("session:delete", { sessionId: "s" });
	assert.equal((await get("/sessions/s")).status, 404);
	await save({ v: 1 }, [{ a: 1 }]);
	assert.deepEqual(await read(), { v: 1, messages: [{ a: 1 }] });
});

test("plans, sources and skills; a change by SQL; another workspace's are apart", async (t) => {
	const one = await room(t), two = await room(t);
	const lists = ["/sources", "/skills", "/sessions/s/plans"];
	for (const path of lists) for (const { get } of [one, two]) assert.deepEqual((await get(path)).body, []);
	await one.client.ok("source:create", { slug: "src" });
	await one.client.ok("skill:save", { slug: "k", content: "c", metadata: {} });
	await one.client.ok("plan:save", { sessionId: "s", fileName: "p.md", content: "# Plan" });
	for (const path of lists) {
		assert.equal((await one.get(path)).body.length, 1, path);
		assert.deepEqual((await two.get(path)).body, [], path);
	}
	server.psql(`select api.session_create('${two.slug}', 'sql', '{"id":"sql"}')`);
	assert.deepEqual((await two.get("/sessions")).body, [{ id: "sql" }]);
});

test("conditional requests and HEAD beside what is kept; a new epoch", async (t) => {
	const { slug, client, get } = await room(t);
	await client.ok("session:save", { id: "a", header: { id: "a" }, messages: [] });
	const { etag, text } = await get("/sessions");
	assert.equal((await get("/sessions", { headers: { "If-None-Match": etag } })).status, 304);
	const other = await get("/sessions", { headers: { "If-None-Match": '"other"' } });
	assert.equal(other.status, 200);
	assert.equal(other.text, text);
	const head = await server.request(`/workspace/${slug}/sessions`, { method: "HEAD" });
	assert.equal(head.status, 200);
	assert.equal(head.headers.etag, etag);
	server.psql("select api.epoch_renew()");
	const after = await get("/sessions");
	assert.equal(after.text, text);
	assert.notEqual(after.etag, etag);
});

test("what is longer than may be kept comes whole each time, and what is kept stays within its bound", async (t) => {
	const { client, get } = await room(t);
	for (const size of [KEEP / 4 - 200, KEEP / 4 + 1, KEEP]) {
		await client.ok("session:save", { id: `s${size}`, header: { id: `s${size}` }, messages: ["x".repeat(size)] });
		for (let i = 0; i < 2; i++) assert.equal((await get(`/sessions/s${size}`)).body.messages[0].length, size);
	}
	for (let i = 0; i < 10; i++)
		await client.ok("session:save", { id: `many${i}`, header: { id: `many${i}` }, messages: ["y".repeat(200_000 + i)] });
	for (let round = 0; round < 2; round++)
		for (let i = 0; i < 10; i++) assert.equal((await get(`/sessions/many${i}`)).body.messages[0].length, 200_000 + i);
});
