// Clients that don't keep up, don't answer pings, talk too much or send bombs: they are dealt with, and nobody else
// notices. Limits are small here so that each is reached within seconds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { ownMs, stretched } from "../harness/pace.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect, within } from "../harness/sync.mjs";

const MESSAGE = 8 << 20, PING = stretched(300);
const servers = [];
after(async () => {
	await Promise.all(servers.map((server) => server.stop()));
});
// One with small queues; one with quick pings and few places.
const [queues, pings] = await Promise.all([
	startServer({ env: { WS_MAX_QUEUE: "1M", WS_MAX_MESSAGE: "8M" } }),
	startServer({ env: { WS_PING_INTERVAL: String(PING), WS_MAX_CONNECTIONS: "6", WS_MESSAGE_RATE: "50" } }),
]);
servers.push(queues, pings);

let counter = 0;
const slugOf = () => `slow-${process.pid}-${++counter}`;
const range = (n) => Array.from({ length: n }, (_, i) => i);

function rss(server) {
	return (
		Math.max(
			...server.ready.pids["craft-ws-bridge"].map((pid) =>
				Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m)[1]),
			),
		) << 10
	);
}

test("a client that doesn't read is closed with 1013 while the others go on", async (t) => {
	const slug = slugOf();
	const writer = await connect(queues, slug);
	const good = [await connect(queues, slug), await connect(queues, slug, { since: 0, deflate: true })];
	const slow = await connect(queues, slug, { since: 0 });
	t.after(() => [writer, slow, ...good].forEach((c) => c.kill()));
	slow.ws.pause();
	const pad = "p".repeat(256 << 10);
	const count = 120;
	const before = rss(queues);
	let highest = 0;
	const start = ownMs();
	for (const n of range(count)) {
		await writer.ok("labels:save", { n, pad });
		highest = Math.max(highest, rss(queues));
		// It has been sent away by then, and is waited for half a minute.
		if (n === 80) slow.ws.resume();
	}
	for (const client of good) {
		await client.waitFor(count);
		assert.deepEqual(
			client.broadcasts.map((b) => b.event.data.n),
			range(count),
		);
	}
	assert.ok(ownMs() - start < 30000, "the slow client slowed the others down");
	assert.ok(highest - before < 48 << 20, `the bridge grew by ${(highest - before) >> 20} MB`);
	const { code } = await within(slow.closed, 10000, "the close");
	assert.equal(code, 1013);
	// What it was told is true: a beginning without gaps. With since= it goes on where it was.
	const seen = slow.broadcasts.map((b) => b.event.data.n);
	assert.deepEqual(seen, range(seen.length));
	assert.ok(seen.length < count);
	const last = slow.broadcasts.at(-1)?.seq ?? slow.hello.seq;
	if (last > 0) {
		const again = await connect(queues, slug, { since: last, epoch: slow.hello.epoch });
		t.after(() => again.kill());
		await again.waitFor(count - seen.length);
		assert.deepEqual([...seen, ...again.broadcasts.map((b) => b.event.data.n)], range(count));
	}
});

test("a replay larger than the queue comes whole to a client that reads", async (t) => {
	const slug = slugOf();
	const writer = await connect(queues, slug);
	t.after(() => writer.kill());
	await writer.ok("labels:save", { n: -1 });
	const pad = "p".repeat(200 << 10);
	for (const n of range(60)) await writer.ok("labels:save", { n, pad });
	const late = await connect(queues, slug, { since: 1 });
	t.after(() => late.kill());
	await late.waitFor(60);
	assert.deepEqual(
		late.broadcasts.map((b) => b.event.data.n),
		range(60),
	);
});

test("one event larger than the queue reaches those who read", async (t) => {
	const slug = slugOf();
	const writer = await connect(queues, slug);
	const reader = await connect(queues, slug);
	t.after(() => [writer, reader].forEach((c) => c.kill()));
	const pad = "p".repeat(6 << 20);
	for (const n of range(3)) {
		await writer.ok("labels:save", { n, pad });
		await reader.waitFor(n + 1);
		assert.equal(reader.broadcasts[n].event.data.pad.length, pad.length);
	}
});

test("requests without reading the answers: bounded", async (t) => {
	const slug = slugOf();
	const flood = await connect(queues, slug);
	// In a workspace of its own: the flood's events alone would be more than a queue holds.
	const other = await connect(queues, slugOf());
	t.after(() => [flood, other].forEach((c) => c.kill()));
	const header = { id: "s", pad: "h".repeat(100 << 10) };
	await flood.ok("session:save", { id: "s", header, messages: [] });
	const before = rss(queues);
	flood.ws.pause();
	const text = JSON.stringify({ type: "session:updateMeta", data: { sessionId: "s", updates: { n: 1 } }, requestId: 1 });
	// Each answer has 100 KB: 600 of them are 60 MB that nobody takes.
	let highest = 0;
	for (const n of range(600)) {
		if (flood.ws.readyState !== flood.ws.OPEN) break;
		flood.ws.send(text, () => {});
		if (n % 20 === 0) {
			await other.ok("labels:save", { n });
			highest = Math.max(highest, rss(queues));
		}
	}
	await other.ok("labels:save", { end: true });
	highest = Math.max(highest, rss(queues));
	assert.ok(highest - before < 48 << 20, `the bridge grew by ${(highest - before) >> 20} MB`);
	flood.ws.resume();
	// Held back or sent away; in both cases its answers so far are right and in order.
	await waitFor(() => flood.closing || flood.answers.length >= 601, { deadline: 30000, what: "answers or the close" });
	if (flood.closing) assert.equal(flood.closing.code, 1013);
	await other.ok("labels:save", { still: "here" });
});

