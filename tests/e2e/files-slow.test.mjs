// Uploads that come slowly hold nobody else's up, in both ways in which a body comes to the disk.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, Wire, bytes, nothingIncoming } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";

const SLOW = 12; // three times as many as there are workers for uploads
const ROUNDS = 5; // in turn without and beside them, as other programs of the machine come and go
const running = [];
after(async () => {
	for (const server of running) await server.stop();
});

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function timePuts(w, n) {
	const times = [];
	for (let i = 0; i < n; i++) {
		const began = performance.now();
		await w.put("s/attachments/other", bytes(5));
		times.push(performance.now() - began);
	}
	return median(times);
}

// Bodies of which some bytes come, and then 20 every 100 ms. Returns what ends them.
async function slowUploads(server, w, headers) {
	const wires = await Promise.all(Array.from({ length: SLOW }, () => Wire.open(server)));
	for (const [i, c] of wires.entries()) {
		c.socket.setNoDelay(true);
		await c.head("PUT", `${w.base}s/attachments/slow${i}`, headers);
	}
	const drip = () => { for (const c of wires) c.write(headers["Content-Length"] ? "x".repeat(20) : `14\r\n${"x".repeat(20)}\r\n`); };
	drip();
	const timer = setInterval(drip, 100);
	return () => {
		clearInterval(timer);
		for (const c of wires) c.close();
	};
}

// All of them before the first test: node would take the last one that it knows for the end.
const servers = await Promise.all(["file", "stream"].map((mode) => {
	const user = mode === "stream" && process.getuid() === 0 ? { CRAFT_DAEMON_USER: "daemon" } : {};
	return startServer({ env: { UPLOAD_MODE: mode, ...user } });
}));
running.push(...servers);

for (const [i, mode] of ["file", "stream"].entries()) {
	const server = servers[i];

	for (const [what, headers] of [["a length", { "Content-Length": 1_000_000 }], ["chunks", { "Transfer-Encoding": "chunked" }]])
		test(`${mode}: ${SLOW} slow uploads with ${what} beside quick ones`, { timeout: 120_000 }, async () => {
			const w = new Room(server), other = new Room(server);
			const ratios = [];
			await timePuts(other, 5);
			for (let round = 0; round < ROUNDS; round++) {
				const alone = await timePuts(other, 15);
				const end = await slowUploads(server, w, headers);
				try {
					ratios.push((await timePuts(other, 15)) / alone);
				} finally {
					end();
				}
			}
			const ratio = median(ratios);
			console.log(`# ${mode}, ${what}: ${ratio.toFixed(2)} times as long beside them (${ratios.map((r) => r.toFixed(2)).join(", ")})`);
			assert.ok(ratio < 2, `${ratio} times as long`);
			await nothingIncoming(server);
			assert.deepEqual(await w.list("s/attachments"), []);
		});
}
