// Reading a session of 100 MB over REST, three readers at once and one of them slow: the body is complete, and no
// process of ours needs more than 64 MB for it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { elements, raw } from "../harness/rawjson.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const LIMIT = 64 << 20;
let server;
after(() => server?.stop());
server = await startServer({ env: { FCGI_WORKERS: "4" } });

function children(pid) {
	const own = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
	return own.flatMap((child) => [child, ...children(child)]);
}

// craft-fcgi's and nginx's processes, masters and workers: [[pid, name]].
function processes() {
	return ["craft-fcgi", "nginx"].flatMap((name) =>
		server.ready.pids[name].flatMap((pid) => [pid, ...children(pid)]).map((pid) => [pid, name]),
	);
}

const peak = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB/m)[1]) << 10;

// Peaks from now on: what happened before, such as the start, doesn't count.
function forget() {
	for (const [pid] of processes()) writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function checkPeaks() {
	const all = processes().map(([pid, name]) => [name, pid, peak(pid)]);
	assert.ok(all.filter(([name]) => name === "craft-fcgi").length >= 5, "not all workers were looked at");
	assert.ok(all.filter(([name]) => name === "nginx").length >= 2);
	for (const [name, pid, bytes] of all) assert.ok(bytes < LIMIT, `${name} ${pid} held ${Math.round(bytes / 1048576)} MB`);
}

// Reads a path whole; rate: bytes per second at most. Resolves with { status, length, hash, head }.
function read(path, { rate = Infinity, headers = {} } = {}) {
	return new Promise((resolve, reject) => {
		const options = {
			host: "127.0.0.1",
			port: server.port,
			path,
			agent: false,
			rejectUnauthorized: false,
			headers: { Authorization: `Bearer ${server.apiKey}`, ...headers },
		};
		https
			.get(options, (response) => {
				const hash = createHash("sha256");
				const start = Date.now();
				let length = 0;
				response.on("data", (chunk) => {
					hash.update(chunk);
					length += chunk.length;
					const early = (length / rate) * 1000 - (Date.now() - start);
					if (early > 20) {
						response.pause();
						setTimeout(() => response.resume(), early);
					}
				});
				response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, length, hash: hash.digest("hex") }));
				response.on("aborted", () => reject(new Error(`the answer broke off after ${length} bytes`)));
				response.on("error", reject);
			})
			.on("error", reject);
	});
}

const text = (seed, bytes) =>
	createHash("shake256", { outputLength: bytes / 2 })
		.update(seed)
		.digest("hex");

test("a session of 100 MB, read three times at once, once slowly", async () => {
	const client = await connect(server, "big");
	// One save of 20 MB in 400 messages; the rest is multiplied in the database, as if appended by many saves.
	const saved = Array.from({ length: 400 }, (_, i) => ({ i, half: "\ud83d", nul: "\u0000", text: text(`m${i}`, 50 << 10) }));
	await client.ok("session:save", { id: "s", header: { id: "s", name: "Big" }, messages: saved }, undefined, 60000);
	await client.close();
	server.psql(`insert into app.message (session_key, idx, hash, body) select m.session_key, m.idx + 400 * n, m.hash, m.body from app.message m, generate_series(1, 4) as n;
		update app.session set message_count = 2000, message_bytes = message_bytes * 5`);
	forget();

	const [whole, second, slow] = await Promise.all([
		server.request("/workspace/big/sessions/s", { agent: false }),
		read("/workspace/big/sessions/s"),
		read("/workspace/big/sessions/s", { rate: 12 << 20 }),
	]);
	assert.equal(whole.status, 200);
	assert.ok(whole.body.length > 100e6, `only ${whole.body.length} bytes`);
	const hash = createHash("sha256").update(whole.body).digest("hex");
	for (const other of [second, slow]) assert.deepEqual([other.status, other.length, other.hash], [200, whole.body.length, hash]);
	checkPeaks();

	const { messages, ...header } = whole.json;
	assert.deepEqual(header, { id: "s", name: "Big" });
	assert.equal(messages.length, 2000);
	const texts = elements(raw(whole.text, "messages"));
	const expected = saved.map((m) => JSON.stringify(m));
	for (let i = 0; i < 2000; i++) assert.ok(texts[i] === expected[i % 400], `message ${i}`);

	// Compressed on the way it is the same, and HEAD and 304 don't read it at all.
	forget();
	const zipped = await read("/workspace/big/sessions/s", { headers: { "Accept-Encoding": "gzip" } });
	assert.equal(zipped.headers["content-encoding"], "gzip");
	const start = ownMs();
	assert.equal((await server.request("/workspace/big/sessions/s", { headers: { "If-None-Match": zipped.headers.etag } })).status, 304);
	assert.equal((await server.request("/workspace/big/sessions/s", { method: "HEAD" })).status, 200);
	assert.ok(ownMs() - start < 1000, "HEAD or 304 read the whole session");
	checkPeaks();
});

test("one message of 60 MB", async () => {
	const client = await connect(server, "big");
	const message = text("one", 60 << 20);
	await client.ok("session:save", { id: "one", header: {}, messages: [message] }, undefined, 60000);
	await client.close();
	forget();
	const answer = await server.request("/workspace/big/sessions/one");
	checkPeaks();
	assert.ok(answer.json.messages[0] === message);
});

test("a plan of 30 MB", async () => {
	const client = await connect(server, "big");
	const content = text("plan", 30 << 20);
	await client.ok("plan:save", { sessionId: "one", fileName: "p", content }, undefined, 60000);
	await client.close();
	forget();
	const answer = await server.request("/workspace/big/sessions/one/plans/p");
	checkPeaks();
	assert.ok(answer.text === content);
});

test("a list of 60 MB", async () => {
	server.psql(
		"select api.session_create('big-list', 's' || n, json_build_object('id', 's' || n, 'pad', repeat('x', 20000))) from generate_series(1, 3000) as n",
	);
	forget();
	const answer = await server.request("/workspace/big-list/sessions");
	checkPeaks();
	assert.equal(answer.json.length, 3000);
	assert.ok(answer.body.length > 60e6);
});

test("a reader that goes away frees its worker", async () => {
	for (let n = 0; n < 12; n++)
		await new Promise((resolve, reject) => {
			const options = {
				host: "127.0.0.1",
				port: server.port,
				path: "/workspace/big/sessions/s",
				agent: false,
				rejectUnauthorized: false,
				headers: { Authorization: `Bearer ${server.apiKey}` },
			};
			const request = https.get(options, (response) =>
				response.once("data", () => {
					request.destroy();
					resolve();
				}),
			);
			request.on("error", (error) => (request.destroyed ? resolve() : reject(error)));
		});
	const start = ownMs();
	await Promise.all(Array.from({ length: 8 }, () => server.request("/workspace/big/labels")));
	assert.ok(ownMs() - start < 5000, "the workers were still busy with readers that had gone");
});
