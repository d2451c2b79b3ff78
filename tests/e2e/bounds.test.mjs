// What a workspace may grow to: headers by bytes and members, the log of changes by bytes; and that small messages can't make
// the database grow far beyond what they are.

import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { counted } from "../harness/hostile.mjs";
import { BlobDir } from "../harness/housekeeping.mjs";
import { ROOT, startServer } from "../harness/server.mjs";
import { connect, settle } from "../harness/sync.mjs";

const MB = 1 << 20;
const server = await startServer({ bridges: 2, env: { CHANGE_LOG_BYTES: `${4 * MB}` } });
after(() => server.stop());
const cli = new BlobDir(server);
const SQL = ["--sql-dir", path.join(ROOT, "sql")];

let counter = 0;

async function room(t, options) {
	const slug = `bounds-${process.pid}-${++counter}`;
	const client = await connect(server, slug, { bridge: 0, ...options });
	t.after(() => client.kill());
	const header = async (id) => (await server.request(`/workspace/${slug}/sessions`)).json.find((h) => h.id === id);
	const act = (name, body) => server.request(`/workspace/${slug}/actions/${name}`, { method: "POST", body: JSON.stringify(body) });
	return { slug, client, header, act };
}

const pad = (bytes) => "p".repeat(bytes);
const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 0]));
const BYTES = /^The session's header would have \d+ bytes: SESSION_HEADER_MAX allows 1048576$/;
const MEMBERS = /^The session's header would have \d+ members: at most 10000 are stored$/;

test("a header has SESSION_HEADER_MAX bytes at most, however it comes about", async (t) => {
	const { client, header, act, slug } = await room(t, { since: 0 });
	const listener = await connect(server, slug, { bridge: 1 });
	t.after(() => listener.kill());
	await client.ok("session:create", { id: "s", a: 1 });
	const before = await header("s");
	for (const [type, data] of [
		["session:create", { id: "big", pad: pad(MB) }],
		["session:save", { id: "s", header: { id: "s", pad: pad(MB) }, messages: [1] }],
		["session:save", { id: "new", header: { id: "new", pad: pad(MB) }, messages: [1] }],
		["session:updateMeta", { sessionId: "s", updates: { pad: pad(MB) } }],
		["session:updateMeta", { sessionId: "s", updates: { pad: "é".repeat(MB / 2) } }],
		["session:updateSdkId", { sessionId: "s", sdkSessionId: pad(MB) }],
	])
		assert.match((await client.call(type, data)).error, BYTES, type);
	for (const [type, data] of [
		["session:create", { id: "big", ...many(10_000) }],
		["session:save", { id: "s", header: many(10_001), messages: [1] }],
		["session:updateMeta", { sessionId: "s", updates: many(10_001) }],
	])
		assert.match((await client.call(type, data)).error, MEMBERS, type);
	assert.deepEqual(await header("s"), before);
	assert.equal((await server.request(`/workspace/${slug}/sessions/s`)).json.messages.length, 0);
	// Half of it and the other half: neither is too much.
	await client.ok("session:updateMeta", { sessionId: "s", updates: { one: pad(MB / 2) } });
	assert.match((await client.call("session:updateMeta", { sessionId: "s", updates: { two: pad(MB / 2) } })).error, BYTES);
	const renamed = await act("rename-session", { sessionId: "s", name: pad(MB / 2) });
	assert.equal(renamed.status, 400);
	assert.match(renamed.json.error, BYTES);
	assert.equal((await client.call("labels:save", {})).seq, 3, "what was refused took a number");
	await settle(client, [listener]);
	assert.equal(listener.broadcasts.length, 3 + 1, "what was refused was told");
	await counted(server, "craft-ws-bridge", "header", 10);
});

test("a session has 100,000 messages at most; one that has more may be saved, but not grow", async (t) => {
	const { client, slug } = await room(t);
	const messages = (count, last) => [...new Array(count - 1).fill(0), last];
	const other = await connect(server, slug, { bridge: 1 });
	t.after(() => other.kill());
	const save = (id, list, by = client) => by.call("session:save", { id, header: { id }, messages: list });
	const stored = (id) => server.psqlValue(`select count(*) from app.message m join app.session s on s.key = m.session_key
		join app.workspace w on w.id = s.workspace_id where w.slug = '${slug}' and s.id = '${id}'`);
	const refused = await save("s", messages(100_001, 1));
	assert.equal(refused.error, "The session would have 100001 messages: at most 100000 are stored in one session");
	assert.equal((await server.request(`/workspace/${slug}/sessions/s`)).status, 404);
	assert.equal((await save("s", messages(100_000, 1))).error, undefined);
	assert.equal(stored("s"), "100000");
	assert.match((await save("s", messages(999_999, 1))).error, /would have 999999 messages/);
	assert.equal(stored("s"), "100000");
	// As one of an earlier release, when this one's bridge reads it first.
	server.psql(`insert into app.message (session_key, idx, hash, body) select m.session_key, 100000 + n, m.hash, m.body
			from app.message m join app.session s on s.key = m.session_key join app.workspace w on w.id = s.workspace_id, generate_series(0, 4) as n
			where w.slug = '${slug}' and s.id = 's' and m.idx = 0;
		update app.session s set message_count = 100005, version = version + 1 from app.workspace w
			where w.id = s.workspace_id and w.slug = '${slug}' and s.id = 's'`);
	assert.equal((await save("s", messages(100_005, 2), other)).error, undefined);
	assert.match((await save("s", messages(100_006, 2), other)).error, /would have 100006 messages/);
	assert.equal((await save("s", messages(100_004, 2), other)).error, undefined);
	assert.match((await save("s", messages(100_005, 2), other)).error, /would have 100005 messages/);
	assert.equal(stored("s"), "100004");
	await counted(server, "craft-ws-bridge", "messages", 4);
});

