// Uploads while something breaks: their clients go away, the worker is killed at each of its system calls, or one of
// them fails; nginx is killed. In both ways in which a body comes to the disk. What holds afterwards: a file is whole,
// the old one or the new one; every row has its bytes; what is left over is swept.

import assert from "node:assert/strict";
import { readdirSync, rmdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Strace, Subject, ageOf, audit, blobDir, bothModes, calls, cloud, holdFiles, killed, makeShards,
	nginxWorkersOf, noStrace, onDisk, sweep, unnamed, waitingBackends, workersOf } from "../harness/faults.mjs";
import { Wire, bytes, chunk, incoming, nothingIncoming } from "../harness/files.mjs";
import { waitFor } from "../harness/server.mjs";

const target = "s/attachments/f";
const untraceable = await noStrace();

// ---- clients ----

function clientsThatGo(server) {
	for (const [what, headers, body] of [
		["before the first byte", { "Content-Length": 1 << 20 }, ""],
		["before the first byte, chunked", { "Transfer-Encoding": "chunked" }, ""],
		["in the middle", { "Content-Length": 4 << 20 }, bytes(2 << 20)],
		["in the middle, chunked", { "Transfer-Encoding": "chunked" }, chunk(bytes(2 << 20))],
	])
		test(`clients go away ${what}: nobody is held up, nothing stays`, async () => {
			const s = await Subject.make(server);
			const blobs = onDisk(server).blobs.size;
			for (let i = 0; i < 5; i++) {
				const c = await Wire.open(server);
				await c.head("PUT", s.w.base + target, headers);
				if (body.length) {
					c.write(body);
					await waitFor(() => incoming(server).some(({ size }) => size > 100_000),
						{ what: "the upload to be under way" });
				}
				c.close();
			}
			await nothingIncoming(server);
			await s.w.holds(target, s.old);
			await s.upload(201);
			assert.equal(await s.outcome(), "new");
			assert.equal(onDisk(server).blobs.size, blobs + 1);
		});
}

// ---- system calls ----

const TRACED = "trace=openat,read,write,sendto,recvfrom,fsync,fdatasync,flock," +
	"fchmod,utimensat,mkdirat,linkat,renameat,renameat2,unlinkat,sync_file_range";

// The one worker for uploads (or for the rest), old enough for the master to replace it at once, that has opened
// whatever it opens for its first request.
async function readyWorker(s, slow = true) {
	const pid = await waitFor(() => workersOf(s.server, slow).find((one) => ageOf(one) > 1.1), { what: "a worker" });
	await s.w.put("s/attachments/warm", "x");
	return pid;
}

async function traced(s, statuses, ...inject) {
	const trace = await Strace.attach(await readyWorker(s), "-e", TRACED, ...inject);
	let log;
	try {
		await s.upload(statuses);
	} finally {
		log = await trace.end();
	}
	return log;
}

function removeEmptyShards(server) {
	for (const name of readdirSync(blobDir(server)).filter((one) => /^[0-9a-f]{2}$/.test(one))) {
		const dir = path.join(blobDir(server), name);
		if (readdirSync(dir).length === 0) rmdirSync(dir);
	}
}

// Of many calls with one name the first, the last and some between.
function sample(all) {
	const byName = Map.groupBy?.(all, ({ name }) => name) ?? new Map();
	if (byName.size === 0) for (const call of all) byName.set(call.name, [...(byName.get(call.name) ?? []), call]);
	return [...byName.values()].flatMap((some) => (some.length <= 8 ? some
		: [0, 1, 0.25, 0.5, 0.75, -2,
			-1].map((at) => some.at(Number.isInteger(at) ? at : Math.floor(at * some.length)))));
}

