// Files while the database goes away or keeps them waiting, while everything is replaced under load, and when many
// want the same. What was acknowledged must be there; a file is whole, the old one or a new one.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { audit, holdFiles, onDisk, sweep, unnamed, waitingBackends, workersOf } from "../harness/faults.mjs";
import { Room, Wire, bytes, check, nothingIncoming, sha256 } from "../harness/files.mjs";
import { ownMs } from "../harness/pace.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const target = "s/attachments/f";
const QUOTA = 1 << 20;
let server;
after(() => server?.stop());
// Housekeeping runs all the time: it may take nothing that anybody needs.
server = await startServer({ env: { FCGI_WORKERS: "4", SWEEP_INTERVAL: "1" } });

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// What it resolves to, and how long that took: by the clock, and on a machine of its own.
async function timed(promise) {
	const start = Date.now(), begin = ownMs();
	return [await promise, { clock: Date.now() - start, own: ownMs() - begin }];
}

// ---- many at once ----

test("100 parallel uploads to one name: one wins whole, the blobs of all others are given up", async () => {
	const w = new Room(server);
	const bodies = Array.from({ length: 100 }, (_, i) => bytes(20_000 + i));
	const before = Number(server.psqlValue("select count(*) from app.blob_gone"));
	const answers = await Promise.all(bodies.map((body) => w.put(target, body)));
	const { body, headers } = await w.get(target);
	const winner = bodies.findIndex((one) => one.equals(body));
	assert.notEqual(winner, -1, "a mix");
	assert.equal(headers.etag, answers[winner].headers.etag);
	const gone = server.psql("select blob::text from app.blob_gone").map(([id]) => `"${id}"`);
	assert.equal(gone.length, before + 99);
	for (const [i, answer] of answers.entries()) assert.equal(gone.includes(answer.headers.etag), i !== winner);
	await nothingIncoming(server);
	await audit(server);
});

// ---- the database ----

const UNAVAILABLE = /^Database unavailable|^Database connection lost|^Others are changing/;

test("the database is away: 503 in time, nothing changed, nothing left; and back without a restart", async () => {
	const w = new Room(server);
	const old = bytes(50_000);
	await w.put(target, old);
	const { url } = await w.sign(target, {});
	const signed = url.slice(new URL(url).origin.length);
	// One upload is under way when it goes.
	const half = await Wire.open(server);
	await half.head("PUT", w.base + target, { "Content-Length": 200_000 });
	await half.write(bytes(100_000));
	const before = onDisk(server).blobs;
	await server.stopDatabase();
	try {
		const [answers, ms] = await timed(Promise.all([
			w.put(target, bytes(50_000), { status: 503 }),
			w.put("s/attachments/new", bytes(300_000), { status: 503, headers: { "Transfer-Encoding": "chunked" } }),
			w.put(target, "x", { status: 503, headers: { "If-None-Match": "*" } }),
			w.get(target, {}, 503),
			w.get(target, { headers: { Range: "bytes=0-1" } }, 503),
			w.head(target, {}, 503),
			w.get("s/attachments", {}, 503),
			w.delete(target, {}, 503),
			w.delete("s", {}, 503),
			w.ask("POST", `${target}/sign`, 503, { body: {} }),
			w.assets.put("icon.png", "x", { status: 503 }),
			w.assets.get("icon.png", {}, 503),
			server.request(signed, { key: null }).then((answer) => check(answer, 503, "signed")),
			half.write(bytes(100_000)).then(() => half.answer()).then((answer) => check(answer, 503, "half")),
		]));
		assert.ok(ms.own < 12_000, `${ms.own} ms`);
		for (const answer of answers.filter(({ body }) => body.length)) assert.match(answer.json.error, UNAVAILABLE);
		// What needs no database is answered.
		await w.get(target, { key: "wrong" }, 401);
		await w.put("s/photos/f", "x", { status: 400 });
		await nothingIncoming(server);
		for (const id of onDisk(server).blobs.keys()) assert.ok(before.has(id), "a blob is left that nobody entered");
	} finally {
		half.close();
		await server.startDatabase();
	}
	await waitFor(async () => (await server.request(w.base + target)).status === 200, { what: "the database to be back" });
	await w.holds(target, old);
	assert.equal((await w.list("s/attachments")).length, 1);
	await w.put(target, "new");
	await w.holds(target, Buffer.from("new"));
	await audit(server);
});

