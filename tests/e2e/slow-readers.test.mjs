// Readers that take a large answer slowly: no worker waits for them, what they haven't taken lies in craft-fcgi's files and not
// in nginx's, each workspace has its share of that, and every answer is whole or visibly broken off.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { ask, parseMetrics } from "../harness/metrics.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const SPOOL = 256 << 20, SHARE = SPOOL / 4;
let server;
after(() => server?.stop());
server = await startServer({ env: { METRICS: "yes", FCGI_WORKERS: "2", FCGI_SPOOL: String(SPOOL) } });

const sha = (data) => createHash("sha256").update(data).digest("hex");
const text = (seed, bytes) => createHash("shake256", { outputLength: bytes / 2 }).update(seed).digest("hex");

/** Stores a session of so many MB: { target, hash }, the hash of what a quick reader gets. */
async function session(slug, id, megabytes) {
	const client = await connect(server, slug);
	const messages = Array.from({ length: megabytes }, (_, i) => ({ i, text: text(`${id}${i}`, 1 << 20) }));
	await client.ok("session:save", { id, header: { id }, messages }, undefined, 60_000);
	await client.close();
	const target = `/workspace/${slug}/sessions/${id}`;
	const answer = await server.request(target);
	assert.equal(answer.status, 200);
	assert.ok(answer.body.length > megabytes << 20);
	return { target, hash: sha(answer.body) };
}

/** Status, headers and body of an answer in HTTP/1.1. whole: it came to its end. */
function unpack(answer) {
	const split = answer.indexOf("\r\n\r\n");
	const [first, ...lines] = answer.subarray(0, split).toString().split("\r\n");
	const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]));
	const parts = [];
	let rest = answer.subarray(split + 4), whole = rest.length === Number(headers["content-length"]);
	if (headers["content-length"]) parts.push(rest);
	else
		for (let line = rest.indexOf("\r\n"); line >= 0; line = rest.indexOf("\r\n")) {
			const size = parseInt(rest.subarray(0, line).toString(), 16);
			whole = size === 0;
			if (whole) break;
			parts.push(rest.subarray(line + 2, line + 2 + size));
			rest = rest.subarray(line + 4 + size);
		}
	return { status: Number(first.split(" ")[1]), headers, whole, body: Buffer.concat(parts) };
}

