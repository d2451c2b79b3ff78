// What workspace sync answers to requests that are wrong, and how it echoes requestId. Nothing here may close the
// connection, change anything, or show how the database is made.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { goodData, workspaceMessages } from "../harness/messages.mjs";
import { raw } from "../harness/rawjson.mjs";
import { startServer } from "../harness/server.mjs";
import { connect, settle, withoutMarks } from "../harness/sync.mjs";

let server;
after(() => server?.stop());
server = await startServer();

let counter = 0;
const INTERNALS = /\bSQL|relation|constraint|duplicate key|\bpg_|plpgsql|syntax error at|invalid input|libpq|schema|\.c:\d|\b[0-9A-Z]{5}:/i;

// A client and a listener in a workspace with one session, one source.
async function room(t) {
	const slug = `errors-${process.pid}-${++counter}`;
	const client = await connect(server, slug);
	await client.ok("session:save", { id: "there", header: { id: "there", name: "One" }, messages: [{ a: 1 }] });
	await client.ok("source:create", { slug: "there" });
	const listener = await connect(server, slug);
	t.after(() => [client, listener].forEach((c) => c.kill()));
	return { slug, client, listener };
}

// Nothing was told to the others, and the connection still works.
async function nothingHappened({ client, listener }) {
	await settle(client, [listener]);
	assert.deepEqual(withoutMarks(listener.broadcasts), [], "a refused request was broadcast");
	assert.deepEqual(client.stray, []);
}

function refused(answer, requestId, what) {
	assert.equal(typeof answer.error, "string", `${what}: accepted: ${answer.raw.slice(0, 200)}`);
	assert.deepEqual(Object.keys(JSON.parse(answer.raw)).sort(), ["error", "requestId", "type"], what);
	assert.deepEqual(answer.requestId, requestId, what);
	assert.doesNotMatch(answer.error, INTERNALS, what);
}

const notText = [1, null, true, {}, [], ["x"], 1.5];
const notObject = [1, null, "x", [], true];
// What a field of each kind must not be; absent is wrong for all.
const wrong = { id: [...notText, ""], string: notText, "string-or-null": [1, true, {}, []], object: notObject, array: [1, null, "x", {}, true], any: [] };

for (const message of workspaceMessages()) {
	const { type, fields } = message, good = goodData(message, "there");
	test(`${type}: a missing or wrong field is named`, async (t) => {
		const r = await room(t);
		for (const [field, kind] of Object.entries(fields))
			for (const value of [undefined, ...wrong[kind]]) {
				const what = `${field}=${JSON.stringify(value)}`;
				const answer = await r.client.call(type, { ...good, [field]: value }, what);
				refused(answer, what, what);
				assert.match(answer.error, new RegExp(`\\b${field}\\b`), what);
			}
		for (const data of [undefined, ...notObject]) {
			const what = `data=${JSON.stringify(data)}`;
			const answer = await r.client.call(type, data, what);
			refused(answer, what, what);
			assert.match(answer.error, /\bdata\b/, what);
		}
		await nothingHappened(r);
		// The same request without a fault is fine: it was the fault that was refused.
		await r.client.ok(type, good);
	});

	test(`${type}: ids with NUL, half an emoji or over 1,024 bytes`, async (t) => {
		const r = await room(t);
		const own = Object.entries(fields)
			.filter(([, kind]) => kind === "id")
			.map(([field]) => field);
		for (const field of own) {
			const hostile = ['"a\\u0000b"', '"\\ud83d"', '"\\ude00x"', '"x\\ud83d\\ud83d"', `"${"x".repeat(1025)}"`, `"${"é".repeat(513)}"`];
			for (const value of hostile) {
				const body = JSON.stringify({ ...good, [field]: "@@" }).replace('"@@"', () => value);
				const answer = await r.client.send(`{"type":"${type}","data":${body},"requestId":1}`);
				refused(answer, 1, `${field}=${value.slice(0, 40)}`);
				assert.match(answer.error, new RegExp(`\\b${field}\\b`));
			}
		}
		await nothingHappened(r);
	});
}

test("session:create of a session that exists", async (t) => {
	const r = await room(t);
	refused(await r.client.call("session:create", { id: "there", name: "Other" }, 7), 7, "create");
	await nothingHappened(r);
	assert.deepEqual((await server.request(`/workspace/${r.slug}/sessions/there`)).json, { id: "there", name: "One", messages: [{ a: 1 }] });
});

test("source:create of a source that exists", async (t) => {
	const r = await room(t);
	refused(await r.client.call("source:create", { slug: "there", other: 1 }, 7), 7, "create");
	await nothingHappened(r);
	assert.deepEqual((await server.request(`/workspace/${r.slug}/sources/there`)).json, { config: { slug: "there" }, guide: null });
});

for (const [type, more] of [
	["session:updateMeta", { updates: { a: 1 } }],
	["session:updateSdkId", { sdkSessionId: "x" }],
])
	test(`${type} of an unknown session`, async (t) => {
		const r = await room(t);
		for (const sessionId of ["nobody", 'qu"ote\\ \n 🎉 %s', "x".repeat(1024)]) {
			const answer = await r.client.call(type, { sessionId, ...more }, 9);
			assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: 9, error: `Session not found: ${sessionId}` });
		}
		await nothingHappened(r);
		assert.equal((await server.request(`/workspace/${r.slug}/sessions/nobody`)).status, 404);
	});

test("an update in a workspace that was never written to makes none", async (t) => {
	const slug = `errors-${process.pid}-never`;
	const client = await connect(server, slug);
	t.after(() => client.kill());
	const answer = await client.call("session:updateMeta", { sessionId: "s", updates: {} });
	assert.equal(answer.error, "Session not found: s");
	assert.equal(server.psqlValue(`select count(*) from app.workspace where slug = '${slug}'`), "0");
});

