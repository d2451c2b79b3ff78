// The WebSocket of a sandbox, with the real bridge, nginx and PostgreSQL; the host is played through SQL. What the host
// says reaches every client in order, once, however clients come and go; what clients ask for reaches the host unchanged,
// or is answered with an error.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { openSandbox, PlayedHost, sandboxPath, SqlSession } from "../harness/sandbox_stream.mjs";
import { alive, startServer, waitFor } from "../harness/server.mjs";
import { connect, within } from "../harness/sync.mjs";

const TIMEOUT = 2500;
const servers = [];
after(() => Promise.all(servers.map((server) => server.stop())));
const [server, small] = await Promise.all([
	startServer({ bridges: 2, env: { WS_DB_TIMEOUT: String(TIMEOUT) } }),
	startServer({ env: { WS_MAX_QUEUE: "1M", WS_MAX_MESSAGE: "8M" } }),
]);
servers.push(server, small);
const host = await PlayedHost.alone(server);

let counter = 0;
const slugOf = () => `stream-${process.pid}-${++counter}`;
const range = (n, from = 1) => Array.from({ length: n }, (_, i) => from + i);
const stream = (n) => ({ type: "stream", data: `line ${n}` });
const numbers = (client) => client.messages.map((m) => m.seq);
const datas = (client) => client.messages.map((m) => m.data);

// A sandbox and a way to open clients that go when the case is over.
function place(t, options) {
	const slug = slugOf();
	const session = host.sandbox(slug, options);
	const open = async (more) => {
		const client = await openSandbox(server, slug, session, more);
		t.after(() => client.kill());
		return client;
	};
	return { slug, session, open };
}

// Most memory that a bridge uses at the moment.
function rss() {
	const kilobytes = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m)[1]);
	return Math.max(...server.ready.pids["craft-ws-bridge"].map(kilobytes)) << 10;
}

async function refused(promise) {
	const error = await promise.then(
		(client) => client.kill().then(() => assert.fail("let in")),
		(e) => e,
	);
	assert.ok(error.response, error);
	return { status: error.response.status, json: JSON.parse(error.response.body), headers: error.response.headers };
}

// ---- the stream ----

test("without since: what comes from then on, as it was said; with since: the numbers too", async (t) => {
	const { session, open } = place(t);
	host.say(session, [stream(1), stream(2)]);
	const plain = await open();
	const all = await open({ since: 0 });
	const some = await open({ since: 1 });
	const late = await open({ since: 2 });
	// Its spaces, escapes and order of members stay.
	const odd = String.raw`{ "data" :"\u0000\ud800 é }{\"seq\":9", "type":"stream","x":{"y":[{}]} }`;
	host.say(session, [odd, stream(4)]);
	await Promise.all([plain.waitFor(2), all.waitFor(4), some.waitFor(3), late.waitFor(2)]);
	assert.deepEqual(plain.messages.map((m) => m.raw), [odd, JSON.stringify(stream(4))]);
	assert.deepEqual(numbers(all), [1, 2, 3, 4]);
	assert.deepEqual(numbers(some), [2, 3, 4]);
	assert.deepEqual(numbers(late), [3, 4]);
	assert.equal(all.messages[2].raw, odd.replace(/ }$/, ' ,"seq":3}'));
	assert.equal(all.messages[3].raw, '{"type":"stream","data":"line 4","seq":4}');
});

test("since beyond the last message is the last message", async (t) => {
	const { session, open } = place(t);
	host.say(session, [stream(1)]);
	const clients = [await open({ since: 1000 }), await open({ since: "9223372036854775807" }), await open({ since: 1 })];
	host.say(session, [stream(2)]);
	for (const client of clients) {
		await client.waitFor(1);
		assert.deepEqual(numbers(client), [2]);
	}
});

test("nothing is sent unasked", async (t) => {
	const { open } = place(t);
	const clients = [await open(), await open({ since: 0 })];
	for (const client of clients) {
		await client.settle();
		assert.deepEqual(client.messages, []);
	}
});