test("many requests at once from a client that reads: all are answered", async (t) => {
	const slug = slugOf();
	const client = await connect(queues, slug);
	t.after(() => client.kill());
	const answers = await Promise.all(range(5000).map((n) => client.call(n % 5 ? "nosuch" : "labels:save", { n }, n, 60000)));
	assert.deepEqual(
		answers.map((a) => a.requestId),
		range(5000),
	);
});

test("clients that come and go leave nothing behind", async (t) => {
	const slug = slugOf();
	const writer = await connect(queues, slug);
	t.after(() => writer.kill());
	const round = async (size) => {
		const clients = await Promise.all(
			range(size).map((n) => connect(queues, slug, { since: n % 2 ? 0 : undefined, deflate: n % 3 === 0 })),
		);
		await writer.ok("labels:save", { pad: "x".repeat(50000) });
		await Promise.all(clients.map((c) => c.waitFor(1)));
		await Promise.all(clients.map((c, n) => (n % 2 ? c.kill() : c.close())));
	};
	await round(60);
	const before = rss(queues);
	for (let n = 0; n < 8; n++) await round(60);
	assert.ok(rss(queues) - before < 8 << 20, `the bridge grew by ${(rss(queues) - before) >> 10} KB over 480 connections`);
});

// permessage-deflate

for (const [name, deflate] of Object.entries({
	"as offered by default": true,
	"every message compressed": { threshold: 0 },
	"no context takeover on both sides": { threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true },
	"small windows": { threshold: 0, clientMaxWindowBits: 9, serverMaxWindowBits: 9 },
	"window sizes left open": { threshold: 0, clientMaxWindowBits: true },
	"best compression": { threshold: 0, zlibDeflateOptions: { level: 9, memLevel: 9 } },
	"stored blocks only": { threshold: 0, zlibDeflateOptions: { level: 0 } },
}))
	test(`permessage-deflate: ${name}`, async (t) => {
		const slug = slugOf();
		const client = await connect(queues, slug, { deflate });
		const listeners = [await connect(queues, slug, { deflate: { threshold: 0 } }), await connect(queues, slug)];
		t.after(() => [client, ...listeners].forEach((c) => c.kill()));
		assert.match(client.ws.extensions, /^permessage-deflate/);
		assert.equal(listeners[1].ws.extensions, "");
		let told = 0;
		for (const size of [0, 1, 2, 100, 125, 126, 1000, 65535, 65536, 300000, 700000]) {
			// Repetitive and random, as text is and as base64 is.
			for (const pad of [
				"ab\ud83d\ude00 ".repeat(size / 5 + 1).slice(0, size),
				range(Math.min(size, 200000))
					.map((i) => String.fromCharCode(33 + (((i * 2654435761) >>> 8) % 90)))
					.join(""),
			]) {
				await client.ok("labels:save", { size, pad });
				told++;
				for (const listener of listeners) {
					await listener.waitFor(told);
					assert.ok(
						listener.broadcasts[told - 1].event.data.pad === pad.toWellFormed?.() || listener.broadcasts[told - 1].event.data.pad === pad,
						`${size} bytes`,
					);
				}
			}
		}
		assert.equal((await client.send("")).error, "Invalid JSON");
		await client.close();
		assert.equal(client.closing.code, 1000);
	});

test("compressed messages in fragments, with pings between", async (t) => {
	const client = await connect(queues, slugOf(), { deflate: { threshold: 0 } });
	t.after(() => client.kill());
	const text = JSON.stringify({ type: "labels:save", data: { pad: "x".repeat(5000) }, requestId: 1 });
	const answer = new Promise((resolve, reject) => client.pending.push({ resolve, reject }));
	const pong = new Promise((resolve) => client.ws.once("pong", (data) => resolve(data.toString())));
	for (let at = 0; at < text.length; at += 500) {
		client.ws.send(text.slice(at, at + 500), { fin: at + 500 >= text.length, compress: true });
		if (at === 1000) client.ws.ping("between");
	}
	assert.equal((await within(answer, 10000, "the answer")).error, undefined);
	assert.equal(await within(pong, 10000, "the pong"), "between");
});

