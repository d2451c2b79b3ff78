// Uploads under way count for a workspace's quota, in both ways in which a body comes to the disk.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, askToSend as ask, bytes, check, chunk } from "../harness/files.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const MB = 1 << 20;

const running = [];
after(async () => {
	for (const server of running) await server.stop();
});

// All of them before the first test: node would take the last one that it knows for the end.
const servers = await Promise.all(["file", "stream"].map((mode) => {
	return startServer({ env: { UPLOAD_MODE: mode, WORKSPACE_QUOTA: "10M", MAX_UPLOAD: "64M" } });
}));
running.push(...servers);

for (const [i, mode] of ["file", "stream"].entries()) {
	const server = servers[i];

	test(`${mode}: uploads at once whose sum is above the quota`, { timeout: 60_000 }, async () => {
		const w = new Room(server), other = new Room(server);
		const open = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(server, w, i, { "Content-Length": 4 * MB })));
		const taken = open.filter((c) => c.first.status === 100), refused = open.filter((c) => c.first.status !== 100);
		assert.equal(taken.length, 2);
		for (const c of refused) {
			check(c.first, 503, "the quota");
			assert.match(c.first.headers["retry-after"], /^\d+$/);
			assert.match(c.first.json.error, /quota of 10485760 bytes/);
		}
		check((await ask(server, w, "large", { "Content-Length": 11 * MB })).first, 413, "above the quota by itself");
		assert.equal((await ask(server, other, 0, { "Content-Length": 9 * MB })).first.status, 100, "another workspace");
		// One is broken off, and one stored: there is room for one again.
		taken[0].close();
		await taken[1].write(bytes(4 * MB));
		check(await taken[1].answer(), 201, "within the quota");
		const next = await waitFor(async () => {
			const c = await ask(server, w, "next", { "Content-Length": 5 * MB });
			return c.first.status === 100 ? c : c.close();
		}, { what: "the room of the upload that was broken off" });
		check((await ask(server, w, "more", { "Content-Length": 2 * MB })).first, 503, "4 stored, 5 under way");
		await next.write(bytes(5 * MB));
		check(await next.answer(), 201, "next");
		for (const c of [...open, next]) c.close();
		assert.equal(Number(server.psqlValue(`select sum(size) from report.files where workspace = '${w.slug}'`)), 9 * MB);
	});

	test(`${mode}: without a length`, { timeout: 60_000 }, async () => {
		const w = new Room(server);
		const wires = await Promise.all(Array.from({ length: 5 }, (_, i) => ask(server, w, i, { "Transfer-Encoding": "chunked" })));
		for (const c of wires) assert.equal(c.first.status, 100);
		const answers = await Promise.all(wires.map(async (c) => {
			await c.write(Buffer.concat([chunk(bytes(4 * MB)), chunk("")]));
			return c.answer();
		}));
		assert.equal(answers.filter(({ status }) => status === 201).length, 2);
		for (const answer of answers) check(answer, [201, 413], "the quota");
		for (const c of wires) c.close();
	});

	test(`${mode}: as many files as the quota allows`, { timeout: 120_000 }, async () => {
		const w = new Room(server), most = Math.floor((10 * MB) / 4096);
		await w.put("s/attachments/first", "");
		w.fill("s", "attachments", "n", most - 2);
		await w.put("s/attachments/last", "");
		const refused = await w.put("s/attachments/more", "", { status: 413 });
		assert.match(refused.json.error, new RegExp(`as many files as its quota of 10485760 bytes allows: ${most}, `));
		await w.put("s/attachments/first", "replaced");
		await w.delete("s/attachments/last");
		await w.put("s/attachments/more", "");
	});

	test(`${mode}: nginx's log has the uploads' own statuses`, async () => {
		const w = new Room(server);
		const { headers } = await w.put("s/attachments/logged", "x");
		const line = await waitFor(() => server.logs("nginx-access").split("\n").find((l) => l.includes(headers["x-request-id"])));
		assert.match(line, /" 201 /);
	});
}