test("two bridges: by hint, and without one within the sweep", async (t) => {
	const { session, open } = place(t);
	const clients = [await open({ bridge: 0 }), await open({ bridge: 1 }), await open({ bridge: 0, since: 0 }), await open({ bridge: 1, since: 0, deflate: true })];
	const delays = [];
	for (const n of range(20)) {
		const start = performance.now();
		host.say(session, [stream(n)]);
		for (const client of clients) await client.waitFor(n);
		delays.push(performance.now() - start);
	}
	delays.sort((a, b) => a - b);
	assert.ok(delays[10] < 500, `half took over ${Math.round(delays[10])} ms: hints don't arrive`);
	host.say(session, [stream(21)], { tell: false });
	for (const client of clients) await client.waitFor(21, 5000);
	for (const client of clients) assert.deepEqual(datas(client), range(21).map((n) => `line ${n}`));
});

test("a message for one client goes to the connections of that name only", async (t) => {
	const { session, open } = place(t);
	const me = await open({ client: "me ü" });
	const also = await open({ client: "me ü", since: 0, bridge: 1 });
	const other = await open({ client: "other", since: 0 });
	const nameless = await open({ since: 0 });
	host.say(session, [stream(1)], { target: "me ü" });
	host.say(session, [stream(2)], { target: "nobody" });
	nameless.send({ type: "diff" });
	const job = await waitFor(() => host.jobs().find((j) => j.session === session));
	assert.match(job.client, /^[0-9a-f]{16}-\d+$/);
	host.say(session, [stream(3)], { target: job.client });
	host.say(session, [stream(4)]);
	await Promise.all([me.waitFor(2), also.waitFor(2), other.waitFor(1), nameless.waitFor(2)]);
	assert.deepEqual(datas(me), ["line 1", "line 4"]);
	assert.deepEqual(numbers(also), [1, 4]);
	assert.deepEqual(numbers(other), [4]);
	assert.deepEqual(numbers(nameless), [3, 4]);
	// From the log it's the same.
	const again = await open({ client: "me ü", since: 0 });
	await again.waitFor(2);
	assert.deepEqual(numbers(again), [1, 4]);
});

test("a message of 10 MB, for those who compress too", async (t) => {
	const { session, open } = place(t);
	const clients = [await open(), await open({ since: 0 }), await open({ since: 0, deflate: true, bridge: 1 })];
	const body = `select 1, '{"type":"tool_result","id":1,"success":true,"output":"' || repeat('0123456789', 1000000) || '"}'`;
	host.saySelect(session, body);
	host.say(session, [stream(2)]);
	for (const client of clients) {
		await client.waitFor(2, 60000);
		assert.equal(client.messages[0].output.length, 10_000_000);
		assert.equal(client.messages[1].data, "line 2");
	}
	const later = await open({ since: 0 });
	await later.waitFor(2, 60000);
	assert.equal(later.messages[0].output, "0123456789".repeat(1000000));
});

test("5,000 messages in bursts: in order, without gaps, from the start, from the middle and live", async (t) => {
	const { session, open } = place(t);
	const clients = [await open({ bridge: 0 }), await open({ bridge: 1, since: 0 }), await open({ bridge: 0, since: 0, deflate: true })];
	const pad = "p".repeat(1500);
	const late = [];
	for (const burst of range(10)) {
		const from = (burst - 1) * 500;
		host.saySelect(session, `select n, '{"type":"stream","data":"line ' || n || '","pad":"${pad}"}' from generate_series(${from + 1}, ${from + 500}) n`, { tell: burst % 3 > 0 });
		if (burst % 2) late.push([from + 100, await open({ since: from + 100, bridge: burst % 4 > 1 ? 0 : 1 })]);
	}
	for (const client of clients) {
		await client.waitFor(5000, 60000);
		assert.deepEqual(datas(client), range(5000).map((n) => `line ${n}`));
	}
	assert.deepEqual(numbers(clients[1]), range(5000));
	for (const [since, client] of late) {
		await client.waitFor(5000 - since, 60000);
		assert.deepEqual(numbers(client), range(5000 - since, since + 1));
	}
	// More than memory holds, to a client that reads.
	const whole = await open({ since: 0 });
	await whole.waitFor(5000, 60000);
	assert.deepEqual(numbers(whole), range(5000));
});

