// The actions behind deep links: what they answer, what they change, and that every client is told, its author's
// connections included (an action has no connection of its own).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect, settle, withoutMarks } from "../harness/sync.mjs";

let server;
after(() => server?.stop());
server = await startServer({ bridges: 2 });

let counter = 0;

async function filled(t) {
	const slug = `actions-${process.pid}-${++counter}`;
	const client = await connect(server, slug);
	t.after(() => client.kill());
	await client.ok("session:save", { id: "s1", header: { id: "s1" }, messages: [{ a: 1 }] });
	await client.ok("plan:save", { sessionId: "s1", fileName: "p.md", content: "# Plan" });
	return { slug, client, get: (path, options) => server.request(`/workspace/${slug}${path}`, options) };
}

async function acting(t) {
	const r = await filled(t);
	const listeners = [await connect(server, r.slug), await connect(server, r.slug, { since: 0 })];
	t.after(() => listeners.forEach((l) => l.kill()));
	const act = (name, body, options) => r.get(`/actions/${name}`, { method: "POST", body, ...options });
	const told = async () => {
		const other = await connect(server, r.slug);
		await settle(other, [r.client, ...listeners]);
		await other.kill();
		return [r.client, ...listeners].map((c) => withoutMarks(c.broadcasts).map((b) => b.event));
	};
	return { ...r, act, told };
}

test("new-chat", async (t) => {
	const { act, told, get } = await acting(t);
	const start = Date.now();
	const answer = await act("new-chat", { name: "From a link", input: "Hello there", send: true });
	assert.equal(answer.status, 201);
	const { id, createdAt, lastUsedAt, ...rest } = answer.json;
	assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
	for (const at of [createdAt, lastUsedAt]) assert.ok(Number.isInteger(at) && at >= start - 1 && at <= Date.now() + 1, at);
	assert.equal(rest.name, "From a link");
	assert.equal(rest.preview, "Hello there");
	assert.equal(rest.messageCount, 0);
	assert.deepEqual(rest.tokenUsage, { inputTokens: 0, outputTokens: 0, totalTokens: 0, contextTokens: 0, costUsd: 0 });
	assert.deepEqual((await get(`/sessions/${id}`)).json, { ...answer.json, messages: [] });
	for (const events of await told()) assert.deepEqual(events, [{ entity: "session", action: "created", data: answer.json }]);
});

test("new-chat without a body", async (t) => {
	const { act } = await acting(t);
	const plain = await act("new-chat", {});
	for (const headers of [{}, { "Content-Length": "0" }, { "Content-Type": "application/json" }]) {
		const { status, json } = await act("new-chat", undefined, { headers });
		assert.deepEqual([status, Object.keys(json)], [201, Object.keys(plain.json)]);
	}
});

test("new-chat without anything, and with hard texts", async (t) => {
	const { act, get } = await acting(t);
	const plain = await act("new-chat", {});
	assert.equal(plain.status, 201);
	assert.equal(plain.json.messageCount, 0);
	const hard = await act("new-chat", '{"name":"\\ud83d \\u0000 \\"x\\"","input":"🎉 \\ude00"}', {
		headers: { "Content-Type": "application/json" },
	});
	assert.equal(hard.status, 201);
	assert.equal(hard.json.name, '\ud83d \u0000 "x"');
	assert.equal(hard.json.preview, "🎉 \ude00");
	const long = await act("new-chat", { input: "🎉".repeat(5000) });
	assert.equal(long.status, 201);
	assert.ok("🎉".repeat(5000).startsWith(long.json.preview) && long.json.preview.length > 0, "a preview is the input's beginning");
	assert.equal((await get("/sessions")).json.length, 4);
	assert.equal(new Set([plain, hard, long].map((a) => a.json.id)).size, 3);
});

