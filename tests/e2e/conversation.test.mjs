// The main job on real input: a conversation of 2,000 messages and 4 MB is saved and appended to while another client
// watches; both reload it equal to what was sent, a DBA sees it in psql; and all of it again after a restart.
// The cases follow one another: each goes on with what the one before it left.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { makeHeader, makeMessages } from "../harness/conversation.mjs";
import { elements, members, raw } from "../harness/rawjson.mjs";
import { startServer } from "../harness/server.mjs";
import { connect, settle, withoutMarks } from "../harness/sync.mjs";

const slug = "my-team";
const id = "260102-friday-build";
let server;
after(() => server?.stop());
server = await startServer({ bridges: 2 });

const messages = makeMessages(2000, 4 << 20);
const header = makeHeader(id, messages);
let writer;
let watcher;
let saves = 0;

// One save as the app makes it: the whole array every time. Returns what the watcher was told.
async function save(list, head) {
	const before = watcher.broadcasts.length;
	const start = performance.now();
	await writer.ok("session:save", { id, header: head, messages: list });
	const took = performance.now() - start;
	await watcher.waitFor(before + 1);
	saves++;
	const { event } = watcher.broadcasts[before];
	assert.deepEqual(event, { entity: "session", action: "updated", data: head });
	return took;
}

// Over REST, as both of them reload: equal as JSON values, and message by message as text.
async function reload(list, head) {
	const [first, second] = await Promise.all([
		server.request(`/workspace/${slug}/sessions/${id}`),
		server.request(`/workspace/${slug}/sessions/${id}`),
	]);
	assert.equal(first.status, 200);
	assert.ok(first.body.equals(second.body));
	assert.deepEqual(first.json, { ...head, messages: list });
	const texts = elements(raw(first.text, "messages"));
	assert.equal(texts.length, list.length);
	for (const [i, text] of texts.entries())
		assert.ok(text === JSON.stringify(list[i]), `message ${i} came back as other text: ${text.slice(0, 200)}`);
	assert.deepEqual(members(first.text).slice(0, -1), members(JSON.stringify(head)));
	const [listed] = (await server.request(`/workspace/${slug}/sessions`)).json;
	assert.deepEqual(listed, head);
}

function inReports(list, head) {
	const [row] =
		server.psql(`select name, status, is_flagged, model, messages, message_bytes, extract(epoch from created_at) * 1000 = ${head.createdAt}, header
		from report.sessions where workspace = '${slug}' and session = '${id}'`);
	const bytes = list.reduce((sum, m) => sum + Buffer.byteLength(JSON.stringify(m)), 0);
	assert.deepEqual(row.slice(0, 7), [
		head.name,
		head.todoState,
		head.isFlagged ? "t" : "f",
		head.model,
		String(list.length),
		String(bytes),
		"t",
	]);
	assert.equal(row[7], JSON.stringify(head));
	const [total] = server.psql(`select sessions, messages, message_bytes, changes from report.workspaces where workspace = '${slug}'`);
	assert.deepEqual(total.slice(0, 3), ["1", String(list.length), String(bytes)]);
	const positions = server.psql(
		`select position, body from report.messages where workspace = '${slug}' and session = '${id}' order by position`,
	);
	assert.equal(positions.length, list.length);
	for (const [i, [position, body]] of positions.entries())
		assert.ok(position === String(i) && body === JSON.stringify(list[i]), `message ${i} in report.messages`);
	const changes = server.psql(`select entity, action, entity_id from report.changes where workspace = '${slug}' order by seq`);
	assert.ok(changes.filter((c) => c.join() === `session,updated,${id}`).length >= saves);
	assert.equal(changes.length, Number(total[3]));
}

test("the input is what it should be", () => {
	const text = JSON.stringify(messages);
	assert.equal(messages.length, 2000);
	assert.ok(Math.abs(Buffer.byteLength(text) / (4 << 20) - 1) < 0.2, `${Buffer.byteLength(text)} bytes`);
	for (const needed of ["\\u0000", '\\ud83c"', "\\udf89 rest", "会話", "tool_use", "tool_result", "```c", "\\u001b["])
		assert.ok(text.includes(needed), needed);
});