test("messages that were pruned are named", async (t) => {
	const { session, open } = place(t);
	host.say(session, range(5).map(stream));
	const listener = await open({ since: 0, bridge: 0 });
	await listener.waitFor(5);
	server.psql(`update app.sandbox_message set created_at = now() - interval '1 day' where session_id = '${session}'`);
	server.psql("select app.sandbox_prune(3600, 10000)");
	host.say(session, range(2, 6).map(stream));
	// This bridge knows nothing of the first five.
	for (const since of [0, 2]) {
		const client = await open({ since, bridge: 1 });
		await client.waitFor(3);
		assert.deepEqual(client.messages[0].raw, '{"type":"status","status":"ready","missedUntil":5,"seq":5}');
		assert.deepEqual(numbers(client), [5, 6, 7]);
		await client.kill();
	}
	const just = await open({ since: 5, bridge: 1 });
	await just.waitFor(2);
	assert.deepEqual(numbers(just), [6, 7]);
	// All are gone.
	server.psql(`update app.sandbox_message set created_at = now() - interval '1 day' where session_id = '${session}'`);
	server.psql("select app.sandbox_prune(3600, 10000)");
	await listener.waitFor(7);
	const none = await open({ since: 0, bridge: 1, client: "x" });
	await none.settle();
	host.say(session, [stream(8)]);
	await waitFor(() => numbers(none).at(-1) === 8);
	await listener.waitFor(8);
	assert.deepEqual(numbers(listener), range(8));
});

test("a sandbox and a workspace of the same name have nothing to do with each other", async (t) => {
	const { session, open } = place(t);
	const client = await open({ since: 0 });
	const sync = await connect(server, session);
	const writer = await connect(server, session);
	t.after(() => [sync, writer].forEach((c) => c.kill()));
	await writer.ok("labels:save", { n: 1 });
	host.say(session, [stream(1)]);
	await sync.waitFor(1);
	await client.waitFor(1);
	await client.settle();
	assert.deepEqual(numbers(client), [1]);
	assert.equal(sync.broadcasts.length, 1);
	assert.deepEqual(sync.stray, []);
});

test("clients that lose their connection again and again miss nothing", async (t) => {
	const { session, open } = place(t);
	const seen = [];
	let last = 0;
	const total = 600;
	const saying = (async () => {
		for (let n = 1; n <= total; n += 20) {
			host.say(session, range(20, n).map(stream), { tell: n % 3 > 0 });
			await new Promise(setImmediate);
		}
	})();
	while (last < total) {
		const client = await open({ since: last, bridge: seen.length % 2 });
		await client.until(() => client.messages.length >= 7 || numbers(client).at(-1) === total, "some messages");
		seen.push(...numbers(client));
		last = seen.at(-1);
		await client.kill();
	}
	await saying;
	assert.deepEqual(seen, range(total));
});

test("a client that doesn't read is sent away; nobody else has to wait for it", async (t) => {
	const played = await PlayedHost.alone(small);
	const slug = slugOf();
	const session = played.sandbox(slug);
	const slow = await openSandbox(small, slug, session, { since: 0, bridge: 0 });
	const good = [await openSandbox(small, slug, session, { since: 0 }), await openSandbox(small, slug, session, { deflate: true })];
	t.after(() => [slow, ...good].forEach((c) => c.kill()));
	slow.ws.pause();
	const count = 60;
	const start = Date.now();
	for (const n of range(count)) {
		played.saySelect(session, `select 1, '{"type":"stream","data":"line ${n}","pad":"' || repeat('p', 262144) || '"}'`);
		for (const client of good) await client.waitFor(n);
	}
	assert.ok(Date.now() - start < 60000, "the slow client slowed the others down");
	for (const client of good) assert.deepEqual(datas(client), range(count).map((n) => `line ${n}`));
	slow.ws.resume();
	assert.equal((await within(slow.closed, 10000, "the close")).code, 1013);
	const got = numbers(slow);
	assert.deepEqual(got, range(got.length));
	const again = await openSandbox(small, slug, session, { since: got.length });
	t.after(() => again.kill());
	await again.waitFor(count - got.length);
	assert.deepEqual([...got, ...numbers(again)], range(count));
});

// ---- who may connect ----

