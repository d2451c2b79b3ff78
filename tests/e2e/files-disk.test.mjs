// Uploads to a disk that is full, and downloads of blobs that somebody has removed, replaced or made unreadable; links
// in the blob directory lead nobody astray. In both ways in which a body comes to the disk.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync,
	rmSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Subject, audit, blobDir, bothModes, cloud, makeShards, nginxWorkersOf, onDisk,
	sweep } from "../harness/faults.mjs";
import { Wire, bytes, check, chunk, incoming, nothingIncoming } from "../harness/files.mjs";
import { backstop } from "../harness/pace.mjs";
import { waitFor } from "../harness/server.mjs";

const DISK = 64 << 20;
const target = "s/attachments/f";

// ---- the disk ----

function diskFull(server, unmounted) {
	const filler = path.join(blobDir(server), "filler");

	// Leaves so many bytes free.
	function fill(free) {
		rmSync(filler, { force: true });
		const left = spawnSync("df", ["-B1", "--output=avail", blobDir(server)],
			{ encoding: "utf8" }).stdout.split("\n")[1];
		assert.ok(Number(left) > free && Number(left) <= DISK, `${left} bytes are free`);
		writeFileSync(filler, Buffer.alloc(Number(left) - free, "x"));
	}

	// Sends it however the other side feels about it.
	async function send(s, name, headers, body) {
		const c = await Wire.open(server);
		try {
			await c.head("PUT", `${s.w.base}s/attachments/${name}`, headers);
			c.write(body);
			return await c.answer();
		} finally {
			c.close();
		}
	}

	test("the disk is full in the middle of an upload: 507, and the old file", { skip: unmounted, timeout: backstop(60_000) },
		async (t) => {
		await sweep(server);
		const s = await Subject.make(server);
		t.after(() => rmSync(filler, { force: true }));
		const big = bytes(20 << 20), declared = { "Content-Length": big.length },
			chunked = { "Transfer-Encoding": "chunked" };
		const inChunks = Buffer.concat([chunk(big), chunk("")]);
		const blobs = onDisk(server).blobs.size;
		fill(8 << 20);
		for (const name of ["f", "new"])
			for (const [headers, body] of [[declared, big], [chunked, inChunks]]) {
				const answer = check(await send(s, name, headers, body), 507, "full");
				assert.match(answer.json.error, /disk|full|space/i);
				await nothingIncoming(server);
				await s.w.holds(target, s.old);
			}
		assert.equal((await s.w.list("s/attachments")).length, 1);
		assert.equal(onDisk(server).blobs.size, blobs);
		// What fits is taken; of several that fit one by one, no half is left.
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		const part = big.subarray(0, 5 << 20);
		const answers = await Promise.all([1, 2, 3].map((n) => send(s, `p${n}`, { "Content-Length": part.length },
			part)));
		for (const [i, answer] of answers.entries()) {
			check(answer, [201, 507], `p${i + 1}`);
			await s.w.get(`s/attachments/p${i + 1}`, {}, answer.status === 201 ? 200 : 404);
		}
		assert.ok(answers.filter(({ status }) => status === 201).length <= 1, "more than there is room for");
		await nothingIncoming(server);

		// Not a byte is left.
		fill(0);
		check(await send(s, "f", { "Content-Length": 1000 }, bytes(1000)), 507, "not a byte");
		check(await send(s, "f", chunked, Buffer.concat([chunk(bytes(1000)), chunk("")])), 507, "not a byte");
		await nothingIncoming(server);
		await s.w.holds(target, s.old);
		assert.ok((await s.w.list("s/attachments")).length >= 1);
		await s.w.sign(target, {});
		await s.w.delete("s/attachments/p1");
		await s.w.get("s/attachments/p1", {}, 404);

		rmSync(filler);
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		await s.w.put("s/attachments/big", big);
		await s.w.holds("s/attachments/big", big);
		await s.w.delete("s/attachments/big");
		await audit(server);
	});
}

// ---- what somebody planted ----

// Ways to break a blob; each returns how it is mended.
const broken = {
	"removed": (file) => { renameSync(file, `${file}.kept`); },
	"a link to a file that all may read": (file) => { renameSync(file, `${file}.kept`); symlinkSync("/etc/passwd",
		file); },
	"a link to itself": (file) => { renameSync(file, `${file}.kept`); symlinkSync(file, file); },
	"a link to the blob's bytes": (file) => { renameSync(file, `${file}.kept`); symlinkSync(`${file}.kept`, file); },
	"a directory": (file) => { renameSync(file, `${file}.kept`); mkdirSync(file); },
	"a pipe": (file) => { renameSync(file, `${file}.kept`); spawnSync("mkfifo", ["-m", "666", file]); },
	"unreadable": (file) => { renameSync(file, `${file}.kept`); writeFileSync(file, "secret", { mode: 0 }); },
};

