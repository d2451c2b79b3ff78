// Order: answers come in the order of the requests, and all clients of a workspace see its events in one same order,
// whoever writes and on whichever bridge they are.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect, settle, withoutMarks } from "../harness/sync.mjs";

const servers = {};
after(async () => {
	await Promise.all(Object.values(servers).map((server) => server.stop()));
});
[servers[1], servers[2]] = await Promise.all([startServer({ bridges: 1 }), startServer({ bridges: 2 })]);

let counter = 0;

function cases(name, run) {
	for (const bridges of [1, 2])
		test(`${name} (${bridges} bridge${bridges > 1 ? "s" : ""})`, async (t) => {
			const server = servers[bridges];
			const slug = `order-${process.pid}-${++counter}`;
			const join = async (n, options = {}) => {
				const client = await connect(server, slug, bridges === 1 ? options : { bridge: n % 2, ...options });
				t.after(() => client.kill());
				return client;
			};
			await run({ server, slug, join, get: async (path) => (await server.request(`/workspace/${slug}${path}`)).json });
		});
}

cases("500 pipelined requests of all kinds are answered in order", async ({ join, get }) => {
	const client = await join(0);
	const big = "b".repeat(300 * 1024);
	const sent = [];
	const send = (type, data, check) => {
		const requestId = sent.length;
		sent.push([requestId, check]);
		return JSON.stringify({ type, data, requestId });
	};
	const good = (answer) => assert.equal(answer.error, undefined, answer.raw.slice(0, 300));
	const bad = (answer) => assert.equal(typeof answer.error, "string", answer.raw.slice(0, 300));
	const texts = [];
	for (let i = 0; i < 50; i++) {
		const id = `s${i}`;
		texts.push(send("session:create", { id }, (a) => assert.equal(a.data?.id, id)));
		texts.push(send("session:create", { id }, bad));
		texts.push(send("session:save", { id, header: { id, i }, messages: [{ i }] }, good));
		texts.push(send("nosuch", {}, (a) => assert.equal(a.error, "Unknown message type: nosuch")));
		sent.push(["unknown", (a) => assert.equal(a.error, "Invalid JSON")]);
		texts.push(`not json ${i}`);
		texts.push(
			send("session:updateMeta", { sessionId: id, updates: { name: `n${i}` } }, (a) => assert.deepEqual(a.data, { id, i, name: `n${i}` })),
		);
		texts.push(send("session:updateMeta", { sessionId: `x${i}`, updates: {} }, (a) => assert.equal(a.error, `Session not found: x${i}`)));
		// A slow one now and then: it must not be overtaken in the answers.
		if (i % 10 === 3) texts.push(send("session:save", { id: "big", header: { i }, messages: [{ big, i }, { big }] }, good));
		else texts.push(send("plan:save", { sessionId: id, fileName: `p${i}`, content: `c${i}` }, good));
		texts.push(send("session:delete", {}, (a) => assert.match(a.error, /sessionId/)));
		if (i % 2 === 0) texts.push(send("labels:save", { i }, good));
		else texts.push(send("session:delete", { sessionId: `s${i - 1}` }, good));
	}
	assert.equal(texts.length, 500);
	await Promise.all(texts.map((text) => client.send(text, 60000)));
	assert.deepEqual(
		client.answers.map((a) => a.requestId),
		sent.map(([requestId]) => requestId),
	);
	for (const [i, answer] of client.answers.entries()) sent[i][1](answer);
	assert.deepEqual(client.stray, []);

	const headers = Object.fromEntries((await get("/sessions")).map((h) => [h.id ?? "big", h]));
	assert.deepEqual(headers.big, { i: 43 });
	for (let i = 0; i < 50; i++) {
		assert.deepEqual(headers[`s${i}`], i % 2 === 0 ? undefined : { id: `s${i}`, i, name: `n${i}` });
		assert.equal((await get(`/sessions/s${i}/plans`)).length, i % 2 === 1 && i % 10 !== 3 ? 1 : 0);
	}
	assert.deepEqual(await get("/labels"), { i: 48 });
});