test("unknown, foreign and malformed sessions, bad parameters, no key", async (t) => {
	const { slug, session, open } = place(t);
	const other = slugOf();
	host.sandbox(other);
	const unknown = { error: "Sandbox session not found" };
	const ids = [randomUUID(), session.toUpperCase(), session.slice(0, -1), `${session}0`, "x", "%00", session.replaceAll("-", "")];
	for (const id of ids) {
		const answer = await refused(openSandbox(server, slug, id));
		assert.ok(answer.status === 404 || (id === "%00" && answer.status === 400), `${id}: ${answer.status}`);
		if (answer.status === 404) assert.deepEqual(answer.json, unknown, id);
		assert.equal(answer.headers["access-control-allow-origin"], "*");
	}
	for (const place of [other, slugOf(), `${slug} `, slug.toUpperCase()]) {
		const answer = await refused(openSandbox(server, place, session));
		assert.deepEqual([answer.status, answer.json], [404, unknown], place);
	}
	for (const since of ["-1", "x", "1.5", "", "9223372036854775808"])
		assert.equal((await refused(openSandbox(server, slug, session, { since }))).status, 400, `since=${since}`);
	for (const client of ["", "x".repeat(257)]) assert.equal((await refused(openSandbox(server, slug, session, { client }))).status, 400);
	for (const key of [null, "wrong"]) {
		const answer = await refused(openSandbox(server, slug, session, { key }));
		assert.deepEqual([answer.status, answer.json], [401, { error: "Unauthorized" }]);
	}
	const deeper = await server.request(`${sandboxPath(server, slug, session)}/more`, {
		headers: { "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" },
	});
	assert.deepEqual([deeper.status, deeper.json], [404, { error: "Not found" }]);
	// It is there, for who asks properly.
	await (await open()).close();
});

test("an expired sandbox: 410; clients that are connected are told, stay, and get errors", async (t) => {
	const { slug, session, open } = place(t);
	const client = await open({ since: 0 });
	server.psql(`select api.sandbox_delete('${slug}', '${session}')`);
	host.say(session, [{ type: "status", status: "expired" }]);
	await client.waitFor(1);
	assert.deepEqual(client.messages[0].raw, '{"type":"status","status":"expired","seq":1}');
	assert.equal((await client.call({ type: "ping" })).type, "pong");
	const gone = "Sandbox session expired";
	assert.deepEqual(JSON.parse((await client.call({ type: "execute", task: "x" })).raw), { type: "error", message: gone });
	assert.deepEqual(JSON.parse((await client.call({ type: "tool", id: "t", name: "Bash", input: {} })).raw),
		{ type: "tool_result", id: "t", success: false, error: gone, message: gone });
	const answer = await refused(openSandbox(server, slug, session));
	assert.deepEqual([answer.status, answer.json], [410, { error: gone }]);
	// Its row goes too: still the same for who is connected, unknown for all others.
	server.psql(`select api.sandbox_cleaned('${host.id}', '${session}')`);
	server.psql("select app.sandbox_forget(-1, 10000)");
	assert.equal((await client.call({ type: "diff" })).message, gone);
	assert.equal((await refused(openSandbox(server, slug, session))).status, 404);
	assert.equal(client.closing, undefined);
});

test("a sandbox that goes while a client catches up", async (t) => {
	const { slug, session, open } = place(t);
	const client = await open({ since: 0, bridge: 0 });
	client.ws.pause();
	for (const _ of range(10)) host.saySelect(session, `select n, '{"type":"stream","pad":"' || repeat('p', 262144) || '"}' from generate_series(1, 4) n`);
	const live = await open({ bridge: 0 });
	host.say(session, [stream(41)]);
	await live.waitFor(1);
	server.psql(`select api.sandbox_delete('${slug}', '${session}'); select api.sandbox_cleaned('${host.id}', '${session}'); select app.sandbox_forget(-1, 10000)`);
	client.ws.resume();
	assert.equal((await within(client.closed, 10000, "the close")).code, 1012);
	assert.ok(numbers(client).length < 41);
	assert.deepEqual(numbers(client), range(numbers(client).length));
	assert.equal((await live.call({ type: "ping" })).type, "pong");
});

// ---- requests ----

test("ping and heartbeat are answered and keep the sandbox alive", async (t) => {
	const { session, open } = place(t);
	const client = await open();
	const old = () => server.psql(`update app.sandbox_session set last_activity_at = now() - interval '1 hour', expires_at = now() + interval '1 min' where id = '${session}'`);
	const fresh = () => server.psqlValue(`select last_activity_at > now() - interval '1 min' and expires_at > now() + interval '20 min' from app.sandbox_session where id = '${session}'`) === "t";
	for (const [type, answer] of [["ping", "pong"], ["heartbeat", "heartbeat_ack"]]) {
		old();
		assert.equal((await client.call({ type })).raw, `{"type":"${answer}"}`);
		// What came within a second of another counts with it.
		await waitFor(async () => fresh() || ((await client.call({ type })) && false), { every: 200, what: `${type} to count` });
	}
	assert.ok(client.messages.length < 40);
});