for (const [name, size] of [
	["one byte more than a message may have", MESSAGE + 1],
	["256 MB", 256 << 20],
])
	test(`an inflation bomb of ${name} closes with 1009`, async (t) => {
		const slug = slugOf();
		const client = await connect(queues, slug, { deflate: { threshold: 0 } });
		const other = await connect(queues, slug);
		t.after(() => [client, other].forEach((c) => c.kill()));
		const before = rss(queues);
		let highest = 0;
		const timer = setInterval(() => {
			highest = Math.max(highest, rss(queues));
		}, 5);
		client.ws.send(Buffer.alloc(size, 0x20), { binary: false }, () => {});
		const { code } = await within(client.closed, 30000, "the close").finally(() => clearInterval(timer));
		assert.equal(code, 1009);
		assert.ok(highest - before < 40 << 20, `the bridge grew by ${(highest - before) >> 20} MB`);
		await other.ok("labels:save", {});
	});

test("too big a message: the reason for the close always arrives, though its sender is still sending", async () => {
	const slug = slugOf();
	const text = " ".repeat(MESSAGE + 1);
	const codes = [];
	for (let n = 0; n < 20; n++) {
		const client = await connect(queues, slug);
		client.ws.send(text, () => {});
		codes.push((await within(client.closed, 30000, "the close")).code);
	}
	assert.deepEqual(codes, Array(20).fill(1009));
});

test("just what a message may have, compressed", async (t) => {
	const client = await connect(queues, slugOf(), { deflate: { threshold: 0 } });
	t.after(() => client.kill());
	const head = '{"type":"nosuch","data":"';
	const tail = '","requestId":1}';
	assert.equal((await client.send(head + "x".repeat(MESSAGE - head.length - tail.length) + tail)).error, "Unknown message type: nosuch");
});

// Pings

test("idle clients are pinged and stay when they answer", async (t) => {
	const client = await connect(pings, slugOf());
	t.after(() => client.kill());
	let count = 0;
	client.ws.on("ping", () => {
		count++;
	});
	await waitFor(() => count >= 6, { deadline: 20 * PING, what: "six pings" });
	assert.equal(client.closing, undefined);
	await client.ok("labels:save", {});
});

test("a client that misses two pings is dropped", async (t) => {
	const slug = slugOf();
	const deaf = await connect(pings, slug, { ws: { autoPong: false } });
	const good = await connect(pings, slug);
	t.after(() => [deaf, good].forEach((c) => c.kill()));
	let count = 0;
	deaf.ws.on("ping", () => {
		count++;
	});
	const start = Date.now(), own = ownMs();
	await within(deaf.closed, 20 * PING, "the drop");
	const took = Date.now() - start;
	assert.ok(count >= 2, `dropped after ${count} pings`);
	assert.ok(took >= PING * 5 / 3 && ownMs() - own < 8 * PING, `dropped after ${took} ms`);
	assert.equal(good.closing, undefined);
});

test("a client that sends data but no pongs is alive", async (t) => {
	const talking = await connect(pings, slugOf(), { ws: { autoPong: false } });
	t.after(() => talking.kill());
	const end = Date.now() + 8 * PING;
	while (Date.now() < end) {
		await talking.call("nosuch", {});
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	assert.equal(talking.closing, undefined, "only idle clients are to be dropped");
});

// Limits

test("more connections than there are places", async (t) => {
	const slug = slugOf();
	const clients = [];
	t.after(() => clients.forEach((c) => c.kill()));
	// The ones of earlier cases may still be leaving.
	await waitFor(
		async () => {
			try {
				while (clients.length < 6) clients.push(await connect(pings, slug));
				return true;
			} catch (error) {
				if (!error.response) throw error;
				return false;
			}
		},
		{ what: "six places" },
	);
	const refused = await connect(pings, slug).then(
		(c) => c.kill().then(() => null),
		(error) => error.response,
	);
	assert.ok(refused, "a seventh was let in");
	assert.ok([429, 503].includes(refused.status), `${refused.status}`);
	assert.equal(typeof JSON.parse(refused.body).error, "string");
	assert.equal(refused.headers["access-control-allow-origin"], "*");
	for (const client of clients) assert.equal((await client.call("nosuch", {})).error, "Unknown message type: nosuch");
	await clients.pop().close();
	await waitFor(() => connect(pings, slug).then((c) => clients.push(c)), { deadline: 5000, what: "the freed place" });
});

test("more messages than the rate allows", async (t) => {
	const slug = slugOf();
	const client = await connect(pings, slug);
	const other = await connect(pings, slug);
	t.after(() => [client, other].forEach((c) => c.kill()));
	const start = Date.now(), own = ownMs();
	const calls = range(200).map((n) => client.call("labels:save", { n }, n, 30000).catch((error) => error));
	await other.ok("statuses:save", {});
	assert.ok(ownMs() - own < 2000, "another client had to wait");
	const answers = await Promise.all(calls);
	const took = Date.now() - start;
	// Held back, refused or closed: but 200 are not applied in one second when 50 are allowed.
	const applied = answers.filter((a) => !(a instanceof Error) && a.error === undefined).length;
	assert.ok(applied <= 50 * (took / 1000 + 2), `${applied} messages within ${took} ms`);
	assert.ok(applied >= 40, `only ${applied} were applied`);
});