test("refusals keep their place among what else is asked, and stop nobody", async (t) => {
	const { client, header } = await room(t);
	await client.ok("session:create", { id: "s", n: -1 });
	const answers = await Promise.all(
		Array.from({ length: 300 }, (_, n) => client.call("session:updateMeta", { sessionId: "s", updates: n % 3 === 1 ? { n, pad: pad(MB) } : { n } }, n)),
	);
	answers.forEach((answer, n) => {
		assert.equal(answer.requestId, n);
		if (n % 3 === 1) assert.match(answer.error, BYTES);
		else assert.equal(answer.data.n, n);
	});
	assert.equal((await header("s")).n, 299);
});

test("a header that is larger already is read, changed and saved as long as it doesn't grow", async (t) => {
	const { slug, client, header, act } = await room(t);
	server.psql(`select api.session_create('${slug}', 's', json_build_object('id', 's', 'flag', 0, 'pad', repeat('x', ${2 * MB})))`);
	await client.waitFor(1);
	assert.equal((await header("s")).pad.length, 2 * MB);
	assert.equal((await client.ok("session:updateMeta", { sessionId: "s", updates: { flag: 1 } })).flag, 1);
	assert.match((await client.call("session:updateMeta", { sessionId: "s", updates: { flag: 100 } })).error, BYTES);
	assert.equal((await act("flag-session", { sessionId: "s" })).status, 400);
	await client.ok("session:save", { id: "s", header: { id: "s", pad: pad(2 * MB - 10) }, messages: [1, 2] });
	await client.ok("session:updateMeta", { sessionId: "s", updates: { pad: "" } });
	assert.equal((await act("flag-session", { sessionId: "s" })).status, 200);
	assert.deepEqual(await header("s"), { id: "s", pad: "", isFlagged: true });
	assert.match((await client.call("session:updateMeta", { sessionId: "s", updates: { pad: pad(MB) } })).error, BYTES);
});

const size = (table) => Number(server.psqlValue(`select pg_total_relation_size('app.${table}')`));

test("small changes of a big header don't make the log grow beyond its bound, and nothing else remembers them", async (t) => {
	const { slug, client } = await room(t, { client: "c", since: 0 });
	const other = await connect(server, slug, { bridge: 1, since: 0 });
	t.after(() => other.kill());
	// Random digits, as the database compresses others.
	const noise = Array.from({ length: 60_000 }, () => Math.random().toString(36).slice(2, 14)).join("");
	await client.ok("session:create", { id: "s", noise });
	const bytes = Buffer.byteLength(JSON.stringify({ id: "s", noise }));
	const remembered = size("seen_request");
	for (let n = 0; n < 30; n++) assert.equal((await client.ok("session:updateMeta", { sessionId: "s", updates: { n } }, `n${n}`)).n, n);
	const [floor, seq, log, rows] = server.psql(`select floor, seq, log_bytes, (select sum(octet_length(l.data::text)) from app.change_log l where l.workspace_id = w.id)
		from app.workspace w where slug = '${slug}'`)[0].map(Number);
	assert.equal(seq, 31);
	assert.ok(floor > 20 && floor < seq, `floor ${floor}`);
	assert.equal(log, rows);
	assert.ok(log <= 4 * MB, `${log} bytes`);
	assert.ok(size("seen_request") - remembered < MB / 8, `the memory of requests grew by ${size("seen_request") - remembered}`);
	assert.ok(30 * bytes > 4 * log, "too little was written to see anything");
	// Who listens hears all of it; a request sent again gets what it got.
	await other.waitFor(31);
	const { raw } = client.answers.at(-1);
	assert.equal((await client.call("session:updateMeta", { sessionId: "s", updates: { n: 29 } }, "n29")).raw, raw);
	// Where the log doesn't reach back to it, the header as it is now.
	const early = await client.call("session:updateMeta", { sessionId: "s", updates: { n: 1 } }, "n1");
	assert.deepEqual([early.seq, early.data], [3, JSON.parse(raw).data]);
	assert.equal(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`), "31");
	const { epoch } = client.hello;
	for (const [since, resumed] of [[1, false], [floor, true]]) {
		const back = await connect(server, slug, { bridge: 1, since, epoch });
		assert.equal(back.hello.resumed, resumed, `since=${since}`);
		await back.kill();
	}
});

test("how near the logs are is told", async () => {
	const status = await cli.cloud(["status", ...SQL]);
	assert.match(status.stdout, /^change logs +the longest [\d.]+ (MB|kB) of 4096 kB: bounds-/m);
	assert.match(status.stdout, /^sandbox streams +the longest 0 bytes of 256 MB/m);
	const json = JSON.parse((await cli.cloud(["status", "--json", ...SQL])).stdout);
	assert.equal(json.logs.changeLimit, 4 * MB);
	assert.ok(json.logs.changeBytes > MB && json.logs.changeBytes <= 4 * MB);
	assert.match(json.logs.changeWorkspace, /^bounds-/);
});