test("the workspace's files are locked: reading goes on, writing waits, and is refused in time", async () => {
	const w = new Room(server), other = new Room(server);
	const old = bytes(50_000);
	await w.put(target, old);
	const last = bytes(70_000);
	const before = onDisk(server).blobs.size;
	let release = await holdFiles(server, w.slug);
	try {
		const change = timed(w.put(target, bytes(50_000), { status: 503 }));
		await waitingBackends(server);
		// This one waits for the first waiter's place, then for the lock.
		const second = timed(w.put(target, last, { status: 503 }));
		await waitingBackends(server, 2);
		// The workers that are left answer who needs no lock.
		const [, ms] = await timed((async () => {
			await w.holds(target, old);
			assert.equal((await w.list("s/attachments")).length, 1);
			await w.sign(target, {});
			await other.put(target, "other");
			await other.holds(target, Buffer.from("other"));
		})());
		assert.ok(ms.own < 5000, `${ms.own} ms`);
		const [answer, took] = await change;
		assert.ok(took.clock > 2000 && took.own < 12_000, `${took.clock} ms`);
		assert.match(answer.json.error, /nothing was changed/);
		const [late, later] = await second;
		assert.ok(later.own < 12_000, `${later.own} ms`);
		assert.match(late.json.error, /nothing was changed/);
	} finally {
		await release();
	}
	// Both know that nothing was changed, and took their bytes back.
	await audit(server);
	await w.holds(target, old);
	assert.equal(onDisk(server).blobs.size, before + 1, "but for the other workspace's");

	// Within that time they succeed, all of them.
	release = await holdFiles(server, w.slug);
	try {
		const changes = [w.put(target, last), w.put("s/attachments/new", "new"), w.delete("s/attachments/missing")];
		await waitingBackends(server, 3);
		await release();
		await Promise.all(changes);
	} finally {
		await release();
	}
	await w.holds(target, last);
	await sweep(server);
});

test("backends are killed in the middle of transactions: old or new, and it is said that nobody knows", async () => {
	const w = new Room(server);
	let old = bytes(50_000);
	await w.put(target, old);
	for (let round = 0; round < 4; round++) {
		const next = bytes(50_000 + round);
		const release = await holdFiles(server, w.slug);
		let answer;
		try {
			const upload = w.put(target, next, { status: [201, 503] });
			const [pid] = await waitingBackends(server);
			server.psql(`select pg_terminate_backend(${pid})`);
			// It may be tried again, which waits again.
			if (round % 2) await Promise.race([upload, sleep(500)]);
			await release();
			answer = await upload;
		} finally {
			await release();
		}
		if (answer.status === 503) assert.match(answer.json.error, UNAVAILABLE);
		const { body } = await w.get(target);
		assert.ok(body.equals(next) || (answer.status === 503 && body.equals(old)), "neither old nor new");
		old = body;
	}
	await audit(server, { leftovers: true });
	await w.put(target, "after");
	await w.holds(target, Buffer.from("after"));
	await sweep(server);
});

// ---- replaced under load ----

// Uploads and deletes in six lanes until stop() is called, each with names of its own. Remembers of each name what is
// there for sure and what may be: the last change that was acknowledged, and later ones whose outcome nobody knows.
function keepUploading(t, w) {
	const files = new Map(), faults = [];
	let running = true, acknowledged = 0;
	t.after(() => { running = false; });
	async function change(name, n) {
		const body = n % 7 === 6 ? null : bytes(1000 * (n % 50) + n);
		const known = files.get(name) ?? { sure: null, maybe: [] };
		files.set(name, { sure: known.sure, maybe: [...known.maybe, body && sha256(body)] });
		const options = { method: body ? "PUT" : "DELETE", body: body ?? undefined,
			headers: n % 3 || !body ? {} : { "Transfer-Encoding": "chunked" } };
		const answer = await server.request(`${w.base}s/attachments/${name}`, options).catch((error) => error);
		if (answer.status === (body ? 201 : 200)) {
			files.set(name, { sure: body && sha256(body), maybe: [] });
			acknowledged++;
		} else {
			faults.push(answer.status ? `${answer.status} ${answer.text}` : String(answer));
			// An error that comes at once must not turn this into a flood.
			await sleep(50);
		}
	}
	const lanes = Array.from({ length: 6 }, async (_, lane) => {
		for (let n = 0; running; n++) await change(`${lane}-${n % 5}`, n);
	});
	return {
		faults,
		/** Until so many more were acknowledged. */
		more: (n) => {
			const goal = acknowledged + n;
			return waitFor(() => acknowledged >= goal, { deadline: 30_000, what: `${n} more uploads` });
		},
		stop: async () => {
			running = false;
			await Promise.all(lanes);
			for (const [name, { sure, maybe }] of files) {
				const { status, body } = await w.get(`s/attachments/${name}`, {}, [200, 404]);
				const now = status === 200 ? sha256(body) : null;
				assert.ok(now === sure || maybe.includes(now), `${name} is neither what was acknowledged nor anything later`);
			}
			return acknowledged;
		},
	};
}