/** Asks, and takes no more than the first bytes until rest(). */
async function slowReader(target) {
	const socket = tls.connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false, highWaterMark: 16384 });
	const parts = [];
	const ended = new Promise((resolve) => {
		for (const event of ["end", "error", "close"]) socket.once(event, resolve);
	});
	const begun = new Promise((resolve) => {
		socket.once("data", (data) => {
			socket.pause();
			parts.push(data);
			resolve();
		});
	});
	socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.apiKey}\r\nConnection: close\r\n\r\n`);
	await Promise.race([begun, ended]);
	return {
		status: Number(Buffer.concat(parts).toString("latin1").split(" ")[1]),
		leave: () => socket.destroy(),
		async rest() {
			socket.on("data", (data) => parts.push(data));
			socket.resume();
			await ended;
			return unpack(Buffer.concat(parts));
		},
	};
}

async function look() {
	const metrics = parseMetrics((await ask(path.join(server.runDir, "watch-fcgi.sock"), "/metrics")).text);
	return {
		answers: metrics.value("craft_fcgi_spool_answers"),
		bytes: metrics.value("craft_fcgi_spool_bytes"),
		busy: metrics.value("craft_fcgi_workers_busy", { pool: "quick" }),
		refused: metrics.value("craft_fcgi_limits_total", { limit: "spool" }),
	};
}

/** So many answers lie there, and no worker has anything to do with them. */
async function spooled(count) {
	return waitFor(async () => {
		const now = await look();
		return now.answers === count && now.busy === 0 && now;
	}, { deadline: 30_000, what: `${count} answers in the spool and no busy worker` });
}

function children() {
	return server.ready.pids["craft-fcgi"].flatMap((pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number));
}

/** Those of them that have files of the spool. */
function holders() {
	return children().filter((pid) => readdirSync(`/proc/${pid}/fd`).some((fd) => {
		try {
			return readlinkSync(`/proc/${pid}/fd/${fd}`).includes("craft-answer-");
		} catch {
			return false; // closed meanwhile
		}
	}));
}

const others = await session("others", "small", 1);
const big = await session("mine", "big", 12);

async function othersAreServed() {
	for (let i = 0; i < 20; i++) assert.equal((await server.request(others.target)).status, 200);
}

test("slow readers fill their workspace's share and nobody else's; whoever got an answer gets all of it", async () => {
	const readers = [];
	try {
		for (let i = 0; i < 8; i++) readers.push(await slowReader(big.target));
		const taken = readers.filter((reader) => reader.status === 200);
		const now = await spooled(taken.length);
		assert.ok(taken.length >= 2 && taken.length < 8, `${taken.length} of 8 were let in`);
		assert.ok(now.bytes > 20 << 20 && now.bytes <= SHARE, `${now.bytes} bytes`);
		assert.equal(now.refused, 8 - taken.length);
		await othersAreServed();
		// Small answers of the same workspace don't need any of it.
		assert.equal((await server.request("/workspace/mine/sessions")).status, 200);
		for (const reader of readers) {
			const answer = await reader.rest();
			assert.ok(answer.whole, "it broke off");
			if (answer.status === 200) {
				assert.equal(sha(answer.body), big.hash);
				continue;
			}
			assert.equal(answer.status, 503);
			assert.match(answer.headers["retry-after"], /^\d+$/);
			assert.match(JSON.parse(answer.body).error, /still being read.*FCGI_SPOOL/);
		}
		assert.equal((await spooled(0)).bytes, 0);
	} finally {
		for (const reader of readers) reader.leave();
	}
});

test("a reader that goes away leaves nothing", async () => {
	const readers = [await slowReader(big.target), await slowReader(big.target)];
	await spooled(2);
	for (const reader of readers) reader.leave();
	assert.equal((await spooled(0)).bytes, 0);
	assert.deepEqual(holders(), []);
});

test("what is out has left the disk", async (t) => {
	const reader = await slowReader(big.target);
	t.after(() => reader.leave());
	const before = await spooled(1);
	const rest = reader.rest();
	await waitFor(async () => {
		const now = await look();
		return now.answers === 0 || now.bytes < before.bytes / 2;
	}, { what: "less than half of it" });
	assert.equal(sha((await rest).body), big.hash);
});

test("workers that are replaced or killed take no answer with them", async (t) => {
	const reader = await slowReader(big.target);
	t.after(() => reader.leave());
	await spooled(1);
	const [sender] = await waitFor(() => holders().length === 1 && holders(), { what: "the sender" });
	const before = new Set(children());
	server.kill("craft-fcgi", "SIGHUP");
	await waitFor(() => children().filter((pid) => !before.has(pid)).length >= 2, { what: "new workers" });
	for (const pid of children().filter((one) => one !== sender)) process.kill(pid, "SIGKILL");
	await waitFor(async () => (await server.request(others.target)).status === 200, { what: "workers" });
	const answer = await reader.rest();
	assert.ok(answer.whole);
	assert.equal(sha(answer.body), big.hash);
	await spooled(0);
});

test("when the sender is killed its answers break off, their room is free, and there is a new one", async (t) => {
	const readers = [await slowReader(big.target), await slowReader(big.target)];
	t.after(() => readers.forEach((reader) => reader.leave()));
	await spooled(2);
	const [sender] = holders();
	process.kill(sender, "SIGKILL");
	await spooled(0);
	for (const reader of readers) assert.equal((await reader.rest()).whole, false, "half an answer looks whole");
	const again = await slowReader(big.target);
	t.after(() => again.leave());
	await spooled(1);
	assert.equal(sha((await again.rest()).body), big.hash);
});

test("a slow reader's answer above the share breaks off, and the log says why", async (t) => {
	const { target } = await session("mine", "huge", 24);
	// As by saves that came one after another.
	server.psql(`insert into app.message (session_key, idx, hash, body) select m.session_key, m.idx + 24 * n, m.hash, m.body
			from app.message m join app.session s on s.key = m.session_key, generate_series(1, 3) as n where s.id = 'huge';
		update app.session set message_count = message_count * 4, message_bytes = message_bytes * 4 where id = 'huge'`);
	assert.ok(96 << 20 > SHARE);
	const reader = await slowReader(target);
	t.after(() => reader.leave());
	assert.equal(reader.status, 200);
	await waitFor(() => /broken off: it is read slowly, and FCGI_SPOOL has no room/.test(server.logs("craft-fcgi")), { deadline: 30_000, what: "the log" });
	assert.equal((await reader.rest()).whole, false);
	assert.equal((await spooled(0)).bytes, 0);
});

test("none of it was in nginx's files", () => {
	const dir = path.join(server.dir, "nginx", "tmp", "fastcgi");
	assert.ok(statSync(dir).isDirectory());
	const files = (at) => readdirSync(at, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? files(path.join(at, entry.name)) : [entry.name]));
	assert.deepEqual(files(dir), []);
});