test("an unknown type is named", async (t) => {
	const r = await room(t);
	for (const type of ["nosuch", "session:Create", "session:", "", "toString", "__proto__", "response", "broadcast", 'a"b\\c\n\u0007 🎉']) {
		const answer = await r.client.call(type, { id: "x" }, ["r"]);
		assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: ["r"], error: `Unknown message type: ${type}` });
	}
	await nothingHappened(r);
});

test("a type that is missing or no text is named as a field", async (t) => {
	const r = await room(t);
	for (const type of [undefined, null, 1, {}, [], true]) {
		const answer = await r.client.call(type, { id: "x" }, 3);
		refused(answer, 3, `type=${JSON.stringify(type)}`);
		assert.match(answer.error, /\btype\b/);
	}
	await nothingHappened(r);
});

test("what is not JSON, or JSON but no object", async (t) => {
	const r = await room(t);
	const faults = [
		"",
		" ",
		"not json",
		"[]",
		"null",
		"true",
		"12",
		'"text"',
		'[{"type":"labels:save","data":{},"requestId":1}]',
		"{",
		"}",
		"{]",
		'{"type":}',
		'{"type"}',
		'{"a":1}x',
		'{"a":1}{"b":2}',
		'{"a":01}',
		'{"a":1.}',
		'{"a":.5}',
		'{"a":+1}',
		'{"a":1e}',
		'{"a":-}',
		'{"a":0x1}',
		"{'a':1}",
		"{a:1}",
		'{"a":"\t"}',
		'{"a":"\u0000"}',
		'{"a":"\\x41"}',
		'{"a":"\\u12"}',
		'{"a":"\\u12g4"}',
		'{"a":NaN}',
		'{"a":Infinity}',
		'{"a":tru}',
		'{"a":nulll}',
		'{"a":[1,]}',
		'{"a":1,}',
		'{,"a":1}',
		'{"a":[1 2]}',
		'{"a" 1}',
		'{"a"::1}',
		'{"a":"x}',
		"\ufeff{}",
		'{"a":1}\u0000',
		'{"a":1}//x',
		'/**/{"a":1}',
		'{"a":1}\u00a0',
		'{"type":"labels:save","data":{},"requestId":1',
	];
	for (const fault of faults) {
		const answer = await r.client.send(fault);
		assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: "unknown", error: "Invalid JSON" }, JSON.stringify(fault));
	}
	await nothingHappened(r);
});

test("a broken payload is refused as a whole, however deep the fault lies", async (t) => {
	const r = await room(t);
	const broken = `{"type":"session:save","data":{"id":"there","header":{},"messages":[{"a":[{"b":"\\u00"}]}]},"requestId":5}`;
	const answer = await r.client.send(broken);
	assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: "unknown", error: "Invalid JSON" });
	await nothingHappened(r);
});

test("blanks around everything are fine", async (t) => {
	const r = await room(t);
	const answer = await r.client.send(' \n{ "type" :\t"labels:save" , "data" : { "a" : 1 } , "requestId" : 5 }\r\n ');
	assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: 5, data: { success: true } });
});

test("fields in any order, unknown ones, and twice: the last counts", async (t) => {
	const r = await room(t);
	const answer = await r.client.send(
		'{"requestId":1,"more":[{}],"data":{"sessionId":"nobody"},"type":"x","requestId":2,"data":{"sessionId":"gone","updates":{}},"type":"session:updateMeta"}',
	);
	assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: 2, error: "Session not found: gone" });
});

test("field names may be written with escapes", async (t) => {
	const r = await room(t);
	const answer = await r.client.send('{"\\u0074ype":"labels\\u003asave","d\\u0061ta":{"a":1},"request\\u0049d":"x"}');
	assert.deepEqual(JSON.parse(answer.raw), { type: "response", requestId: "x", data: { success: true } });
});

test("requestId comes back as it was written", async (t) => {
	const r = await room(t);
	const ids = [
		"0",
		"-0",
		"1.0",
		"1e400",
		"-1E+5",
		"12345678901234567890123",
		"0.1e-7",
		"null",
		"true",
		"false",
		'""',
		'"x"',
		'"\\ud83d"',
		'"\\ude00\\ud83d"',
		'"\\u0000"',
		'"a\\/b\\u0041"',
		'"é🎉\u007f\u2028"',
		"[]",
		"{}",
		'{"a":[1,{"b":null}],"a":2}',
		'[[[["x"]]],1e999]',
		`"${"r".repeat(5000)}"`,
		'{"__proto__":1}',
		'"{\\"type\\":\\"response\\"}"',
		'"unknown"',
	];
	for (const requestId of ids)
		for (const [type, data] of [
			["labels:save", {}],
			["session:create", { id: "there" }],
			["nosuch", 1],
			["session:delete", {}],
			["session:updateMeta", { sessionId: "nobody", updates: {} }],
		]) {
			const answer = await r.client.send(`{"type":"${type}","data":${JSON.stringify(data)},"requestId":${requestId}}`);
			assert.equal(raw(answer.raw, "requestId"), requestId, `${type} ${requestId}`);
		}
});

test("a request without requestId is answered too", async (t) => {
	const r = await room(t);
	for (const [type, good] of [
		["labels:save", true],
		["nosuch", false],
	]) {
		const answer = await r.client.send(`{"type":"${type}","data":{}}`);
		assert.equal(answer.error === undefined, good);
		assert.ok([undefined, null, "unknown"].includes(answer.requestId), `requestId became ${answer.raw}`);
	}
});