test("uploads go on while workers are replaced: none fails", async (t) => {
	for (const mode of ["file", "stream"]) {
		if (mode === "stream") await server.restart({ env: { UPLOAD_MODE: mode } });
		const load = keepUploading(t, new Room(server));
		await load.more(20);
		for (let round = 0; round < 4; round++) {
			const before = new Set(workersOf(server));
			server.kill("craft-fcgi", "SIGHUP");
			await waitFor(() => !workersOf(server).some((pid) => before.has(pid)),
				{ deadline: 30_000, what: "all workers to be replaced" });
			await load.more(20);
		}
		await load.stop();
		assert.deepEqual(load.faults, [], `mode ${mode}`);
		await nothingIncoming(server);
		await audit(server);
	}
});

test("workers and the database are killed, everything is restarted: nothing acknowledged is lost", async (t) => {
	const load = keepUploading(t, new Room(server));
	await load.more(50);
	for (let round = 0; round < 8; round++) {
		const pids = workersOf(server);
		try {
			process.kill(pids[round % pids.length], "SIGKILL");
		} catch { /* it has ended by itself */ }
		await load.more(10);
	}
	// As kill -9 does it: all backends die at once, recovery at the next start.
	server.kill("postgres", "SIGQUIT");
	await server.stopDatabase();
	await server.startDatabase();
	await load.more(30);
	for (const mode of ["file", "stream"]) {
		await server.restart({ env: { UPLOAD_MODE: mode } });
		await load.more(30);
	}
	t.diagnostic(`${await load.stop()} acknowledged, ${load.faults.length} not`);
	assert.ok(load.faults.length > 0, "a load that nothing disturbs proves nothing");
	await sweep(server);
});

// ---- the quota ----

test(`WORKSPACE_QUOTA=${QUOTA}`, async (t) => {
	await server.restart({ env: { WORKSPACE_QUOTA: "1M", UPLOAD_MODE: "file" } });
	const held = (w) => Number(server.psqlValue(
		`select coalesce(sum(size), 0) from report.files where workspace = '${w.slug}'`));

	async function refused(w, name, body, options) {
		const orphans = unnamed(server), before = held(w);
		const answer = await w.put(name, body, { status: 413, ...options });
		assert.match(answer.json.error, /quota/i);
		assert.equal(held(w), before);
		assert.deepEqual(unnamed(server), orphans, "the refused blob is left");
		await nothingIncoming(server);
	}

	await t.test("counts what would be there afterwards, of all kinds", async () => {
		const w = new Room(server);
		const first = bytes(700_000);
		await w.put("s/attachments/a", first);
		await refused(w, "s/attachments/b", bytes(400_000));
		await refused(w, "s/downloads/b", bytes(400_000), { headers: { "Transfer-Encoding": "chunked" } });
		await refused(w.assets, "x/b.png", bytes(400_000));
		await w.get("s/attachments/b", {}, 404);
		await w.holds("s/attachments/a", first);
		// Only the difference counts when a file is replaced.
		const second = bytes(900_000);
		await w.put("s/attachments/a", second);
		await refused(w, "s/attachments/a", bytes(QUOTA + 1));
		await w.holds("s/attachments/a", second);
		// To the last byte.
		await w.assets.put("x/b.png", bytes(QUOTA - 900_000));
		assert.equal(held(w), QUOTA);
		await refused(w, "s/attachments/c", "x");
		await w.put("s/attachments/c", "");
		await w.put("s/attachments/a", bytes(900_000));
		// Another workspace has one of its own.
		await new Room(server).put("s/attachments/a", second);
	});

	await t.test("deleting makes room", async () => {
		const w = new Room(server);
		const full = bytes(QUOTA);
		await w.put("s/attachments/a", full);
		await refused(w, "t/attachments/a", "x");
		await w.delete("s/attachments/a");
		await w.put("t/attachments/a", full);
		await refused(w, "s/attachments/a", "x");
		await w.delete("t");
		await w.put("s/attachments/a", full);
		await w.put("s/attachments/a", "little");
		await w.put("s/attachments/b", bytes(QUOTA - 6));
	});

	await t.test("parallel uploads don't exceed it together", async () => {
		const w = new Room(server);
		await w.put("s/attachments/0", "x");
		const answers = await Promise.all(Array.from({ length: 30 }, (_, i) =>
			w.put(`s/attachments/p${i}`, bytes(100_000), { status: [201, 413, 503] })));
		const stored = answers.filter(({ status }) => status === 201).length;
		assert.ok(stored >= 1 && stored <= Math.floor((QUOTA - 1) / 100_000), `${stored} stored`);
		assert.equal(held(w), 1 + 100_000 * stored);
		for (const { status, json } of answers) if (status !== 201) assert.match(json.error, /quota/i);
	});
	await nothingIncoming(server);
	await audit(server);
});
