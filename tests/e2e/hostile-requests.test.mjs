// Clients with a right key that ask for more than they take: 20,000 requests whose answers nobody reads, messages that
// are no requests, listeners that never read. They are read no further, or sent away; the others go on.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { counted, cpu, growth, memory, range, wellBehaved } from "../harness/hostile.mjs";
import { backstop } from "../harness/pace.mjs";
import { OP, RawSocket, closeBody, frame } from "../harness/rawsocket.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const MB = 1 << 20;
const OURS = ["nginx", "craft-ws-bridge", "craft-fcgi"];
const REQUESTS = 20_000;
const server = await startServer({ env: { WS_MAX_QUEUE: "1M" } });
after(() => server.stop());

let counter = 0;
const slugOf = () => `requests-${process.pid}-${++counter}`;

function attack(name, run) {
	test(name, { timeout: backstop(150_000) }, async (t) => {
		const others = await wellBehaved(server);
		const attackers = [];
		t.after(() => [...attackers.map((ws) => ws.destroy()), others.kill()]);
		const open = async (path) => {
			const ws = await RawSocket.open(server, path);
			attackers.push(ws);
			return ws;
		};
		await run(open, others, t);
		await others.done();
	});
}

const saves = () => Buffer.concat(range(REQUESTS).map((n) =>
	frame(OP.text, `{"type":"labels:save","data":{"n":${n}},"requestId":${n}}`)));
const changes = (slug) => Number(server.psqlValue(`select coalesce(max(seq), 0) from app.workspace where slug = '${slug}'`));

attack("20,000 requests without reading an answer: bounded, and each is answered in its place when they are read", async (open, others, t) => {
	const slug = slugOf();
	const ws = await open(`/workspace/${slug}`);
	ws.socket.pause();
	const begin = others.count;
	const grown = await growth(server, OURS, async () => {
		ws.write(saves());
		await waitFor(() => changes(slug) >= 500, { deadline: 30_000, what: "the flood to begin" });
		await waitFor(() => others.count >= begin + 50, { deadline: 30_000, what: "others to go on" });
	});
	t.diagnostic(`${changes(slug)} of them applied meanwhile, ${(grown / MB).toFixed(1)} MB`);
	assert.ok(grown < 16 * MB, `it grew by ${grown >> 20} MB`);
	ws.socket.resume();
	for (let n = 0; n < REQUESTS; n++) {
		const got = await ws.next();
		assert.equal(got.payload.toString(), `{"type":"response","requestId":${n},"data":{"success":true}}`);
	}
	await counted(server, "craft-ws-bridge", "requests", 1);
});

attack("who has thousands of requests under way gets what the others leave", async (open, others, t) => {
	const slug = slugOf();
	const ws = await open(`/workspace/${slug}`);
	ws.write(saves());
	await waitFor(() => changes(slug) >= 300, { deadline: 30_000, what: "the flood to begin" });
	const [begin, applied] = [others.count, changes(slug)];
	await waitFor(() => others.count >= begin + 40, { deadline: 60_000, every: 1, what: "40 changes of another" });
	const [own, flood] = [others.count - begin, changes(slug) - applied];
	t.diagnostic(`${own} changes one after the other, beside ${flood} of the flood`);
	// First come, first served would be 256 and more between each two.
	assert.ok(flood < 100 * own, `${flood} of the flood between ${own} of the other`);
	ws.destroy();
});

attack("20,000 messages that are no requests", async (open, others, t) => {
	const ws = await open(`/workspace/${slugOf()}`);
	const before = cpu(server, "craft-ws-bridge");
	const grown = await growth(server, OURS, async () => {
		ws.write(Buffer.concat([...range(REQUESTS).map(() => frame(OP.text, "{}")), frame(OP.close, closeBody(1000))]));
		for (let n = 0; n < REQUESTS; n++) assert.match((await ws.next()).payload.toString(), /"error":"Unknown message type: \(none\)"/);
		assert.equal((await ws.next()).opcode, OP.close);
	});
	const spent = cpu(server, "craft-ws-bridge") - before;
	t.diagnostic(`${spent} ms of CPU, the others' requests included; ${grown >> 10} KB`);
	assert.ok(grown < 16 * MB, `it grew by ${grown >> 10} KB`);
});

attack("empty fragments and unasked pongs without end", async (open) => {
	const ws = await open(`/workspace/${slugOf()}`);
	const grown = await growth(server, OURS, async () => {
		const nothing = Buffer.concat(range(10_000).map(() => Buffer.concat([frame(OP.continuation, "", { fin: false }), frame(OP.pong)])));
		ws.write(frame(OP.text, "", { fin: false }));
		for (const _ of range(10)) await ws.write(nothing);
		ws.write(frame(OP.continuation, '{"type":"nope","requestId":1}'));
		assert.match((await ws.next()).payload.toString(), /Unknown message type: nope/);
	});
	assert.ok(grown < 16 * MB, `it grew by ${grown >> 10} KB`);
});

attack("listeners that never read: closed with 1013, and nothing is kept for them", async (open, others, t) => {
	const slug = slugOf();
	const before = memory(server, "craft-ws-bridge");
	const writer = await connect(server, slug);
	const deaf = [];
	for (const _ of range(20)) {
		deaf.push(await open(`/workspace/${slug}?since=0`));
		deaf.at(-1).socket.pause();
	}
	const grown = await growth(server, ["craft-ws-bridge"], async () => {
		// 20 × 20 MB, of which they take what their sockets and nginx hold.
		for (const n of range(100)) await writer.ok("labels:save", { n, pad: "p".repeat(200 << 10) });
	});
	t.diagnostic(`20 MB for each of 20: ${(grown / MB).toFixed(1)} MB`);
	assert.ok(grown < 64 * MB, `it grew by ${grown >> 20} MB`);
	await counted(server, "craft-ws-bridge", "queue", 20);
	await writer.close();
	await waitFor(() => memory(server, "craft-ws-bridge") - before < 24 * MB, { deadline: 20_000, what: "the memory to come back" });
});