test("flag, unflag and rename", async (t) => {
	const { act, told, get } = await acting(t);
	const expected = [];
	for (const [name, body, change] of [
		["flag-session", {}, { isFlagged: true }],
		["unflag-session", {}, { isFlagged: false }],
		["rename-session", { name: "Neu 🎉" }, { name: "Neu 🎉" }],
	]) {
		const before = (await get("/sessions")).json[0];
		const answer = await act(name, { sessionId: "s1", ...body });
		assert.equal(answer.status, 200);
		const { lastUsedAt: ignored, ...header } = answer.json;
		const { lastUsedAt: also, ...old } = before;
		assert.deepEqual(header, { ...old, ...change }, name);
		assert.deepEqual((await get("/sessions/s1")).json, { ...answer.json, messages: [{ a: 1 }] });
		expected.push({ entity: "session", action: "updated", data: answer.json });
	}
	for (const events of await told()) assert.deepEqual(events, expected);
});

test("delete-session", async (t) => {
	const { act, told, get } = await acting(t);
	const answer = await act("delete-session", { sessionId: "s1" });
	assert.equal(answer.status, 200);
	assert.deepEqual(answer.json, { success: true });
	assert.equal((await get("/sessions/s1")).status, 404);
	assert.deepEqual((await get("/sessions/s1/plans")).json, []);
	for (const events of await told()) assert.deepEqual(events, [{ entity: "session", action: "deleted", data: { sessionId: "s1" } }]);
	assert.equal((await act("delete-session", { sessionId: "s1" })).status, 404);
});

test("actions: what is missing or unknown", async (t) => {
	const { act, told } = await acting(t);
	for (const name of ["flag-session", "unflag-session", "rename-session", "delete-session"]) {
		const missing = await act(name, { name: "x" });
		assert.equal(missing.status, 400);
		assert.deepEqual(missing.json, { error: "Missing sessionId" });
		const unknown = await act(name, { sessionId: "nobody", name: "x" });
		assert.equal(unknown.status, 404);
		assert.deepEqual(unknown.json, { error: "Session not found" });
		for (const sessionId of [1, null, {}, [], true, ["s1"], "\0", "\ud83d", "x".repeat(1025)]) {
			const answer = await act(name, { sessionId, name: "x" });
			assert.ok([400, 404].includes(answer.status), `${name} ${JSON.stringify(sessionId).slice(0, 20)}: ${answer.status}`);
		}
	}
	const nameless = await act("rename-session", { sessionId: "s1" });
	assert.equal(nameless.status, 400);
	assert.match(nameless.json.error, /^Missing name/);
	for (const name of [1, {}, []]) assert.equal((await act("rename-session", { sessionId: "s1", name })).status, 400, JSON.stringify(name));
	for (const body of [{ name: 1 }, { name: {} }, { input: [] }, { send: "x" }])
		assert.ok([201, 400].includes((await act("new-chat", body)).status), JSON.stringify(body));
	for (const events of await told())
		assert.deepEqual(
			events.filter((e) => e.action !== "created"),
			[],
			"a refused action was broadcast",
		);
});

test("bodies that aren't JSON, are empty, null or no object", async (t) => {
	const { act } = await acting(t);
	for (const body of [
		"",
		" ",
		"null",
		"[]",
		'"text"',
		"1",
		"true",
		"{",
		'{"sessionId":"s1"',
		"{'sessionId':'s1'}",
		"sessionId=s1",
		'{"sessionId":"s1"}x',
		"\ufeff{}",
		"[".repeat(50000),
		Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
		Buffer.from('{"sessionId":"\xff"}', "latin1"),
	])
		for (const name of ["flag-session", "delete-session", "rename-session"]) {
			const answer = await act(name, body, { headers: { "Content-Type": "application/json" } });
			assert.equal(answer.status, 400, `${name} ${String(body).slice(0, 30)}: ${answer.text.slice(0, 100)}`);
		}
	for (const body of ["null", "[]", "{", "nonsense"]) assert.equal((await act("new-chat", body)).status, 400, body);
	// The content type doesn't matter: scripts forget it.
	assert.equal((await act("flag-session", '{"sessionId":"s1"}', { headers: {} })).status, 200);
	assert.equal((await act("flag-session", '{"sessionId":"s1"}', { headers: { "Content-Type": "text/plain" } })).status, 200);
	assert.equal(
		(await act("flag-session", ' {"sessionId":"nobody","sessionId":"s1","x":[1e999]} ', { headers: { "Transfer-Encoding": "chunked" } }))
			.status,
		200,
	);
});
