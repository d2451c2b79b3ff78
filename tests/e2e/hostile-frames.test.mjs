// Clients with a right key that send what costs more than it is worth: pings, trickled bytes, frames that announce
// what never comes, data that inflate to much. Each is ended by a limit of its own, which is counted; the others go on.
// Limits are small here, so that each is reached within seconds.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import zlib from "node:zlib";
import { counted, cpu, growth, memory, range, wellBehaved } from "../harness/hostile.mjs";
import { backstop, stretched } from "../harness/pace.mjs";
import { OP, RawSocket, frame } from "../harness/rawsocket.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const MB = 1 << 20;
const OURS = ["nginx", "craft-ws-bridge", "craft-fcgi"];
const LIMIT = stretched(5000);
const server = await startServer({ env: { WS_MESSAGE_TIMEOUT: String(LIMIT), WS_MAX_MEMORY: "64M" } });
after(() => server.stop());

let counter = 0;
const path = () => `/workspace/frames-${process.pid}-${++counter}`;

/** The code and reason of the Close that ends the connection; pongs and the like before it are passed over. */
async function ending(ws) {
	for (;;) {
		const got = await ws.next().catch(() => null);
		if (!got) return { code: 1006 };
		if (got.opcode === OP.close) return { code: got.payload.readUInt16BE(), reason: got.payload.subarray(2).toString() };
	}
}

function attack(name, run) {
	test(name, { timeout: backstop(120_000) }, async (t) => {
		const others = await wellBehaved(server);
		const attackers = [];
		t.after(() => [...attackers.map((ws) => ws.destroy()), others.kill()]);
		const open = async (options) => {
			const ws = await RawSocket.open(server, path(), options);
			attackers.push(ws);
			return ws;
		};
		await run(open, t);
		await others.done();
	});
}

attack("ping floods are closed with 1008 and cost what a few pings cost", async (open, t) => {
	const flood = Buffer.concat(range(20_000).map(() => frame(OP.ping)));
	const before = cpu(server, "craft-ws-bridge");
	const grown = await growth(server, OURS, async () => {
		for (const _ of range(5)) {
			const ws = await open();
			ws.write(flood);
			assert.deepEqual(await ending(ws), { code: 1008, reason: "too many pings" });
		}
	});
	const spent = cpu(server, "craft-ws-bridge") - before;
	t.diagnostic(`100,000 pings: ${spent} ms of CPU, ${grown >> 10} KB`);
	assert.ok(grown < 16 * MB, `it grew by ${grown >> 10} KB`);
	await counted(server, "craft-ws-bridge", "pings", 5);
});

attack("pings as many as anybody needs are all answered", async (open) => {
	const ws = await open();
	ws.write(Buffer.concat(range(500).map((n) => frame(OP.ping, String(n)))));
	for (const n of range(500)) assert.equal((await ws.next()).payload.toString(), String(n));
});

attack("half frames that announce 50 MB: memory for what came only, and 1008 when no more comes", async (open, t) => {
	const head = frame(OP.text, "", { announced: 50_000_000n, mask: Buffer.alloc(4) });
	const grown = await growth(server, OURS, async () => {
		const all = [];
		for (const _ of range(60)) {
			const ws = await open();
			ws.write(Buffer.concat([head, Buffer.alloc(100_000, 0x20)]));
			all.push(ws);
		}
		for (const ws of all) assert.deepEqual(await ending(ws), { code: 1008, reason: "the message came too slowly" });
	});
	t.diagnostic(`60 × 50 MB announced, 6 MB sent: ${(grown / MB).toFixed(1)} MB`);
	assert.ok(grown < 24 * MB, `it grew by ${grown >> 20} MB`);
	await counted(server, "craft-ws-bridge", "message_time", 60);
});

attack("bytes that trickle in are ended, however steadily", async (open) => {
	const all = await Promise.all(range(20).map(() => open()));
	const head = frame(OP.text, "", { announced: 50_000_000n, mask: Buffer.alloc(4) });
	const timer = setInterval(() => all.forEach((ws) => ws.write(Buffer.from(" "))), 100);
	try {
		all.forEach((ws) => ws.write(head));
		for (const ws of all) assert.equal((await ending(ws)).code, 1008);
	} finally {
		clearInterval(timer);
	}
});

attack("a slow message that gets on is not ended", async (open) => {
	const ws = await open();
	const text = Buffer.from(JSON.stringify({ type: "nope", requestId: "x".repeat(200_000) }));
	const bytes = frame(OP.text, text);
	// 20 KB each time: as long as the limit in all.
	for (let at = 0; at < bytes.length; at += 20_000) {
		await ws.write(bytes.subarray(at, at + 20_000));
		await new Promise((done) => setTimeout(done, LIMIT / 10));
	}
	assert.match((await ws.next()).payload.toString("latin1", 0, 100), /^\{"type":"response","requestId":"xxx/);
});

attack("inflation bombs: 1009, bounded memory, and nobody waits for them", async (open, t) => {
	const packed = zlib.deflateRawSync(Buffer.alloc(256 * MB, 0x20), { level: 9, finishFlush: zlib.constants.Z_SYNC_FLUSH });
	const bomb = frame(OP.text, packed.subarray(0, -4), { rsv: 4 });
	const before = memory(server, "craft-ws-bridge");
	const grown = await growth(server, OURS, async () => {
		const all = [];
		for (const _ of range(4)) all.push(await open({ deflate: "permessage-deflate" }));
		all.forEach((ws) => ws.write(bomb));
		// 64 MB are allowed for a message, and for all of them: they end by one limit or the other.
		for (const ws of all) assert.ok([1009, 1013].includes((await ending(ws)).code));
	});
	t.diagnostic(`4 × ${bomb.length >> 10} KB that inflate to 256 MB: ${(grown / MB).toFixed(1)} MB`);
	assert.ok(grown < 128 * MB, `it grew by ${grown >> 20} MB`);
	await waitFor(() => memory(server, "craft-ws-bridge") - before < 16 * MB, { what: "the memory to come back" });
});

attack("memory for all connections together has a bound: who holds the most is closed with 1013", async (open, t) => {
	const head = frame(OP.text, "", { announced: 50_000_000n, mask: Buffer.alloc(4) });
	const before = memory(server, "craft-ws-bridge");
	const codes = [];
	const grown = await growth(server, OURS, async () => {
		const all = [];
		for (const _ of range(12)) all.push(await open());
		const endings = all.map(async (ws) => codes.push(await ending(ws)));
		// 12 × 20 MB where 64 MB are allowed.
		all.forEach((ws) => ws.write(Buffer.concat([head, Buffer.alloc(20 * MB, 0x20)])));
		await Promise.all(endings);
	});
	const short = codes.filter(({ code }) => code === 1013);
	t.diagnostic(`240 MB sent: ${(grown / MB).toFixed(1)} MB; ${short.length} of 12 closed with 1013`);
	assert.ok(short.length >= 1, JSON.stringify(codes));
	assert.ok(codes.every(({ code }) => [1013, 1008].includes(code)), JSON.stringify(codes));
	assert.match(short[0].reason, /short of memory/);
	assert.ok(grown < 160 * MB, `it grew by ${grown >> 20} MB`);
	await counted(server, "craft-ws-bridge", "memory", short.length);
	await waitFor(() => memory(server, "craft-ws-bridge") - before < 16 * MB, { what: "the memory to come back" });
	// What is big and honest is stored while there is room.
	const client = await connect(server, `big-${process.pid}`);
	await client.ok("labels:save", { pad: "x".repeat(20 * MB) });
	await client.close();
});