const committing = (line) => /^sendto\(.*file_put/.test(line);
const isDone = (line) => !/= \?$/.test(line);

function workerKilled(server, mode) {
	test("the worker is killed at each system call of an upload", { skip: untraceable }, async (t) => {
		makeShards(server);
		const s = await Subject.make(server);
		const usual = calls(await traced(s, 201));
		assert.equal(await s.outcome(), "new");
		const seen = { old: 0, new: 0, at: [] };
		for (const { name, nth } of sample(usual))
			for (let hit = false, i = 0; !hit && i < 3; i++) {
				const log = await traced(s, [201, 500, 502, 503, 504], "-e", `inject=${name}:signal=SIGKILL:when=${nth}`);
				hit = /killed by SIGKILL/.test(log.at(-1));
				const committed = log.some((line) => committing(line) && isDone(line));
				const outcome = await s.outcome();
				seen[outcome]++;
				if (hit) seen.at.push(log.at(-2));
				// One that is killed with the answer out may be followed by another that does the rest.
				if (s.answer.status === 201) assert.equal(outcome, "new", `acknowledged and lost, ${name} ${nth}`);
				else if (!committed) assert.equal(outcome, "old", `${name} ${nth}`);
			}
		t.diagnostic(`killed at ${seen.at.length} calls, afterwards ${seen.old} times old, ${seen.new} times new`);
		// The points that matter were among them.
		for (const point of [/^openat\(.*incoming/, mode === "file" ? /^read\(.*incoming/ : /^write\(.*incoming/,
			/^flock\(/, /^utimensat\(/, /^fsync\(.*incoming/, mode === "file" ? /^linkat\(/ : /^renameat2\(/,
			/^fsync\(\d+<.*\/blobs\/[0-9a-f]{2}>/,
				/^sendto\(.*file_put/,
			/^recvfrom\(/, /^write\(.*socket/])
			assert.ok(seen.at.some((line) => point.test(line)), `never killed at ${point}:\n${seen.at.join("\n")}`);
		assert.ok(seen.old > 5 && seen.new > 1);
		const left = await sweep(server);
		// nginx removes its temporary files itself.
		assert.ok(left.orphans > 0 && (mode === "file" || left.incoming > 0), "a sweep without work proves nothing");
	});

	test("the worker that is asked before the body is killed", { skip: untraceable }, async () => {
		const s = await Subject.make(server);
		const hits = [];
		for (const inject of ["read:signal=SIGKILL:when=1", "write:signal=SIGKILL:when=1", "write:signal=SIGKILL:when=2"])
			// Another worker may be the one that is asked.
			for (let hit = false, i = 0; !hit && i < 5; i++) {
				const trace = await Strace.attach(await readyWorker(s, false), "-e", TRACED, "-e", `inject=${inject}`);
				await s.upload([201, 502]);
				hit = /killed by SIGKILL/.test((await trace.end()).at(-1));
				if (hit) hits.push(s.answer.status);
				assert.equal(await s.outcome(), s.answer.status === 201 ? "new" : "old");
			}
		assert.ok(hits.includes(502), `never killed before the answer: ${hits}`);
		await nothingIncoming(server);
	});

	test("the worker is killed while it makes a directory for blobs", { skip: untraceable }, async () => {
		const s = await Subject.make(server);
		for (const inject of ["mkdirat:signal=SIGKILL:when=1", "fsync:signal=SIGKILL:when=2",
			"fsync:signal=SIGKILL:when=3"]) {
			removeEmptyShards(server);
			await traced(s, [201, 500, 502], "-e", `inject=${inject}`);
			await s.outcome();
		}
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		await audit(server, { leftovers: true });
	});

	test("the worker is killed while its transaction waits", async () => {
		const s = await Subject.make(server);
		const release = await holdFiles(server, s.w.slug);
		try {
			const upload = s.upload([500, 502]);
			await waitingBackends(server);
			await killed(workersOf(server, true));
			await upload;
			// Nobody holds the blob's lock now, and no row names it yet: but it is young.
			assert.equal(cloud(server, "gc").status, 0);
		} finally {
			await release();
		}
		await s.outcome();
		await audit(server, { leftovers: true });
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
	});
}

// -y names the files of descriptors so.
const onBlobs = (server, line) => line.includes(`<${blobDir(server)}`);

// One upload during which a call on the blobs fails. What else has that number this time is passed over.
async function failing(s, inject) {
	for (let i = 0; i < 4; i++) {
		const log = await traced(s, [201, 500, 502, 503, 507], "-e", inject);
		if (log.some((line) => line.includes("(INJECTED)") && onBlobs(s.server, line))) return true;
		await s.outcome();
	}
	return false;
}

function callsThatFail(server, mode) {
	test("system calls of an upload fail: an error, the old file, nothing left", { skip: untraceable }, async (t) => {
		await sweep(server);
		makeShards(server);
		const s = await Subject.make(server);
		const usual = calls(await traced(s, 201)).filter(({ line }) => onBlobs(server, line));
		assert.equal(await s.outcome(), "new");
		const points = usual.filter(({ name }) => name !== "unlinkat");
		assert.ok(points.length >= 8, points.map(({ line }) => line).join("\n"));
		for (const { name, nth, line } of points)
			for (const error of ["EIO", "ENOSPC"]) {
				const orphans = unnamed(server);
				const hit = await failing(s, `inject=${name}:error=${error}:when=${nth}`);
				const where = `${error} at ${line}: ${s.answer.text}`;
				assert.ok(hit, `never met: ${where}`);
				const outcome = await s.outcome();
				assert.notEqual(s.answer.status, 201, where);
				assert.equal(outcome, "old", where);
				if (error === "ENOSPC" && /^(write|fsync|fdatasync|sync_file_range|linkat|renameat2|utimensat)$/.test(name))
					assert.equal(s.answer.status, 507, where);
				else if (error === "EIO") assert.notEqual(s.answer.status, 507, where);
				await nothingIncoming(server);
				assert.deepEqual(unnamed(server), orphans, `something is left after ${where}`);
			}
		t.diagnostic(`${points.length} calls in mode ${mode}`);
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		await audit(server);
	});

	test("a directory for blobs can't be made", { skip: untraceable }, async () => {
		const s = await Subject.make(server);
		let met = 0;
		for (const [inject, status] of [["mkdirat:error=ENOSPC:when=1", 507], ["mkdirat:error=EACCES:when=1", 500],
			["fsync:error=EIO:when=2", 500]]) {
			removeEmptyShards(server);
			const log = await traced(s, [201, status], "-e", `inject=${inject}`);
			const hit = log.some((line) => line.includes("(INJECTED)"));
			met += hit;
			assert.equal(s.answer.status, hit ? status : 201);
			assert.equal(await s.outcome(), hit ? "old" : "new");
			await nothingIncoming(server);
		}
		// A random id may meet a directory that is there.
		assert.ok(met > 0);
		await audit(server);
	});
}

// ---- nginx ----

function nginxKilled(server, mode) {
	test("nginx is killed in the middle of a body", async () => {
		const s = await Subject.make(server);
		for (const [headers, body] of [[{ "Content-Length": 4 << 20 }, bytes(2 << 20)],
			[{ "Transfer-Encoding": "chunked" }, chunk(bytes(2 << 20))]]) {
			// nginx drops the file of an upload that was answered a moment later.
			const before = new Set(incoming(server).map(({ name }) => name));
			const c = await Wire.open(server);
			await c.head("PUT", s.w.base + target, headers);
			c.write(body);
			await waitFor(() => incoming(server).some(({ name, size }) => !before.has(name) && size > 1 << 20),
				{ what: "the upload to be under way" });
			await killed(nginxWorkersOf(server));
			await c.closed();
			c.close();
			await waitFor(() => nginxWorkersOf(server).length > 0, { what: "new nginx workers" });
			// Its own temporary file stays behind; a worker's doesn't.
			if (mode === "stream") await nothingIncoming(server);
			await s.w.get(target, { agent: false });
		}
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		assert.equal((await sweep(server)).incoming, mode === "file" ? 2 : 0);
	});

	test("nginx is killed after the worker has published: what is committed is there", async () => {
		const s = await Subject.make(server);
		const release = await holdFiles(server, s.w.slug);
		try {
			const upload = assert.rejects(s.upload(201), { code: /ECONNRESET|EPIPE/ }, "an answer without nginx");
			await waitingBackends(server);
			await killed(nginxWorkersOf(server));
			await upload;
		} finally {
			await release();
		}
		await waitFor(() => nginxWorkersOf(server).length > 0, { what: "new nginx workers" });
		assert.equal(await s.outcome(), "new");
		await audit(server, { leftovers: true });
		await sweep(server);
	});
}

await bothModes((server, mode) => {
	clientsThatGo(server);
	workerKilled(server, mode);
	callsThatFail(server, mode);
	nginxKilled(server, mode);
});
