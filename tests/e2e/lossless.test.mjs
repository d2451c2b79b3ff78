// What a client stored comes back as it was written: compared as text, because JSON.parse() would hide just the
// differences that matter here. And the edges of what is taken at all: depth, size, UTF-8.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ask } from "../harness/hostile.mjs";
import { startServer } from "../harness/server.mjs";
import { elements, members, raw } from "../harness/rawjson.mjs";
import { connect, open, within } from "../harness/sync.mjs";

const MAX = 64 << 20;
let server;
after(() => server?.stop());
server = await startServer();

let counter = 0;

async function room(t, options) {
	const slug = `lossless-${process.pid}-${++counter}`;
	const client = await connect(server, slug, options);
	const listener = await connect(server, slug, options);
	t.after(() => [client, listener].forEach((c) => c.kill()));
	const get = async (path) => {
		const answer = await server.request(`/workspace/${encodeURIComponent(slug)}${path}`);
		assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 200)}`);
		return answer.text;
	};
	return { slug, client, listener, get };
}

// Sends a request whose data is given as text; it must succeed.
async function put(client, type, data, deadline) {
	const answer = await client.send(`{"type":"${type}","data":${data},"requestId":1}`, deadline);
	assert.equal(answer.error, undefined, `${type} ${data.slice(0, 200)}`);
	return answer;
}

// Values as text. Each is kept as a message, in a header, a config, metadata, a guide.
const values = {
	"NUL in a string": '"a\\u0000b\\u0000"',
	"half an emoji, the first": '"cut \\ud83d"',
	"half an emoji, the second": '"\\ude00 cut"',
	"halves in the wrong order": '"\\ude00\\ud83d"',
	"a key with half an emoji": '{"\\ud83d":1,"\\u0000":2}',
	"an emoji as escapes": '"\\ud83d\\ude00"',
	"an emoji as bytes": '"😀👩‍👩‍👧‍👦"',
	"escapes that need not be": '"\\/ \\u0041 \\u00e9 \\u002F"',
	"escapes in capitals": '"\\u00E9 \\uD83D\\uDE00"',
	"all short escapes": '"\\" \\\\ \\/ \\b \\f \\n \\r \\t"',
	"control characters as escapes": `"${Array.from({ length: 32 }, (_, i) => `\\u00${i.toString(16).padStart(2, "0")}`).join("")}"`,
	"DEL, line separators, BOM, noncharacters": '"\u007f\u0080\u2028\u2029\ufeff\uffff\ufffe\u{10ffff}"',
	"replacement characters": '"\ufffd\\ufffd"',
	"composed and decomposed": '"é e\u0301 Å \u212b"',
	"integers beyond 64 bits": "[18446744073709551616,-9223372036854775809,123456789012345678901234567890]",
	"integers beyond doubles": "[9007199254740993,9223372036854775807,18446744073709551615]",
	"numbers beyond doubles": "[1e999,-1e999,1e-999,1E+400,4.9e-400]",
	"minus nought": "[-0,-0.0,0e0,-0e-0]",
	"trailing noughts": "[1.10,1.0,100,1e2,1E2,1e+2,1.000000000000000000000000000001]",
	"a number of 3,000 digits": `1${"0".repeat(2999)}`,
	"duplicate keys": '{"a":1,"a":{"b":2},"a":3}',
	"duplicate keys by escapes": '{"a":1,"\\u0061":2}',
	__proto__: '{"__proto__":{"admin":true},"constructor":{"prototype":1},"hasOwnProperty":1,"toString":null}',
	"key order": '{"z":1,"a":2,"10":3,"2":4,"B":5,"":6}',
	"empty things": '[[],{},"",null,false,true,0]',
	"blanks inside": '{ "a" : [ 1 ,\t2 ] , "b":\n{ } }',
	"what looks like SQL, JSON and placeholders": '"\'; drop table app.session; -- $1 %s {} \\\\x00 \\\\u0000 \\"}]"',
	"bytes that look like UTF-16": '"\\u0000\\ud800\\udbff\\udc00\\udfff"',
	"a long string": `"${"lorem ipsum ☃ ".repeat(20000)}"`,
};

for (const [name, value] of Object.entries(values)) {
	test(`kept as written: ${name}`, async (t) => {
		const { client, listener, get } = await room(t);
		const header = `{"id":"s","first":${value},"n":1.50}`;
		const wrapped = `{"v":${value}}`;
		await put(client, "session:save", `{"messages":[${value},{"in":${value}},${value}],"id":"s","header":${header}}`);
		await put(client, "source:create", `{"slug":"src","config":${value}}`);
		await put(client, "source:saveGuide", `{"sourceSlug":"src","guide":${value}}`);
		await put(client, "statuses:save", wrapped);
		await put(client, "skill:save", `{"slug":"k","content":"c","metadata":${value}}`);

		assert.deepEqual(elements(await get("/sessions")), [header]);
		const session = await get("/sessions/s");
		assert.deepEqual(members(session).slice(0, 3), members(header));
		assert.deepEqual(elements(raw(session, "messages")), [value, `{"in":${value}}`, value]);
		assert.deepEqual(JSON.parse(session), { ...JSON.parse(header), messages: [value, `{"in":${value}}`, value].map((v) => JSON.parse(v)) });
		assert.equal(raw(elements(await get("/sources"))[0], "config"), value);
		assert.equal(raw(await get("/sources/src"), "config", "config"), value);
		assert.equal(raw(await get("/sources/src"), "guide"), value);
		assert.equal(await get("/statuses"), wrapped);
		assert.equal(raw(elements(await get("/skills"))[0], "metadata"), value);

		const told = (await listener.waitFor(5)).map((b) => raw(b.raw, "event", "data"));
		assert.equal(told[0], header);
		assert.equal(raw(told[1], "config"), value);
		assert.equal(raw(told[2], "guide"), value);
		assert.equal(told[3], wrapped);
		assert.equal(raw(told[4], "metadata"), value);
	});

	test(`kept by create and merges: ${name}`, async (t) => {
		const { client, listener, get } = await room(t);
		const created = await put(client, "session:create", `{"id":"s","v":${value},"w":${value}}`);
		assert.equal(raw(created.raw, "data", "v"), value);
		assert.equal(raw(await get("/sessions/s"), "w"), value);
		const merged = await put(client, "session:updateMeta", `{"sessionId":"s","updates":{"v":null,"x":${value}}}`);
		await put(client, "session:updateSdkId", '{"sessionId":"s","sdkSessionId":"abc"}');
		const [, event] = await listener.waitFor(2);
		for (const text of [
			raw(merged.raw, "data"),
			raw(event.raw, "event", "data"),
			elements(await get("/sessions"))[0],
			await get("/sessions/s"),
		]) {
			assert.equal(raw(text, "v"), "null");
			assert.equal(raw(text, "w"), value);
			assert.equal(raw(text, "x"), value);
		}
		assert.equal(raw(await get("/sessions/s"), "sdkSessionId"), '"abc"');
		const again = await server.request(`/workspace/lossless-${process.pid}-${counter}/actions/flag-session`, {
			method: "POST",
			body: { sessionId: "s" },
		});
		assert.equal(again.status, 200);
		assert.equal(raw(again.text, "x"), value, "an action rewrote the header");
	});
}

test("text that the server reads is decoded right: plans", async (t) => {
	const { client, listener, get } = await room(t);
	const content = '"# \\u0041\\ud83d\\ude00😀 \\u0000\\n\\t\\"\\\\\\/ \\u00e9"';
	await put(client, "plan:save", `{"sessionId":"s","fileName":"p","content":${content}}`);
	assert.equal(await get("/sessions/s/plans/p"), JSON.parse(content));
	assert.equal(raw((await listener.waitFor(1))[0].raw, "event", "data", "content"), content);
	// Half an emoji has no UTF-8: what is served must be valid all the same.
	await put(client, "plan:save", '{"sessionId":"s","fileName":"q","content":"a\\ud83db"}');
	const answer = await server.request(`/workspace/lossless-${process.pid}-${counter}/sessions/s/plans/q`);
	assert.equal(answer.status, 200);
	assert.match(new TextDecoder("utf-8", { fatal: true }).decode(answer.body), /^a.b$/u);
});

test("a header without fields, and one with a field named messages", async (t) => {
	const { client, get } = await room(t);
	await put(client, "session:save", '{"id":"a","header":{},"messages":[1]}');
	await put(client, "session:save", '{"id":"b","header":{"messages":["not these"],"x":1},"messages":[2]}');
	await put(client, "session:save", '{"id":"c","header":{ },"messages":[ ]}');
	assert.deepEqual(JSON.parse(await get("/sessions/a")), { messages: [1] });
	assert.deepEqual(JSON.parse(await get("/sessions/b")), { x: 1, messages: [2] });
	assert.deepEqual(JSON.parse(await get("/sessions/c")), { messages: [] });
});

test("duplicate fields of a request: the last counts", async (t) => {
	const { client, listener, get } = await room(t);
	await put(client, "session:save", '{"id":"x","id":"y","header":{"a":1},"header":{"a":2},"messages":[1],"messages":[2,3],"i\\u0064":"z"}');
	assert.deepEqual(JSON.parse(await get("/sessions/z")), { a: 2, messages: [2, 3] });
	assert.deepEqual(JSON.parse(await get("/sessions")), [{ a: 2 }]);
	assert.deepEqual((await listener.waitFor(1))[0].event.data, { a: 2 });
});

const oddNames = [
	"a/b",
	"100%",
	"%41",
	"😀",
	"two words",
	"a#b?c&d=e+f",
	"a/../b",
	"//",
	"\\",
	"'\"$1;--",
	"é",
	"e\u0301",
	"\u007f\u0001\n",
	"nul",
	"__proto__",
	"constructor",
	"x".repeat(1024),
	"é".repeat(512),
	"%2F",
	"a:b",
	"~",
	"*",
	"\u2028",
	"🏳️‍🌈",
];

for (const name of oddNames)
	test(`ids, slugs and plan names such as ${JSON.stringify(name).slice(0, 30)}`, async (t) => {
		const { client, listener, get } = await room(t);
		const at = encodeURIComponent(name).replace(/^\.+$/, (dots) => "%2e".repeat(dots.length));
		await client.ok("session:create", { id: name });
		await client.ok("session:updateMeta", { sessionId: name, updates: { a: 1 } });
		await client.ok("source:create", { slug: name });
		await client.ok("skill:save", { slug: name, content: "", metadata: {} });
		await client.ok("plan:save", { sessionId: name, fileName: name, content: `# ${name}` });
		assert.equal(JSON.parse(await get(`/sessions/${at}`)).id, name);
		assert.equal(JSON.parse(await get(`/sources/${at}`)).config.slug, name);
		assert.equal(JSON.parse(await get("/skills"))[0].slug, name);
		assert.equal(JSON.parse(await get(`/sessions/${at}/plans`))[0].name, name);
		assert.equal(await get(`/sessions/${at}/plans/${at}`), `# ${name}`);
		await client.ok("session:delete", { sessionId: name });
		await client.ok("source:delete", { sourceSlug: name });
		await client.ok("skill:delete", { slug: name });
		const events = (await listener.waitFor(8)).map((b) => b.event.data);
		assert.deepEqual(
			events.map((d) => d.id ?? d.slug ?? d.sourceSlug ?? d.sessionId),
			Array(8).fill(name),
		);
		for (const list of ["/sessions", "/sources", "/skills", `/sessions/${at}/plans`]) assert.equal(await get(list), "[]", list);
	});

