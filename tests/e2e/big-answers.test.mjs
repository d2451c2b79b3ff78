// What is big and goes to clients that take it compressed: the bridge compresses it a slice at a time, so that it answers everybody
// else meanwhile; and it arrives whole, in order, however many are under way.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const server = await startServer();
after(() => server.stop());

let counter = 0;
const fresh = () => `big-${process.pid}-${++counter}`;

async function join(t, slug, options = {}) {
	const client = await connect(server, slug, options);
	t.after(() => client.kill());
	return client;
}

// Text that is work to compress, and becomes smaller: it repeats, but not within what is looked back to.
function text(bytes, seed = 1) {
	const words = [];
	let x = seed;
	for (let size = 0; size < Math.min(bytes, 1 << 18); size += words.at(-1).length + 1) {
		x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
		words.push((x % 50_000).toString(36));
	}
	const block = words.join(" ");
	return block.repeat(Math.ceil(bytes / block.length)).slice(0, bytes);
}

// Sends a ping as soon as the one before was answered, and counts.
function pinging(client) {
	const count = { pongs: 0 };
	client.ws.on("message", () => {
		count.pongs++;
		client.ws.send('{"type":"ping"}');
	});
	client.ws.send('{"type":"ping"}');
	return count;
}

// The big message begins to come: a ping of the server's is smaller.
const firstBytes = (client) => new Promise((resolve) => client.ws._socket.on("data", (data) => data.length > 1000 && resolve()));

test("another client's pings are answered while a big event is compressed", async (t) => {
	const slug = fresh();
	const [writer, listener, other] = [await join(t, slug), await join(t, slug, { deflate: true }), await join(t, fresh())];
	const content = text(24 << 20);
	const count = pinging(other);
	const begun = firstBytes(listener);
	await writer.ok("plan:save", { sessionId: "s", fileName: "p", content });
	// It is committed, and told to who has asked: from now on the event is compressed.
	const before = count.pongs;
	await begun;
	const meanwhile = count.pongs - before;
	assert.ok(meanwhile >= 10, `only ${meanwhile} pings of another client were answered`);
	await writer.ok("labels:save", { n: 1 });
	await listener.waitFor(2);
	assert.deepEqual(listener.broadcasts.map((b) => b.event.entity), ["plan", "labels"]);
	assert.ok(listener.broadcasts[0].event.data.content === content, "it isn't what was sent");
});

test("a big answer comes before what was asked later, and others' pings are answered meanwhile", async (t) => {
	const slug = fresh();
	const [writer, plain, other] = [await join(t, slug, { deflate: true }), await join(t, slug), await join(t, fresh())];
	const config = { slug: "gh", filling: text(24 << 20, 2) };
	const count = pinging(other);
	const begun = firstBytes(writer);
	const answer = writer.call("source:create", config);
	const later = writer.call("labels:save", {});
	await plain.until(() => plain.ws._receiver._bufferedBytes > 0 || plain.broadcasts.length, "the event, which isn't compressed");
	const before = count.pongs;
	await begun;
	assert.ok(count.pongs - before >= 5, `only ${count.pongs - before} pings of another client were answered`);
	assert.ok((await answer).data.filling === config.filling, "it isn't what was sent");
	assert.deepEqual((await later).data, { success: true });
});

test("more than are compressed at a time arrive whole too", async (t) => {
	const rooms = await Promise.all(Array.from({ length: 14 }, async (_, i) => {
		const slug = fresh();
		return { writer: await join(t, slug), listener: await join(t, slug, { deflate: true }), content: text(2 << 20, i + 10) };
	}));
	await Promise.all(rooms.map(async ({ writer, listener, content }) => {
		await writer.ok("plan:save", { sessionId: "s", fileName: "p", content });
		await writer.ok("labels:save", {});
		await listener.waitFor(2, 60_000);
		assert.ok(listener.broadcasts[0].event.data.content === content, "it isn't what was sent");
	}));
});

test("clients that go while theirs is compressed leave nothing behind", async (t) => {
	const slug = fresh();
	const writer = await join(t, slug);
	for (let n = 0; n < 3; n++) {
		const listeners = await Promise.all([1, 2].map(() => join(t, slug, { deflate: true })));
		await writer.ok("plan:save", { sessionId: "s", fileName: "p", content: text(8 << 20, n) });
		await listeners[0].kill();
		await listeners[1].close().catch(() => {});
	}
	const late = await join(t, slug, { deflate: true });
	await writer.ok("labels:save", { n: 1 });
	await late.waitFor(1);
});

test("many events at once, from memory and from the log, to one that comes back", async (t) => {
	const slug = fresh(), EVENTS = 400;
	const [writer, asking] = [await join(t, slug), await join(t, slug, { since: 0 })];
	const { epoch } = asking.hello;
	const sent = Array.from({ length: EVENTS }, (_, n) => ({ n, filling: text(20_000, n) }));
	await Promise.all(sent.map((data) => writer.ok("labels:save", data)));
	for (const since of [0, EVENTS - 150, EVENTS - 20]) {
		const back = await join(t, slug, { since, epoch, deflate: true });
		await back.waitFor(EVENTS - since, 60_000);
		assert.deepEqual(back.broadcasts.map((b) => b.seq), sent.slice(since).map((_, i) => since + i + 1));
		assert.ok(back.broadcasts.every((b, i) => b.event.data.filling === sent[since + i].filling), "not what was sent");
		await back.kill();
	}
});