test("save, and append step by step, while the other sees each change live", async () => {
	writer = await connect(server, slug, { bridge: 0 });
	watcher = await connect(server, slug, { bridge: 1 });
	const own = await writer.ok("session:create", { id, name: header.name });
	await watcher.waitFor(1);
	assert.deepEqual(watcher.broadcasts[0].event.data, own);
	const steps = [1, 2, 500, 501, 1500, 1990, 1995, 1999, 2000];
	for (const count of steps) {
		const list = messages.slice(0, count);
		await save(list, { ...header, messageCount: count });
		if (count === 2 || count === 1500) await reload(list, { ...header, messageCount: count });
	}
	await save(messages, header);
	await reload(messages, header);
});

test("appending costs what the new message is worth, not the whole conversation", async () => {
	const size = () => Number(server.psqlValue("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"));
	server.psql("checkpoint");
	await save([...messages, { warm: 1 }], header);
	const before = size();
	const appended = 5;
	for (let n = 0; n < appended; n++) await save([...messages, ...makeMessages(n + 2, 4000, 99)], header);
	const each = (size() - before) / appended;
	// A rewrite of 4 MB is at least 1.4 MB of WAL; a few rows and their full page images are far less.
	assert.ok(each < 300000, `an append wrote ${each} bytes of WAL`);
	await save(messages, header);
});

test("it is in the report views", () => inReports(messages, header));

test("edits in the middle, updates of the header and a cut", async () => {
	const edited = messages.map((m, i) => (i === 1000 ? { ...m, content: "edited \ud83d\u0000" } : m));
	await save(edited, header);
	await reload(edited, header);
	const before = watcher.broadcasts.length;
	const merged = await writer.ok("session:updateMeta", { sessionId: id, updates: { isFlagged: true, preview: "half \ud83d" } });
	assert.deepEqual(merged, { ...header, isFlagged: true, preview: "half \ud83d" });
	await watcher.waitFor(before + 1);
	assert.deepEqual(watcher.broadcasts[before].event.data, merged);
	await reload(edited, merged);
	await save(edited.slice(0, 1200), merged);
	await reload(edited.slice(0, 1200), merged);
	await save(messages, header);
	await reload(messages, header);
});

test("a client that was away catches up and reloads", async () => {
	const away = await connect(server, slug, { since: 0 });
	await away.kill();
	const more = [...messages, { id: "while away" }];
	await save(more, header);
	const back = await connect(server, slug, { since: away.hello.seq, epoch: away.hello.epoch });
	assert.equal(back.hello.resumed, true);
	await back.waitFor(1);
	assert.deepEqual(back.broadcasts[0].event, { entity: "session", action: "updated", data: header });
	await reload(more, header);
	await save(messages, header);
	await back.waitFor(2);
	await back.close();
});

test("another session of the same size side by side, both writing at once", async () => {
	const other = makeMessages(500, 1 << 20, 7);
	const otherHeader = makeHeader("other", other);
	await Promise.all([
		...[490, 495, 500].map((n) => watcher.ok("session:save", { id: "other", header: { ...otherHeader, n }, messages: other.slice(0, n) })),
		...[1998, 1999, 2000].map((n) => writer.ok("session:save", { id, header: { ...header, n }, messages: messages.slice(0, n) })),
	]);
	assert.deepEqual((await server.request(`/workspace/${slug}/sessions/other`)).json, { ...otherHeader, n: 500, messages: other });
	assert.deepEqual((await server.request(`/workspace/${slug}/sessions/${id}`)).json, { ...header, n: 2000, messages });
	await watcher.ok("session:delete", { sessionId: "other" });
	await settle(writer, [watcher]);
	assert.equal(withoutMarks(watcher.broadcasts).at(-1).event.data.n, 2000);
	await save(messages, header);
});

test("the same after everything was stopped and started", async () => {
	await server.restart();
	// Both connections ended with the drain, and said why.
	assert.equal((await writer.closed).code, 1012);
	assert.equal((await watcher.closed).code, 1012);
	await reload(messages, header);
	inReports(messages, header);
	writer = await connect(server, slug, { bridge: 1 });
	watcher = await connect(server, slug, { bridge: 0 });
	const more = [...messages, { id: "after the restart", text: "\ud83d \u0000" }];
	await save(more, { ...header, messageCount: 2001 });
	await reload(more, { ...header, messageCount: 2001 });
	inReports(more, { ...header, messageCount: 2001 });
	await writer.close();
	await watcher.close();
});