test("execute, tool, cancel and diff reach the host as they were sent", async (t) => {
	const { session, open } = place(t);
	const client = await open({ client: "me" });
	const cases = [
		["execute", String.raw`{"type":"execute","task":"do it","context":"Human: x","attachments":[{"name":"a","type":"t","content":"AA==","more":1}],"anthropicApiKey":"e","tokenType":"oauth"}`, "", ""],
		["tool", String.raw`{ "type":"tool", "id":"\u0000\ud800", "name":"\u0042ash","input":{"command":"echo \u0000 \udfff é","deep":[[[[{}]]]]} }`, String.raw`"\u0000\ud800"`, "Bash"],
		["tool", '{"type":"tool","id":1e3,"name":"Read","input":{}}', "1e3", "Read"],
		["cancel", '{"type":"cancel"}', "", ""],
		["cancel", '{"type":"cancel","id":"t1"}', '"t1"', ""],
		["diff", '{"type":"diff","id":{"ignored":1}}', "", ""],
	];
	for (const [kind, text, id, name] of cases) {
		client.send(text);
		const job = await waitFor(() => host.jobs().find((j) => j.session === session), { what: text });
		assert.deepEqual({ ...job, job: 0 }, { job: 0, session, client: "me", kind, tool_id: id, name, payload: text });
		host.ended(job);
	}
	// The same with prompt; and the host is told of it at once.
	client.send({ type: "execute", prompt: "x" });
	await waitFor(() => host.jobs().find((j) => j.session === session));
	await client.settle();
	assert.deepEqual(client.messages, []);
});

test("the host is told of requests, when they are stored", async (t) => {
	const { session, open } = place(t);
	const client = await open();
	const sql = new SqlSession(server);
	t.after(() => sql.end());
	await sql.run("listen craft_sandbox");
	client.send({ type: "diff" });
	const told = `Asynchronous notification "craft_sandbox" with payload "${host.id}"`;
	await waitFor(async () => (await sql.run("select 1")).includes(told), { what: "the hint" });
	assert.equal(host.jobs().filter((j) => j.session === session).length, 1);
});

