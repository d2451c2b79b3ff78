// Room on a small disk: what no file names any more makes way for uploads, and uploads under way count. In both ways in which a body
// comes to the disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { audit, bothModes } from "../harness/faults.mjs";
import { Room, askToSend as ask, bytes, check, nothingIncoming, openDownload, readAll } from "../harness/files.mjs";
import { waitFor } from "../harness/server.mjs";

const MB = 1 << 20;
const DISK = 100 * MB;
const target = "s/attachments/f";

function small(server, mode, unmounted) {
	const options = { skip: unmounted, timeout: 500_000 };

	test("stored, deleted, stored again; replaced again and again", options, async () => {
		const w = new Room(server);
		for (const headers of [{}, {}, { "Transfer-Encoding": "chunked" }]) {
			const body = bytes(60 * MB);
			await w.put(target, body, { headers });
			await w.holds(target, body);
			await w.delete(target);
		}
		for (let i = 0; i < 3; i++) await w.put(target, bytes(40 * MB));
		await w.delete(target);
		await audit(server);
	});

	test("who is downloading what makes way keeps its bytes", options, async () => {
		const w = new Room(server);
		const [kept, next] = [bytes(25 * MB), bytes(60 * MB)];
		await w.put(target, kept);
		await w.put("s/attachments/g", bytes(25 * MB));
		const reading = await openDownload(server, w.base + target);
		await w.delete(target);
		await w.delete("s/attachments/g");
		await w.put("s/attachments/h", next);
		assert.ok((await readAll(reading)).equals(kept));
		await w.holds("s/attachments/h", next);
		await w.delete("s/attachments/h");
	});

	test("a file is there at every moment, while the one before makes way", options, async () => {
		const w = new Room(server);
		const versions = Array.from({ length: 6 }, () => bytes(35 * MB));
		await w.put(target, versions[0]);
		let over = false;
		const readers = [1, 2].map(async () => {
			while (!over) {
				const { body } = await w.get(target, { headers: { Range: `bytes=0-999` } }, [200, 206]);
				assert.ok(versions.some((v) => v.subarray(0, 1000).equals(body.subarray(0, 1000))));
			}
		});
		try {
			for (const version of versions) await w.put(target, version);
		} finally {
			over = true;
		}
		await Promise.all(readers);
		await w.delete(target);
	});

	test("several at once, more than there is room for", options, async () => {
		const w = new Room(server), other = new Room(server);
		const asked = await Promise.all(Array.from({ length: 6 }, (_, i) => ask(server, w, i, { "Content-Length": 22 * MB })));
		const taken = asked.filter((c) => c.first.status === 100), refused = asked.filter((c) => c.first.status !== 100);
		assert.ok(taken.length >= 1 && refused.length >= 1, `${taken.length} of ${asked.length}`);
		for (const c of refused) {
			check(c.first, 507, "no room");
			assert.match(c.first.headers["retry-after"], /^\d+$/);
		}
		// However many one workspace asks for, another has room.
		const theirs = await ask(server, other, "x", { "Content-Length": 22 * MB });
		assert.equal(theirs.first.status, 100);
		for (const c of [...taken, theirs]) {
			await c.write(bytes(22 * MB));
			check(await c.answer(), 201, "there was room");
		}
		for (const c of [...asked, theirs]) c.close();
		for (const r of [w, other]) for (const { name } of await r.list("s/attachments")) await r.delete(`s/attachments/${name}`);
	});

	test("what was broken off leaves its room at once", options, async () => {
		const w = new Room(server);
		for (let i = 0; i < 3; i++) {
			// nginx tells the worker that it has ended, a moment after.
			const c = await waitFor(async () => {
				const asked = await ask(server, w, "f", { "Content-Length": 80 * MB });
				return asked.first.status === 100 ? asked : asked.close();
			}, { what: "the room of the upload that was broken off" });
			await c.write(bytes(MB));
			c.close();
			await nothingIncoming(server);
		}
	});
}

await bothModes(small, { disk: DISK });