// The tables' constraints, as migration 0008 makes them, are not valid: they stand aside for a moment.
const fits = [["session", "session_id_fits_into_urls"], ["source", "source_slug_fits_into_urls"], ["skill", "skill_slug_fits_into_urls"],
	["plan", "plan_name_fits_into_urls"]].map(([table, constraint]) =>
	({ table, constraint, check: server.psqlValue(`select pg_get_constraintdef(oid) from pg_constraint where conname = '${constraint}'`) }));
const of = (slug) => `workspace_id = (select id from app.workspace where slug = '${slug}')`;

function renameAsOnceTaken(slug, name) {
	for (const { table, constraint } of fits) server.psql(`alter table app.${table} drop constraint ${constraint}`);
	server.psql(`update app.session set id = '${name}' where id = 's' and ${of(slug)}; update app.source set slug = '${name}' where slug = 's' and ${of(slug)};
		update app.skill set slug = '${name}' where slug = 's' and ${of(slug)}; update app.plan set session_id = '${name}' where session_id = 's' and ${of(slug)};
		update app.plan set name = '${name}' where session_id = 't' and name = 'q' and ${of(slug)}`);
	for (const { table, constraint, check } of fits) server.psql(`alter table app.${table} add constraint ${constraint} ${check}`);
}

const countNamed = (slug, name) => JSON.parse(server.psqlValue(`select json_build_object('session', (select count(*) from app.session where id = '${name}' and ${of(slug)}),
	'source', (select count(*) from app.source where slug = '${name}' and ${of(slug)}), 'skill', (select count(*) from app.skill where slug = '${name}' and ${of(slug)}),
	'plan', (select count(*) from app.plan where '${name}' in (session_id, name) and ${of(slug)}))`));