function planted(server, mode) {
	// With such a capability (of a clone or DIR that is closed to others) they may read everything.
	const mighty = () => !/^CapEff:\s*0+$/m.test(readFileSync(`/proc/${nginxWorkersOf(server)[0]}/status`, "utf8"));

	// No answer has anything but "not found"; the rest of the service goes on.
	async function notFound(s, what) {
		for (const headers of [{}, { Range: "bytes=0-9" }, { "If-Match": s.tag }, { "If-None-Match": '"x"' }])
			for (const method of ["GET", "HEAD"]) {
				const answer = await s.w.ask(method, target, 404, { headers });
				if (method === "GET") assert.deepEqual(answer.json, { error: "File not found" }, what);
			}
		const { url } = await s.w.sign(target, {});
		check(await server.request(url.slice(new URL(url).origin.length), { key: null }), 404, `${what}, signed`);
	}

	for (const [what, breakIt] of Object.entries(broken))
		test(`a blob is ${what}: 404, never other bytes`, async (t) => {
			if (what === "unreadable" && mighty())
				return t.skip("this machine can't: its daemons need the capability to read all files");
			const s = await Subject.make(server);
			s.tag = (await s.w.head(target)).headers.etag;
			const file = onDisk(server).blobs.get(s.tag.slice(1, -1));
			breakIt(file);
			try {
				await notFound(s, what);
				const { status, stdout, stderr } = cloud(server, "check", "--blobs");
				assert.equal(status, 1);
				assert.match(stdout + stderr, what === "unreadable" ? /can't read the blob/ : /^(missing|damaged) /m);
			} finally {
				rmSync(file, { force: true, recursive: true });
				renameSync(`${file}.kept`, file);
			}
			await s.w.holds(target, s.old);
			return audit(server);
		});

	test("a blob's directory is a link: 404, and nobody writes through it", async () => {
		const s = await Subject.make(server);
		s.tag = (await s.w.head(target)).headers.etag;
		const real = path.dirname(onDisk(server).blobs.get(s.tag.slice(1, -1)));
		const elsewhere = path.join(blobDir(server), "elsewhere");
		renameSync(real, elsewhere);
		symlinkSync(elsewhere, real);
		try {
			await notFound(s, "directory");
		} finally {
			rmSync(real);
			renameSync(elsewhere, real);
		}
		await s.w.holds(target, s.old);

		// All of them lead astray: whatever id an upload gets.
		const { uid, gid } = statSync(blobDir(server));
		mkdirSync(elsewhere);
		chownSync(elsewhere, uid, gid);
		makeShards(server);
		const shards = readdirSync(blobDir(server)).filter((name) => /^[0-9a-f]{2}$/.test(name))
			.map((name) => path.join(blobDir(server), name));
		const aside = path.join(blobDir(server), "aside");
		mkdirSync(aside);
		for (const dir of shards) {
			renameSync(dir, path.join(aside, path.basename(dir)));
			symlinkSync(elsewhere, dir);
		}
		try {
			await s.upload([500, 503]);
			assert.deepEqual(readdirSync(elsewhere), []);
			await nothingIncoming(server);
		} finally {
			for (const dir of shards) {
				rmSync(dir);
				renameSync(path.join(aside, path.basename(dir)), dir);
			}
			rmdirSync(aside);
			rmSync(elsewhere, { recursive: true });
		}
		assert.equal(await s.outcome(), "old");
		await audit(server);
	});

	test("links in the place of nginx's next temporary files are not written through", async () => {
		const s = await Subject.make(server);
		const victim = path.join(blobDir(server), "victim");
		writeFileSync(victim, "precious", { mode: 0o666 });
		chmodSync(victim, 0o666);
		const c = await Wire.open(server);
		await c.head("PUT", s.w.base + target, { "Content-Length": 1 << 20 });
		c.write(bytes(500_000));
		const { name } = await waitFor(() => incoming(server)[0], { what: "the upload to be under way" });
		c.close();
		await nothingIncoming(server);
		const links = Array.from({ length: 20 }, (_, i) => path.join(blobDir(server), "incoming",
			/^\d+$/.test(name) ? String(Number(name) + 1 + i).padStart(name.length,
				"0") : `${name.slice(0, -2)}${i + 10}`));
		for (const [i, link] of links.entries()) (i % 2 ? linkSync : symlinkSync)(victim, link);
		try {
			for (let i = 0; i < 3; i++) {
				await s.upload(201);
				assert.equal(await s.outcome(), "new");
			}
			assert.equal(readFileSync(victim, "utf8"), "precious");
			for (const link of links)
				assert.ok(lstatSync(link).isSymbolicLink() || lstatSync(link).ino === statSync(victim).ino);
		} finally {
			for (const link of links) rmSync(link);
			rmSync(victim);
		}
		await audit(server);
	});

	test("incoming/ becomes a link under a running server: nothing is stored through it", async () => {
		const s = await Subject.make(server);
		const real = path.join(blobDir(server), "incoming"), aside = path.join(blobDir(server), "aside");
		const elsewhere = path.join(blobDir(server), "elsewhere");
		const { uid, gid } = statSync(real);
		mkdirSync(elsewhere);
		chownSync(elsewhere, uid, gid);
		renameSync(real, aside);
		symlinkSync(elsewhere, real);
		try {
			// A worker that writes itself has the directory open, wherever it was moved.
			await s.upload(mode === "file" ? [500, 503] : [201, 500, 503]);
			await waitFor(() => readdirSync(elsewhere).length === 0, { what: "nothing to be in the link's target" });
			assert.equal(await s.outcome(), s.answer.status === 201 ? "new" : "old");
			assert.equal(readlinkSync(real), elsewhere);
		} finally {
			rmSync(real);
			renameSync(aside, real);
			rmSync(elsewhere, { recursive: true });
		}
		await s.upload(201);
		assert.equal(await s.outcome(), "new");
		await audit(server);
	});
}

await bothModes((server, mode, unmounted) => {
	diskFull(server, unmounted);
	planted(server, mode);
}, { disk: DISK });