test("a big request that takes its time delays no small one", async (t) => {
	const { session, open } = place(t);
	const elsewhere = place(t);
	const [client, other] = [await open({ bridge: 0 }), await elsewhere.open({ bridge: 0 })];
	other.send({ type: "execute", task: "x" });
	await waitFor(() => host.jobs().some((j) => j.session === elsewhere.session));
	const sql = new SqlSession(server);
	t.after(() => sql.end());
	await sql.run(`begin; select from app.sandbox_session where id = '${session}' for update`);
	client.send({ type: "tool", id: 1, name: "Write", input: { pad: "p".repeat(1 << 20) } });
	await waitFor(() => server.psqlValue("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%sandbox_submit%'") === "1");
	for (const _ of range(20)) assert.match((await other.call({ type: "execute", task: "y" })).message, /^A task is already running/);
	assert.equal(server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`), "0");
	await sql.run("commit");
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "1");
});

test("a second execute, too many requests", async (t) => {
	const { session, open } = place(t);
	const [client, other] = [await open(), await open({ bridge: 1 })];
	client.send({ type: "execute", task: "x" });
	await waitFor(() => host.jobs().some((j) => j.session === session));
	const busy = { type: "error", message: "A task is already running in this sandbox; wait for it or cancel it" };
	assert.deepEqual(JSON.parse((await other.call({ type: "execute", task: "y" })).raw), busy);
	for (const id of range(99)) client.send({ type: "tool", id, name: "Bash", input: {} });
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "100");
	const answer = await client.call({ type: "tool", id: "last", name: "Bash", input: {} });
	assert.equal(answer.type, "tool_result");
	assert.equal(answer.id, "last");
	assert.equal(answer.success, false);
	assert.match(answer.error, /^Too many requests are under way/);
	assert.match((await other.call({ type: "diff" })).message, /^Too many requests are under way/);
	client.messages.length = 0;
	client.send({ type: "cancel" });
	await waitFor(() => host.jobs().some((j) => j.session === session && j.kind === "cancel"));
	await client.settle();
	assert.deepEqual(client.messages, []);
});

test("messages that can't be done", async (t) => {
	const { session, open } = place(t);
	const client = await open();
	const unknown = "Unknown message type. Expected: execute, tool, ping, heartbeat, cancel, diff";
	const missing = "Missing required fields: id, name, input";
	const error = (message) => ({ type: "error", message });
	const result = (id, text) => ({ type: "tool_result", id, success: false, error: text, message: text });
	const execute = (more) => ({ type: "execute", task: "x", ...more });
	const tools = "Unknown tool. Expected: Bash, Read, Write, Edit, Glob, Grep";
	const badId = "Invalid id: must be a string or a number of at most 4096 bytes";
	const attachment = "Invalid attachments: each must be an object with the strings name, type and content";
	const cases = [
		...["", "x", "{", "[]", "1", '"ping"', "null", '{"type":"ping"} {}', "{'type':'ping'}"].map((text) => [text, error("Invalid JSON")]),
		...[{}, { type: "nosuch" }, { type: 1 }, { type: null }, { type: ["ping"] }, { type: "Ping" }, { type: "" }, { type: "session:save", data: {} }].map((m) => [m, error(unknown)]),
		[{ type: "execute" }, error("Missing task")],
		[{ type: "execute", task: null }, error("Missing task")],
		...["", 1, {}, []].flatMap((v) => [
			[{ type: "execute", task: v }, error("Invalid task: must be a string that is not empty")],
			[{ type: "execute", prompt: v }, error("Invalid prompt: must be a string that is not empty")],
		]),
		[execute({ context: 1 }), error("Invalid context: must be a string")],
		[execute({ attachments: {} }), error("Invalid attachments: must be an array")],
		...[[1], [{}], [{ name: "a", type: "b" }], [{ name: "a", type: "b", content: 1 }], [{ name: 1, type: "b", content: "c" }], [{ name: "a", type: null, content: "c" }]].map((a) => [execute({ attachments: a }), error(attachment)]),
		[execute({ anthropicApiKey: {} }), error("Invalid anthropicApiKey: must be a string")],
		...["x", "", 1, "API_KEY"].map((tokenType) => [execute({ tokenType }), error('Invalid tokenType: must be "api_key" or "oauth"')]),
		[{ type: "tool" }, result("unknown", missing)],
		[{ type: "tool", id: "t" }, result("t", missing)],
		[{ type: "tool", id: "t", name: "Bash" }, result("t", missing)],
		[{ type: "tool", id: 5, input: {} }, result(5, missing)],
		[{ type: "tool", name: "Bash", input: {} }, result("unknown", missing)],
		[{ type: "tool", id: null, name: "Bash", input: {} }, result("unknown", missing)],
		...[{}, [], true, "x".repeat(5000)].map((id) => [{ type: "tool", id, name: "Bash", input: {} }, result("unknown", badId)]),
		[{ type: "tool", id: "t", name: 1, input: {} }, result("t", "Invalid name: must be a string")],
		[{ type: "tool", id: "t", name: "Bash", input: null }, result("t", missing)],
		...["x", [], 1].map((input) => [{ type: "tool", id: "t", name: "Bash", input }, result("t", "Invalid input: must be an object")]),
		...["bash", "Task", "", "Bash "].map((name) => [{ type: "tool", id: "é\"", name, input: {} }, result("é\"", tools)]),
		[{ type: "cancel", id: {} }, error(badId)],
	];
	for (const [message, answer] of cases) {
		const text = typeof message === "string" ? message : JSON.stringify(message);
		assert.deepEqual(JSON.parse((await client.call(text)).raw), answer, text.slice(0, 200));
	}
	assert.equal(client.messages.length, cases.length);
	assert.deepEqual(host.jobs().filter((j) => j.session === session), []);
	// A binary message is nobody's.
	client.ws.send(Buffer.from('{"type":"ping"}'));
	await client.settle();
	assert.equal(client.messages.length, cases.length);
});

test("one client's requests keep their order, whatever their size", async (t) => {
	const { session, open } = place(t);
	const client = await open();
	const pad = "p".repeat(3 << 20);
	client.send({ type: "tool", id: 1, name: "Write", input: { pad } });
	client.send({ type: "tool", id: 2, name: "Bash", input: {} });
	client.send({ type: "execute", task: "x" });
	client.send({ type: "tool", id: 3, name: "Write", input: { pad } });
	client.send({ type: "cancel" });
	client.send({ type: "diff" });
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "6");
	const jobs = server.psql(`select kind, coalesce(tool_id, '') from app.sandbox_job where session_id = '${session}' order by id`).map((row) => row.join(" ").trim());
	// The two tools at the beginning may come in either order.
	assert.deepEqual([...jobs.slice(0, 2).sort(), ...jobs.slice(2)], ["tool 1", "tool 2", "execute", "tool 3", "cancel", "diff"]);
	await client.settle();
	assert.deepEqual(client.messages, []);
});

test("a request of 50 MB arrives whole, and others don't wait for it", async (t) => {
	const { session, open } = place(t);
	const elsewhere = place(t);
	const client = await open({ bridge: 0 });
	const others = [await open({ bridge: 0 }), await elsewhere.open({ bridge: 0 })];
	// A second task is refused by the database: that is a small request and its answer.
	for (const other of others) other.send({ type: "execute", task: "x" });
	await waitFor(() => host.jobs().length === 0 && server.psqlValue(`select count(*) from app.sandbox_job where ended_at is null and session_id in ('${session}', '${elsewhere.session}')`) === "2");
	const content = "0123456789abcdef".repeat((50 << 20) / 16);
	const text = JSON.stringify({ type: "tool", id: "big", name: "Write", input: { file_path: "f", content } });
	const stored = () => server.psqlValue(`select md5(payload) from app.sandbox_job where session_id = '${session}' and kind = 'tool'`);
	let running = true;
	const slowest = others.map(async (other) => {
		let most = 0;
		while (running) {
			const start = Date.now();
			await other.call({ type: "execute", task: "y" });
			most = Math.max(most, Date.now() - start);
		}
		return most;
	});
	const start = Date.now();
	await new Promise((done) => client.ws.send(text, done));
	const sum = await waitFor(stored, { every: 200, what: "the big request" });
	running = false;
	const took = Date.now() - start;
	assert.equal(sum, createHash("md5").update(text).digest("hex"));
	const [same, other] = await Promise.all(slowest);
	t.diagnostic(`stored after ${took} ms; others waited up to ${same} and ${other} ms`);
	assert.ok(same < 3000 && other < 2000, `others waited ${same} and ${other} ms`);
});

test("more requests than may be under way are read when there is room", async (t) => {
	const { session, open } = place(t);
	const client = await open();
	// Each is refused, for there is a task; and each is answered.
	client.send({ type: "execute", task: "x" });
	for (const _ of range(2000)) client.send({ type: "execute", task: "y" });
	await client.waitFor(2000, 60000);
	assert.ok(client.messages.every((m) => m.message.startsWith("A task is already running")));
	const pad = "p".repeat(1 << 20);
	for (const id of range(30)) client.send({ type: "tool", id, name: "Write", input: { pad } });
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "31", { deadline: 60000 });
});

// ---- faults ----

test("the database goes away and comes back", async (t) => {
	const { slug, session, open } = place(t);
	const clients = [await open({ since: 0, bridge: 0 }), await open({ bridge: 1 })];
	host.say(session, [stream(1)]);
	for (const client of clients) await client.waitFor(1);
	await server.stopDatabase();
	try {
		const start = Date.now();
		const big = "p".repeat(1 << 20);
		const answers = await Promise.all([
			clients[0].call({ type: "execute", task: "x" }, (m) => m.type === "error"),
			clients[1].call({ type: "tool", id: "t", name: "Bash", input: {} }, (m) => m.id === "t"),
			clients[1].call({ type: "tool", id: "b", name: "Write", input: { big } }, (m) => m.id === "b"),
		]);
		assert.ok(Date.now() - start < TIMEOUT + 5000, `errors came after ${Date.now() - start} ms`);
		for (const { error, message } of answers) assert.match(error ?? message, /^(Database unavailable|The database connection was lost)/);
		assert.equal(answers[1].success, false);
		assert.equal((await clients[0].call({ type: "ping" })).type, "pong");
		assert.equal((await clients[0].call({ type: "nosuch" })).type, "error");
		const answer = await refused(openSandbox(server, slug, session, { bridge: 0 }));
		assert.deepEqual([answer.status, answer.json], [503, { error: "Database unavailable, try again" }]);
		assert.equal((await refused(openSandbox(server, slug, "x"))).status, 404);
	} finally {
		await server.startDatabase();
	}
	clients.forEach((client) => (client.messages.length = 0));
	host.say(session, [stream(2)], { tell: false });
	for (const client of clients) await client.waitFor(1, 15000);
	assert.deepEqual(numbers(clients[0]), [2]);
	await waitFor(async () => {
		clients[1].send({ type: "diff" });
		return host.jobs().some((j) => j.session === session && j.kind === "diff");
	}, { deadline: 15000, every: 200 });
	for (const client of clients) assert.equal(client.closing, undefined, "a connection was closed");
});

test("the database hangs: an error in time that tells the truth", async (t) => {
	const { session, open } = place(t);
	const client = await open({ bridge: 0 });
	const pids = [...server.ready.pids.postgres, ...server.psql("select pid from pg_stat_activity where usename = 'craft_daemon'").map(([pid]) => Number(pid))];
	for (const pid of pids) process.kill(pid, "SIGSTOP");
	let answers;
	try {
		const start = Date.now();
		answers = await Promise.all(range(40).map((id) => client.call({ type: "tool", id, name: "Bash", input: {} }, (m) => m.id === id)));
		assert.ok(Date.now() - start < TIMEOUT + 5000, `errors came after ${Date.now() - start} ms`);
	} finally {
		for (const pid of pids) if (alive(pid)) process.kill(pid, "SIGCONT");
	}
	for (const { error } of answers) assert.match(error, /isn't known$|nothing was done; try again$/);
	assert.ok(answers.some((m) => /isn't known$/.test(m.error)));
	client.messages.length = 0;
	await waitFor(async () => {
		client.send({ type: "diff" });
		return host.jobs().some((j) => j.session === session && j.kind === "diff");
	}, { deadline: 20000, every: 300 });
});

test("what one client may have under way is bounded", async (t) => {
	const { session, open } = place(t);
	const client = await open({ bridge: 0 });
	const sql = new SqlSession(server);
	t.after(() => sql.end());
	await sql.run(`begin; select from app.sandbox_session where id = '${session}' for update`);
	const before = rss();
	const message = JSON.stringify({ type: "tool", id: 1, name: "Write", input: { pad: "p".repeat(1 << 20) } });
	for (const _ of range(200)) client.send(message);
	// It has taken what it takes when nothing moves any more.
	let left = -1;
	await waitFor(() => left === (left = client.ws.bufferedAmount) && left > 0, { every: 300, what: "the bridge to read no further" });
	assert.ok(rss() - before < 100 << 20, `the bridge grew by ${(rss() - before) >> 20} MB`);
	await client.kill();
	await sql.run("commit");
});

test("backends killed under a running stream", async (t) => {
	const { session, open } = place(t);
	const clients = [await open({ since: 0, bridge: 0 }), await open({ since: 0, bridge: 1 })];
	for (const round of range(5)) {
		host.say(session, range(30, (round - 1) * 30 + 1).map(stream));
		server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'craft_daemon'");
	}
	for (const client of clients) {
		await client.waitFor(150);
		assert.deepEqual(numbers(client), range(150));
	}
});

// Last: this bridge does not come back.
test("a bridge that is told to go closes with 1012; the client goes on elsewhere and misses nothing", async (t) => {
	const { session, open } = place(t);
	const client = await open({ since: 0, bridge: 0 });
	host.say(session, range(10).map(stream));
	await client.waitFor(10);
	client.send({ type: "diff" });
	server.kill("craft-ws-bridge", "SIGTERM", 0);
	host.say(session, range(10, 11).map(stream));
	assert.equal((await within(client.closed, 10000, "the close")).code, 1012);
	const last = numbers(client).at(-1);
	await waitFor(() => !alive(server.ready.pids["craft-ws-bridge"][0]), { what: "the bridge to end" });
	const again = await open({ since: last });
	host.say(session, [stream(21)]);
	await again.waitFor(21 - last);
	assert.deepEqual([...numbers(client), ...numbers(again)], range(21));
	// What it had taken from its client is not lost, or was never taken.
	const jobs = server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`);
	assert.ok(["0", "1"].includes(jobs));
});