for (const name of [".", ".."])
	test(`nothing gets the name ${name}, which no URL can have; what has it can be deleted`, async (t) => {
		const { client, listener, slug, get } = await room(t);
		for (const [type, data, field] of [
			["session:create", { id: name }, "id"],
			["session:save", { id: name, header: {}, messages: [] }, "id"],
			["session:updateMeta", { sessionId: name, updates: {} }, "sessionId"],
			["session:updateSdkId", { sessionId: name, sdkSessionId: "x" }, "sessionId"],
			["session:clearMessages", { sessionId: name }, "sessionId"],
			["source:create", { slug: name }, "slug"],
			["source:saveConfig", { slug: name }, "slug"],
			["source:saveGuide", { sourceSlug: name, guide: "" }, "sourceSlug"],
			["skill:save", { slug: name, content: "", metadata: {} }, "slug"],
			["plan:save", { sessionId: name, fileName: "p", content: "" }, "sessionId"],
			["plan:save", { sessionId: "s", fileName: name, content: "" }, "fileName"],
		])
			assert.match((await client.call(type, data)).error, new RegExp(`^Invalid ${field}: .*neither \\. nor \\.\\.$`), type);
		for (const call of [
			`session_create('${slug}', '${name}', '{}')`,
			`session_save('${slug}', '${name}', '{}')`,
			`source_create('${slug}', '${name}', '{}')`,
			`source_save_config('${slug}', '${name}', '{}')`,
			`source_save_guide('${slug}', '${name}', '1')`,
			`skill_save('${slug}', '${name}', '""', '{}')`,
			`plan_save('${slug}', '${name}', 'p', '""')`,
			`plan_save('${slug}', 's', '${name}', '""')`,
			`session_create('${name}', 's', '{}')`,
			`file_put('${name}', 's', 'attachments', 'f', gen_random_uuid(), 1, 'a/b', sha256(''))`,
			`project_remember('${name}', 'a/b', 'u')`,
			`workspace_import_begin('${name}', now(), false)`,
		])
			assert.throws(() => server.psql(`select api.${call}`), /fits_into_urls|no URL can name it/, call);
		assert.equal(server.psqlValue(`select count(*) from app.workspace where slug in ('${slug}', '${name}')`), "0", "what was refused made a workspace");
		for (const written of [name, name.replaceAll(".", "%2e")]) {
			const refused = await ask(server, `/workspace/${written}`, { through: "bridge" });
			assert.equal(refused.status, 400);
			assert.match(refused.body, /Invalid workspace: \. and \.\. can't be part of a URL/);
			assert.notEqual((await ask(server, `/workspace/${written}`)).status, 101);
		}
		// As an older version took it.
		await client.ok("session:save", { id: "s", header: {}, messages: [1] });
		await client.ok("source:create", { slug: "s" });
		await client.ok("skill:save", { slug: "s", content: "", metadata: {} });
		for (const [sessionId, fileName] of [["s", "p"], ["t", "p"], ["t", "q"]]) await client.ok("plan:save", { sessionId, fileName, content: "" });
		renameAsOnceTaken(slug, name);
		assert.equal(JSON.parse(await get("/sessions")).length, 1);
		for (const [type, data] of [["plan:delete", { sessionId: "t", fileName: name }], ["plan:delete", { sessionId: name, fileName: "p" }],
			["session:delete", { sessionId: name }], ["source:delete", { sourceSlug: name }], ["skill:delete", { slug: name }]]) {
			assert.equal(countNamed(slug, name)[type.split(":")[0]], type === "plan:delete" && data.fileName === name ? 2 : 1, `before ${type}`);
			await client.ok(type, data);
		}
		assert.deepEqual(countNamed(slug, name), { session: 0, source: 0, skill: 0, plan: 0 });
		for (const list of ["/sessions", "/sources", "/skills"]) assert.equal(await get(list), "[]", list);
		await listener.waitFor(11);
	});

// Found by a search for the same XXH3-64, which takes some minutes; tests/unit/test_chosen_names.c has the proof.
const twins = ['{"id":"m1","text":"659ef3ebd94bd431"}', '{"id":"m1","text":"e7bf29a0f7863c89"}'];
const labelTwins = ['{"version":1,"labels":["5489d72fb468698f"]}', '{"version":1,"labels":["74b62a0c05831a44"]}'];

test("a message is replaced by one with the same XXH3-64", async (t) => {
	const { client, get } = await room(t);
	for (const body of [...twins, ...twins]) {
		const answer = await client.send(`{"type":"session:save","requestId":1,"data":{"id":"s","header":{},"messages":[0,${body}]}}`);
		assert.deepEqual(answer.data, { success: true });
		assert.equal(await get("/sessions/s"), `{"messages":[0,${body}]}`);
	}
});

test("also where a bridge of the last release wrote it, which knows no other digest", async (t) => {
	const { client, slug, get } = await room(t);
	const old = `select api.session_save('${slug}', 's', '{}', p_count => 1, p_bytes => 1, p_idx => '{0}', p_hash => '{5153229884046372615}', p_body => array['${twins[0]}']::json[])`;
	server.psql(old);
	assert.equal(await get("/sessions/s"), `{"messages":[${twins[0]}]}`);
	await client.send(`{"type":"session:save","requestId":1,"data":{"id":"s","header":{},"messages":[${twins[1]}]}}`);
	assert.equal(await get("/sessions/s"), `{"messages":[${twins[1]}]}`);
	assert.equal(server.psqlValue(`select count(*) from app.message m join app.session s on s.key = m.session_key join app.workspace w on w.id = s.workspace_id
		where w.slug = '${slug}' and m.hash = 5153229884046372615`), "0", "an old bridge would take it for the first one");
	// A row of before this release: without a digest.
	server.psql(`${old}; update app.message set sha256 = null where body::text = '${twins[0]}'`);
	await client.send(`{"type":"session:save","requestId":1,"data":{"id":"s","header":{},"messages":[${twins[1]}]}}`);
	assert.equal(await get("/sessions/s"), `{"messages":[${twins[1]}]}`);
});

test("a request isn't taken for the one before, whose data have the same XXH3-64", async (t) => {
	const { slug, get } = await room(t);
	const client = await connect(server, slug, { client: "c" });
	t.after(() => client.kill());
	const save = (data) => client.send(`{"type":"labels:save","requestId":1,"data":${data}}`);
	assert.deepEqual((await save(labelTwins[0])).data, { success: true });
	assert.deepEqual((await save(labelTwins[0])).data, { success: true });
	assert.match((await save(labelTwins[1])).error, /requestId was used for another message/);
	assert.equal(await get("/labels"), labelTwins[0]);
});

for (const slug of ["a/b c", "100%", "😀 #?&", "..x", "a%2Fb", "x".repeat(255)])
	test(`a workspace named ${JSON.stringify(slug).slice(0, 30)}`, async (t) => {
		const client = await connect(server, slug, { auth: "query" });
		const listener = await connect(server, slug, { since: 0 });
		t.after(() => [client, listener].forEach((c) => c.kill()));
		await client.ok("session:create", { id: "s" });
		await listener.waitFor(1);
		const answer = await server.request(`/workspace/${encodeURIComponent(slug)}/sessions`);
		assert.deepEqual(
			answer.json.map((h) => h.id),
			["s"],
		);
		assert.equal(server.psqlValue(`select count(*) from app.workspace where slug = '${slug}'`), "1");
	});

function nested(levels) {
	return "[".repeat(levels) + "]".repeat(levels);
}

test("900 levels deep", async (t) => {
	const { client, get } = await room(t);
	const deep = nested(890);
	const objects = `${'{"a":'.repeat(890)}1${"}".repeat(890)}`;
	await put(client, "session:save", `{"id":"s","header":{"deep":${deep}},"messages":[${objects}]}`);
	assert.equal(raw(await get("/sessions/s"), "deep"), deep);
	assert.equal(elements(raw(await get("/sessions/s"), "messages"))[0], objects);
	await put(client, "session:updateMeta", `{"sessionId":"s","updates":{"more":${deep}}}`);
	assert.equal(raw(elements(await get("/sessions"))[0], "more"), deep);
});

test("100,000 brackets are an error and the connection stays", async (t) => {
	const { client, get } = await room(t);
	const bombs = [
		"[".repeat(100000),
		"{".repeat(100000),
		nested(100000),
		'{"a":'.repeat(100000),
		`{"type":"labels:save","data":${nested(100000)},"requestId":1}`,
		`{"type":"session:save","data":{"id":"s","header":{},"messages":[${nested(100000)}]},"requestId":1}`,
		`{"type":"session:save","data":{"id":"s","header":{"a":${nested(20000)}},"messages":[]},"requestId":1}`,
		`{"type":"labels:save","data":{},"requestId":${nested(100000)}}`,
		`{"type":${nested(100000)}}`,
	];
	for (const bomb of bombs) {
		const answer = await client.send(bomb);
		assert.equal(typeof answer.error, "string", bomb.slice(0, 60));
		assert.doesNotMatch(answer.error, /stack depth|max_stack|SQL/i);
		assert.ok(answer.raw.length < 1000, "the bomb was echoed");
	}
	await client.ok("labels:save", {});
	assert.equal(await get("/sessions"), "[]");
});

test("as deep as the server takes it, it also reads and merges it", async (t) => {
	const { client, get } = await room(t);
	// Wherever the limit lies, nothing may be taken that cannot be given back.
	for (const levels of [950, 990, 1000, 1500, 3000, 6000, 6500, 7000]) {
		const deep = nested(levels);
		const answer = await client.send(
			`{"type":"session:save","data":{"id":"s${levels}","header":{"d":${deep}},"messages":[${deep}]},"requestId":1}`,
		);
		if (answer.error !== undefined) continue;
		assert.equal(raw(await get(`/sessions/s${levels}`), "d"), deep);
		await client.ok("session:updateMeta", { sessionId: `s${levels}`, updates: { a: 1 } });
		assert.equal(raw(await get(`/sessions/s${levels}`), "d"), deep);
	}
});

// A request of exactly `bytes` bytes, filled up inside one string.
function sized(before, after, bytes) {
	return before + "x".repeat(bytes - Buffer.byteLength(before) - Buffer.byteLength(after)) + after;
}

test("a message of 64 MiB", async (t) => {
	const { client, listener, get } = await room(t);
	const request = sized('{"type":"session:save","data":{"id":"s","header":{"a":1},"messages":["short","', '"]},"requestId":1}', MAX);
	const answer = await client.send(request, 60000);
	assert.equal(answer.error, undefined);
	await listener.waitFor(1);
	const [short, long] = JSON.parse(await get("/sessions/s")).messages;
	assert.equal(short, "short");
	assert.ok(long === request.slice(request.indexOf("xxx"), request.lastIndexOf("x") + 1), "the long message came back changed");
});

test("a config of 64 MiB reaches the others whole", async (t) => {
	const { client, listener } = await room(t);
	const request = sized('{"type":"statuses:save","data":{"v":"', '"},"requestId":1}', MAX);
	assert.equal((await client.send(request, 60000)).error, undefined);
	const [{ event }] = await listener.waitFor(1, 60000);
	assert.equal(event.data.v.length, MAX - 54);
	await client.ok("statuses:save", {});
	await listener.waitFor(2);
});

test("one byte more than 64 MiB closes with 1009", async (t) => {
	const { client, get } = await room(t);
	const request = sized('{"type":"session:save","data":{"id":"s","header":{},"messages":["', '"]},"requestId":1}', MAX + 1);
	client.send(request, 60000).catch(() => {});
	assert.equal((await within(client.closed, 30000, "the close")).code, 1009);
	assert.equal(await get("/sessions"), "[]");
});

test("one byte more in fragments closes with 1009", async (t) => {
	const { client } = await room(t);
	const piece = Buffer.alloc(MAX / 4, " ");
	for (let i = 0; i < 4; i++) client.ws.send(piece, { binary: false, fin: false });
	client.ws.send(" ", { binary: false, fin: true });
	assert.equal((await within(client.closed, 30000, "the close")).code, 1009);
});

const invalid = {
	"a stray continuation byte": [0x80],
	"a cut sequence": [0xe2, 0x82],
	"a surrogate's bytes": [0xed, 0xa0, 0x80],
	"overlong NUL": [0xc0, 0x80],
	"beyond U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
	"0xFF": [0xff],
	"five bytes": [0xf8, 0x88, 0x80, 0x80, 0x80],
};
for (const [name, bytes] of Object.entries(invalid))
	test(`invalid UTF-8 closes with 1007: ${name}`, async (t) => {
		const { slug, listener, get } = await room(t);
		const ws = open(server, slug);
		t.after(() => ws.terminate());
		await within(new Promise((resolve) => ws.once("open", resolve)), 10000, "open");
		const closed = new Promise((resolve) => ws.once("close", resolve));
		ws.send(Buffer.concat([Buffer.from('{"type":"labels:save","data":{"a":"'), Buffer.from(bytes), Buffer.from('"},"requestId":1}')]), {
			binary: false,
		});
		assert.equal(await within(closed, 10000, "the close"), 1007);
		assert.equal(await get("/labels"), '{"version":1,"labels":[]}');
		assert.deepEqual(listener.broadcasts, []);
	});

test("binary frames are ignored", async (t) => {
	const { client, listener } = await room(t);
	client.ws.send(Buffer.from('{"type":"labels:save","data":{"bad":1},"requestId":1}'), { binary: true });
	client.ws.send(Buffer.from([0xff, 0, 1]), { binary: true });
	await client.ok("statuses:save", { n: 1 });
	await listener.waitFor(1);
	assert.deepEqual(listener.broadcasts[0].event.data, { n: 1 });
	assert.deepEqual(client.stray, []);
});