cases("a request sees what the ones before it on the same connection did", async ({ join }) => {
	const client = await join(0);
	const calls = [];
	for (let i = 0; i < 60; i++) {
		calls.push(client.ok("session:create", { id: "s" }), client.ok("session:updateMeta", { sessionId: "s", updates: { i } }));
		calls.push(client.ok("session:updateMeta", { sessionId: "s", updates: { j: i } }), client.ok("session:delete", { sessionId: "s" }));
	}
	const answers = await Promise.all(calls);
	for (let i = 0; i < 60; i++) {
		const { createdAt, lastUsedAt } = answers[4 * i];
		assert.deepEqual(answers[4 * i + 2], { id: "s", createdAt, lastUsedAt, i, j: i });
	}
});

cases("two writers, five listeners: one order for all", async ({ join }) => {
	const writers = [await join(0), await join(1)];
	const listeners = [];
	// Some ask for sequence numbers, some for compression: neither may change what they see.
	const kinds = [{}, { since: 0 }, { deflate: true }, { since: 0, deflate: true }, {}];
	for (const [i, kind] of kinds.entries()) listeners.push(await join(i, kind));
	const each = 300;
	await Promise.all(
		writers.flatMap((writer, w) =>
			Array.from({ length: each }, (_, n) => {
				switch (n % 4) {
					case 0:
						return writer.ok("session:create", { id: `${w}.${n}`, by: w, n });
					case 1:
						return writer.ok("session:updateMeta", { sessionId: `${w}.${n - 1}`, updates: { n } });
					case 2:
						return writer.ok("statuses:save", { by: w, n });
					default:
						return writer.ok("session:save", { id: "shared", header: { by: w, n }, messages: [{ w, n }] });
				}
			}),
		),
	);
	await settle(writers[0], [...listeners, writers[1]]);
	await settle(writers[1], [...listeners, writers[0]]);

	const events = listeners.map((l) => withoutMarks(l.broadcasts).map((b) => JSON.stringify(b.event)));
	assert.equal(events[0].length, 2 * each);
	assert.equal(new Set(events[0]).size, 2 * each, "an event came twice");
	for (const [i, other] of events.entries()) assert.deepEqual(other, events[0], `listener ${i} saw another order`);
	for (const w of [0, 1]) {
		const numbers = withoutMarks(listeners[0].broadcasts)
			.map((b) => b.event.data)
			.filter((d) => d.by === w)
			.map((d) => d.n);
		assert.deepEqual(
			numbers,
			Array.from({ length: each }, (_, n) => n),
			`writer ${w}'s own order`,
		);
		// What a writer is told of the other is the same order with its own events left out.
		const told = withoutMarks(writers[1 - w].broadcasts).map((b) => JSON.stringify(b.event));
		const of = events[0].filter((text) => JSON.parse(text).data.by === w);
		assert.deepEqual(told, of, `what writer ${1 - w} was told`);
	}
	for (const l of listeners.filter((l) => l.hello)) {
		const numbers = l.broadcasts.map((b) => b.seq);
		assert.deepEqual(
			numbers,
			numbers.map((_, i) => l.hello.seq + 1 + i),
			"numbers with gaps",
		);
	}
	assert.ok(listeners.filter((l) => !l.hello).every((l) => l.broadcasts.every((b) => b.seq === undefined)));
});

cases("workspaces don't hear of one another", async ({ server, slug, join }) => {
	const writer = await join(0);
	const own = await join(1);
	const strangers = [
		await connect(server, `${slug}-2`),
		await connect(server, slug.slice(0, -1)),
		await connect(server, slug.toUpperCase()),
	];
	await writer.ok("session:create", { id: "s" });
	await own.waitFor(1);
	for (const stranger of strangers) {
		// Its own answer comes after everything that was on the way to it.
		await stranger.ok("labels:save", {});
		assert.deepEqual(stranger.broadcasts, []);
		stranger.kill();
	}
	assert.deepEqual((await server.request(`/workspace/${slug}-2/sessions`)).json, []);
});

cases("what is answered can be read over REST at once", async ({ join, get }) => {
	const client = await join(0);
	for (let n = 0; n < 50; n++) {
		await client.ok("statuses:save", { n });
		assert.deepEqual(await get("/statuses"), { n });
	}
});
