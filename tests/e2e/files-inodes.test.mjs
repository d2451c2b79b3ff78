// Many tiny files: the number that a quota allows, and a file system that can hold only so many. In both ways in which a body comes
// to the disk.

import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { test } from "node:test";
import { bothModes } from "../harness/faults.mjs";
import { Room, bytes, check } from "../harness/files.mjs";

const INODES = 1500;

function small(server, mode, unmounted) {
	const options = { skip: unmounted, timeout: 500_000 };

	test("a file system that holds no more files: 507, and what was deleted makes way", options, async () => {
		const w = new Room(server), other = new Room(server);
		const free = () => statfsSync(`${server.dir}/blobs`).ffree;
		let stored = 0, answer;
		for (; stored < INODES; stored++) {
			answer = await w.put(`s/attachments/f${stored}`, "", { status: [201, 507] });
			if (answer.status === 507) break;
		}
		check(answer, 507, "no more files");
		assert.match(answer.json.error, /full|room/);
		assert.ok(stored > 100, `${stored} were stored`);
		assert.ok(free() >= INODES / 20 - 10, `only ${free()} are left for others`);
		await other.put("s/attachments/f", "x", { status: 507 });
		await w.delete("s/attachments/f0");
		await w.delete("s/attachments/f1");
		await other.put("s/attachments/f", "x");
		check(await server.request(`/files/${w.slug}/s`, { method: "DELETE" }), 200, "all of them");
		for (let i = 0; i < 5; i++) await other.put(`s/attachments/g${i}`, bytes(1000));
	});
}

await bothModes(small, { disk: 40 << 20, inodes: INODES });
