// The WebSocket of a sandbox, with the real bridge, nginx and PostgreSQL; the host is played through SQL. Who may connect,
// and what clients ask for: it reaches the host unchanged, or is answered with an error.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { numbers, openSandbox, place, PlayedHost, range, refused, sandboxPath, slugOf, SqlSession, stream } from "../harness/sandbox_stream.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { within } from "../harness/sync.mjs";

const server = await startServer({ bridges: 2 });
after(() => server.stop());
const host = await PlayedHost.alone(server);

// ---- who may connect ----

test("unknown, foreign and malformed sessions, bad parameters, no key", async (t) => {
	const { slug, session, open } = place(t, host);
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
	const { slug, session, open } = place(t, host);
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
	const { slug, session, open } = place(t, host);
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
	const { session, open } = place(t, host);
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

const SEALED = Buffer.alloc(60, 7).toString("base64");

test("of execute, tool, cancel and diff what is known reaches the host, as it was sent", async (t) => {
	const { session, open } = place(t, host);
	const client = await open({ client: "me" });
	const cases = [
		["execute", `{"type":"execute","task":"do it","context":"Human: x","attachments":[{"name":"a","type":"t","content":"AA=="}],"anthropicApiKey":"${SEALED}","tokenType":"oauth"}`, "", ""],
		["execute", String.raw`{"type":"execute","task":"a\u0000\ud800 é","attachments":[]}`, "", ""],
		["tool", String.raw`{"type":"tool","id":"\u0000\ud800","name":"\u0042ash","input":{"command":"echo \u0000 \udfff é",  "timeout":1e3}}`, String.raw`"\u0000\ud800"`, "Bash"],
		["tool", '{"type":"tool","id":1e3,"name":"Read","input":{}}', "1e3", "Read"],
		["cancel", '{"type":"cancel"}', "", ""],
		["cancel", '{"type":"cancel","id":"t1"}', '"t1"', ""],
		["diff", '{"type":"diff"}', "", ""],
	];
	for (const [kind, text, id, name] of cases) {
		client.send(text);
		const job = await waitFor(() => host.jobs().find((j) => j.session === session), { what: text });
		assert.deepEqual({ ...job, job: 0 }, { job: 0, session, client: "me", kind, tool_id: id, name, payload: text });
		host.ended(job);
	}
	// The last of equal members counts, white space between them goes, and whatever isn't known.
	const odd = [
		['{ "input": {}, "type":"x", "type" : "tool", "id":1 ,"\\u006eame":"Read","more":"sk-ant-x","anthropicApiKey":"sk-ant-api03-tool" }', '{"type":"tool","id":1,"name":"Read","input":{}}'],
		['{"type":"execute","task":null,"prompt":"p","apiKey":"sk-ant-oat01-x","env":{"TOKEN":"ghp_x"},"attachments":[{"content":"AA==","token":"ghp_y","name":"n","type":""},{"name":"","content":"","type":"t"}]}',
			'{"type":"execute","prompt":"p","attachments":[{"name":"n","type":"","content":"AA=="},{"name":"","type":"t","content":""}]}'],
		['{"type":"cancel","anthropicApiKey":"sk-ant-x"}', '{"type":"cancel"}'],
		['{"type":"diff","id":{"ignored":1}}', '{"type":"diff"}'],
	];
	for (const [text, payload] of odd) {
		client.send(text);
		const job = await waitFor(() => host.jobs().find((j) => j.session === session), { what: text });
		assert.equal(job.payload, payload);
		host.ended(job);
	}
	// The same with prompt; and the host is told of it at once.
	client.send({ type: "execute", prompt: "x" });
	await waitFor(() => host.jobs().find((j) => j.session === session));
	await client.settle();
	assert.deepEqual(client.messages, []);
});

test("the host is told of requests, when they are stored", async (t) => {
	const { session, open } = place(t, host);
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
	const { session, open } = place(t, host);
	const elsewhere = place(t, host);
	const [client, other] = [await open({ bridge: 0 }), await elsewhere.open({ bridge: 0 })];
	other.send({ type: "execute", task: "x" });
	await waitFor(() => host.jobs().some((j) => j.session === elsewhere.session));
	const sql = new SqlSession(server);
	t.after(() => sql.end());
	await sql.run(`begin; select from app.sandbox_session where id = '${session}' for update`);
	client.send({ type: "tool", id: 1, name: "Write", input: { content: "p".repeat(1 << 20) } });
	await waitFor(() => server.psqlValue("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%sandbox_submit%'") === "1");
	for (const _ of range(20)) assert.match((await other.call({ type: "execute", task: "y" })).message, /^A task is already running/);
	assert.equal(server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`), "0");
	await sql.run("commit");
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "1");
});

test("a second execute, too many requests", async (t) => {
	const { session, open } = place(t, host);
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

// Keys in plain, and what else can't have been encrypted.
const plainKeys = ["sk-ant-api03-in-plain_AA", `sk-ant-oat01-${"x".repeat(90)}AA`, "ghp_0123456789abcdefghijABCDEFGHIJ012345", "github_pat_11AAAAAAA0_x", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
	...["base64", "hex"].map((encoding) => Buffer.from("sk-ant-api03-in plain, and merely encoded").toString(encoding)), "x", Buffer.alloc(28).toString("base64"), `${SEALED} `, SEALED.slice(0, -1), "A".repeat(20000), "\u0000"];

test("messages that can't be done", async (t) => {
	const { session, open } = place(t, host);
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
		...plainKeys.map((anthropicApiKey) => [execute({ anthropicApiKey }), error("Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key.")]),
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
		[{ type: "tool", id: "t", name: "Bash", input: { command: "ls", token: "ghp_x" } }, result("t", 'Bash has no field "token". There are: command, timeout, description')],
		[{ type: "tool", id: "t", name: "Write", input: { file_path: 1, content: "" } }, result("t", "file_path must be a string.")],
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
	const { session, open } = place(t, host);
	const client = await open();
	const pad = "p".repeat(3 << 20);
	client.send({ type: "tool", id: 1, name: "Write", input: { content: pad } });
	client.send({ type: "tool", id: 2, name: "Bash", input: {} });
	client.send({ type: "execute", task: "x" });
	client.send({ type: "tool", id: 3, name: "Write", input: { content: pad } });
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
	const { session, open } = place(t, host);
	const elsewhere = place(t, host);
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
			const start = ownMs();
			await other.call({ type: "execute", task: "y" });
			most = Math.max(most, ownMs() - start);
		}
		return most;
	});
	const start = ownMs();
	await new Promise((done) => client.ws.send(text, done));
	const sum = await waitFor(stored, { every: 200, what: "the big request" });
	running = false;
	const took = ownMs() - start;
	assert.equal(sum, createHash("md5").update(text).digest("hex"));
	const [same, other] = await Promise.all(slowest);
	t.diagnostic(`stored after ${took} ms; others waited up to ${same} and ${other} ms`);
	assert.ok(same < 3000 && other < 2000, `others waited ${same} and ${other} ms`);
});

test("more requests than may be under way are read when there is room", async (t) => {
	const { session, open } = place(t, host);
	const client = await open();
	// Each is refused, for there is a task; and each is answered.
	client.send({ type: "execute", task: "x" });
	for (const _ of range(2000)) client.send({ type: "execute", task: "y" });
	await client.waitFor(2000, 60000);
	assert.ok(client.messages.every((m) => m.message.startsWith("A task is already running")));
	const pad = "p".repeat(1 << 20);
	for (const id of range(30)) client.send({ type: "tool", id, name: "Write", input: { content: pad } });
	await waitFor(() => server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`) === "31", { deadline: 60000 });
});
