// Resume and retry: what a client with ?since= and ?client= may rely on when its connection breaks. Each case runs on
// one bridge, and on two where every reconnect may meet the other one.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { goodData, workspaceMessages } from "../harness/messages.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect, settle } from "../harness/sync.mjs";

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
			const slug = `resume-${process.pid}-${++counter}`;
			// join(n): on bridge n where there are several; join(undefined): wherever nginx leads.
			const join = async (n, options = {}) => {
				const client = await connect(server, slug, bridges === 1 || n === undefined ? options : { bridge: n % 2, ...options });
				t.after(() => client.kill());
				return client;
			};
			await run({ t, server, slug, bridges, join });
		});
}

async function write(client, from, to) {
	await Promise.all(Array.from({ length: to - from }, (_, i) => client.ok("labels:save", { n: from + i })));
}

const numbers = (client) => client.broadcasts.map((b) => b.event.data.n);
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

cases("who doesn't ask gets neither hello nor seq", async ({ join }) => {
	const writer = await join(0, { client: "named" });
	const plain = await join(1);
	const asking = await join(1, { since: 0 });
	await asking.ok("labels:save", { n: -1 });
	await write(writer, 0, 5);
	assert.equal((await writer.call("session:create", { id: "x" })).seq, undefined);
	await plain.waitFor(7);
	for (const text of [...plain.texts, ...writer.texts]) {
		const message = JSON.parse(text);
		assert.notEqual(message.type, "hello");
		assert.ok(!("seq" in message), text);
	}
});

cases("hello comes first and says where the workspace is", async ({ join }) => {
	const fresh = await join(0, { since: 0 });
	assert.deepEqual(Object.keys(fresh.hello).sort(), ["epoch", "resumed", "seq", "type"]);
	assert.equal(typeof fresh.hello.epoch, "string");
	assert.ok(fresh.hello.epoch.length > 0);
	assert.equal(fresh.hello.seq, 0);
	assert.equal(fresh.hello.resumed, true);
	const writer = await join(1);
	await write(writer, 0, 10);
	const later = await join(1, { since: 0 });
	assert.deepEqual(later.hello, { ...fresh.hello, seq: 10 });
	assert.equal(JSON.parse(later.texts[0]).type, "hello");
	assert.deepEqual(later.broadcasts, [], "since=0 means from now on");
});

cases("responses to mutations and broadcasts carry seq, without gaps", async ({ join }) => {
	const clients = [await join(0, { since: 0 }), await join(1, { since: 0 })];
	await Promise.all(clients.flatMap((client, c) => range(0, 200).map((n) => client.ok("labels:save", { c, n }))));
	for (const client of clients) {
		await client.waitFor(200);
		const seen = [...client.answers, ...client.broadcasts].map((x) => x.seq).sort((a, b) => a - b);
		assert.deepEqual(seen, range(1, 401));
		const order = client.texts.slice(1).map((text) => JSON.parse(text));
		const told = order.filter((m) => m.type === "broadcast").map((m) => m.seq);
		assert.deepEqual(
			told,
			[...told].sort((a, b) => a - b),
		);
	}
	const failed = await clients[0].call("session:updateMeta", { sessionId: "nobody", updates: {} });
	assert.equal(typeof failed.error, "string");
	assert.equal((await clients[0].call("labels:save", {})).seq, 401, "a refused request used up a number");
});

cases("every event after since, then live", async ({ join, slug, server }) => {
	const writer = await join(0);
	await writer.ok("session:create", { id: "s", x: 1 });
	await write(writer, 0, 300);
	const live = await join(1, { since: 0 });
	for (const since of [1, 2, 150, 300, 301]) {
		const client = await join(since, { since, epoch: live.hello.epoch });
		assert.deepEqual(client.hello, { type: "hello", epoch: live.hello.epoch, seq: 301, resumed: true });
		await client.waitFor(301 - since);
		assert.deepEqual(
			client.broadcasts.map((b) => b.seq),
			range(since + 1, 302),
		);
		assert.deepEqual(numbers(client), range(since - 1, 300));
	}
	// What is replayed equals what went out live.
	const since = 301;
	await write(writer, 300, 320);
	await live.waitFor(20);
	const replayed = await join(0, { since });
	await replayed.waitFor(20);
	assert.deepEqual(
		replayed.broadcasts.map((b) => b.raw),
		live.broadcasts.map((b) => b.raw),
	);
	await write(writer, 320, 321);
	await replayed.waitFor(21);
	assert.equal(replayed.broadcasts[20].seq, 322);
	assert.equal(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`), "322");
});

cases("with the current epoch, since=0 is everything since the workspace began", async ({ join }) => {
	const fresh = await join(0, { since: 0 });
	const { epoch, seq } = fresh.hello;
	assert.equal(seq, 0);
	await fresh.kill();
	const writer = await join(1);
	await write(writer, 0, 3);
	for (const bridge of [0, 1]) {
		const back = await join(bridge, { since: seq, epoch });
		assert.equal(back.hello.resumed, true);
		await back.waitFor(3);
		assert.deepEqual(
			back.broadcasts.map((b) => [b.seq, b.event.data.n]),
			[[1, 0], [2, 1], [3, 2]],
		);
	}
	await write(writer, 3, 4);
	const unknown = await join(1, { since: 0, epoch: `${epoch}0` });
	assert.deepEqual(unknown.hello, { type: "hello", epoch, seq: 4, resumed: false }, "the epoch isn't the server's");
	const alone = await join(1, { since: 0 });
	assert.deepEqual(alone.hello, { type: "hello", epoch, seq: 4, resumed: true });
	assert.deepEqual(alone.broadcasts, [], "without an epoch since=0 means from now on");
});

cases("with the current epoch, since=0 and a log that was pruned: reload", async ({ join, server, slug }) => {
	const { epoch } = (await join(0, { since: 0 })).hello;
	server.psql(`select api.labels_save('${slug}-pruned', json_build_object('n', n)) from generate_series(0, 9) as n`);
	server.psql("select api.prune(5, 30, 24)");
	const client = await connect(server, `${slug}-pruned`, { since: 0, epoch });
	assert.deepEqual(client.hello, { type: "hello", epoch, seq: 10, resumed: false });
	await client.kill();
});

cases("a client's own changes are replayed to it when it comes back", async ({ join }) => {
	const first = await join(0, { since: 0, client: "me" });
	const { seq } = await first.call("labels:save", { n: 0 });
	await write(first, 1, 10);
	await first.kill();
	const again = await join(1, { since: seq, client: "me" });
	await again.waitFor(9);
	assert.deepEqual(numbers(again), range(1, 10));
});

for (const [name, since] of [
	["in the future", 12],
	["far in the future", 9007199254740991],
	["in the future, not far", 11],
])
	cases(`since ${name}: reload`, async ({ join }) => {
		const writer = await join(0);
		await write(writer, 0, 10);
		const client = await join(1, { since });
		assert.equal(client.hello.resumed, false);
		assert.equal(client.hello.seq, 10);
		// It reloads over REST, and misses nothing from hello's seq on.
		await write(writer, 10, 13);
		await client.waitFor(3);
		assert.deepEqual(
			client.broadcasts.map((b) => b.seq),
			[11, 12, 13],
		);
	});

cases("another epoch: reload", async ({ join }) => {
	const writer = await join(0);
	await write(writer, 0, 10);
	const { epoch } = (await join(0, { since: 0 })).hello;
	for (const wrong of ["x", `${epoch}0`, epoch.slice(1), epoch.slice(0, -1), "%", "ü"]) {
		const client = await join(1, { since: 5, epoch: wrong });
		assert.deepEqual(client.hello, { type: "hello", epoch, seq: 10, resumed: false }, wrong);
		assert.deepEqual(client.broadcasts, []);
	}
	const right = await join(1, { since: 5, epoch });
	assert.equal(right.hello.resumed, true);
	await right.waitFor(5);
});

cases("a log that was pruned: reload", async ({ join, server, slug }) => {
	// Written without any client near, so that no bridge remembers more than the log does.
	server.psql(`select api.labels_save('${slug}', json_build_object('n', n)) from generate_series(0, 49) as n`);
	server.psql("select api.prune(20, 30, 24)");
	const [floor, seq] = server.psql(`select floor, seq from app.workspace where slug = '${slug}'`)[0].map(Number);
	assert.deepEqual([floor, seq], [30, 50]);
	for (const since of [1, 29]) {
		const client = await join(0, { since });
		assert.equal(client.hello.resumed, false, `since=${since}`);
		assert.equal(client.hello.seq, 50);
		assert.deepEqual(client.broadcasts, []);
	}
	const client = await join(1, { since: 30 });
	assert.equal(client.hello.resumed, true);
	await client.waitFor(20);
	assert.deepEqual(numbers(client), range(30, 50));
	const writer = await join(0);
	await write(writer, 50, 51);
	await client.waitFor(21);
});

cases("a new epoch reaches clients that come back", async ({ join, server }) => {
	const writer = await join(0);
	await write(writer, 0, 3);
	const before = await join(0, { since: 1 });
	assert.equal(before.hello.resumed, true);
	server.psql("select api.epoch_renew()");
	// Bridges are told; who joins before they heard of it is closed when they do.
	const epoch = await waitFor(async () => {
		const now = (await join(1, { since: 0 })).hello.epoch;
		return now !== before.hello.epoch && now;
	}, { what: "the new epoch" });
	const again = await join(1, { since: 3, epoch: before.hello.epoch });
	assert.deepEqual(again.hello, { type: "hello", epoch, seq: 3, resumed: false });
});

cases("since that is no number is refused or means reload", async ({ join }) => {
	const writer = await join(0);
	await write(writer, 0, 3);
	for (const since of ["abc", "-1", "1.5", "1e1", " 1", "99999999999999999999999", "0x1", ""]) {
		try {
			const client = await join(1, { since, deadline: 3000 });
			assert.equal(client.hello.resumed, false, `since=${since}`);
		} catch (error) {
			assert.equal(error.response?.status, 400, `since=${since}: ${error.message}`);
			assert.equal(typeof JSON.parse(error.response.body).error, "string");
		}
	}
});

cases("100 reconnects under load: nothing missed, nothing twice", async ({ join, t }) => {
	const writers = [await join(0), await join(1)];
	await write(writers[0], 0, 1);
	let writing = true;
	t.after(() => {
		writing = false;
	});
	const load = Promise.all(
		writers.map(async (writer, w) => {
			for (let n = 0; writing; n += 16)
				await Promise.all(range(n, n + 16).map((i) => writer.ok("labels:save", { w, i, pad: "p".repeat(i % 700) })));
		}),
	);
	const readers = 5;
	const reconnects = 100;
	let replayed = 0;
	await Promise.all(
		range(0, readers).map(async (r) => {
			let at;
			let epoch;
			for (let n = 0; n < reconnects / readers; n++) {
				const client = await join(n % 3 === 2 ? undefined : r + n, {
					...(at === undefined ? { since: 0 } : { since: at, epoch }),
					deflate: n % 2 === 1,
				});
				assert.equal(client.hello.resumed, true);
				at ??= client.hello.seq;
				epoch = client.hello.epoch;
				assert.ok(client.hello.seq >= at, `hello went back from ${at} to ${client.hello.seq}`);
				const head = client.hello.seq;
				// Leave in the middle of the replay, at its end, or well into the live events.
				const wanted = [1, head - at, head - at + 1, head - at + 40][(r + n) % 4];
				await client.waitFor(Math.max(1, wanted));
				await client.kill();
				for (const { seq } of client.broadcasts) {
					assert.equal(seq, at + 1, `reader ${r}, connection ${n}: after ${at} came ${seq}`);
					at = seq;
					if (seq <= head) replayed++;
				}
			}
		}),
	);
	writing = false;
	await load;
	assert.ok(replayed > 50, `only ${replayed} events were replayed: no load`);
});

// Retry

cases("sent again after a lost answer: applied once, the same answer", async ({ join }) => {
	const listener = await join(1);
	const other = await join(0, { since: 0 });
	await other.ok("session:save", { id: "s", header: { id: "s" }, messages: [] });
	for (const message of workspaceMessages()) {
		const { type } = message, data = goodData(message, "s");
		if (data.sessionId === "s") await other.call("session:create", { id: "s" });
		const { seq } = await other.call("labels:save", {});
		const options = { client: "laptop-1", since: 0 };
		const first = await join(0, options);
		const answer = await first.call(type, data, `request of ${type}`);
		assert.equal(answer.error, undefined, type);
		assert.equal(answer.seq, seq + 1);
		const same = await first.call(type, data, `request of ${type}`);
		await first.kill();
		const again = await (await join(1, options)).call(type, data, `request of ${type}`);
		const third = await (await join(undefined, options)).call(type, data, `request of ${type}`);
		for (const repeat of [same, again, third]) assert.equal(repeat.raw, answer.raw, type);
		assert.equal((await other.call("labels:save", {})).seq, seq + 2, `${type} was applied more than once`);
	}
	await settle(other, [listener]);
	const told = listener.broadcasts.map((b) => `${b.event.entity} ${b.event.action} ${JSON.stringify(b.event.data)}`);
	assert.equal(told.filter((text) => text.startsWith("plan updated")).length, 1);
	assert.equal(told.filter((text) => text.startsWith("statuses updated")).length, 1);
	assert.equal(told.filter((text) => text === 'source created {"slug":"new"}').length, 1);
});

cases("two of the same in one burst, and from two connections at once", async ({ join, server, slug }) => {
	const clients = [await join(0, { client: "c" }), await join(1, { client: "c" })];
	const sent = [];
	for (let n = 0; n < 30; n++)
		for (const client of clients) for (let k = 0; k < 2; k++) sent.push(client.call("session:create", { id: `s${n}`, n }, { n }));
	const answers = await Promise.all(sent);
	for (const answer of answers) {
		assert.equal(answer.error, undefined);
		assert.equal(answer.raw, answers.find((a) => a.requestId.n === answer.requestId.n).raw);
	}
	assert.equal(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`), "30");
});

cases("a retry is one of the same client, with the same requestId", async ({ join, server, slug }) => {
	const head = () => Number(server.psqlValue(`select coalesce(max(seq), 0) from app.workspace where slug = '${slug}'`));
	const plain = [await join(0), await join(1)];
	for (const client of plain) await client.ok("labels:save", { v: 1 }, "same");
	await plain[0].ok("labels:save", { v: 1 }, "same");
	assert.equal(head(), 3, "clients without a name must not be taken for retries");
	const a = await join(0, { client: "a" });
	const b = await join(1, { client: "b" });
	await a.ok("labels:save", { v: 1 }, "same");
	await b.ok("labels:save", { v: 1 }, "same");
	await a.ok("labels:save", { v: 1 }, "other");
	for (const id of ["1", 1, null, [1], { a: 1 }, true]) await a.ok("labels:save", { v: 1 }, id);
	assert.equal(head(), 12, "different requestIds were taken for one");
	await a.ok("labels:save", { v: 1 }, { a: 1 });
	assert.equal(head(), 12);
});

cases("a refused request may be sent again and succeed", async ({ join }) => {
	const client = await join(0, { client: "c" });
	assert.equal((await client.call("session:updateMeta", { sessionId: "s", updates: { a: 1 } }, 1)).error, "Session not found: s");
	await client.ok("session:create", { id: "s" }, 2);
	assert.equal((await client.ok("session:updateMeta", { sessionId: "s", updates: { a: 1 } }, 1)).a, 1);
	assert.equal(typeof (await client.call("session:create", { id: "s" }, 3)).error, "string");
	await client.ok("session:delete", { sessionId: "s" }, 4);
	// A retry of the first creation: its answer again, but the session stays deleted.
	assert.equal((await client.ok("session:create", { id: "s" }, 2)).id, "s");
	assert.equal((await client.call("session:updateMeta", { sessionId: "s", updates: {} }, 5)).error, "Session not found: s");
});

test("retries are remembered over a restart of everything, and resumes go on", async () => {
	const server = servers[2];
	const slug = `resume-${process.pid}-restart`;
	const first = await connect(server, slug, { client: "c", since: 0 });
	const answer = await first.call("session:create", { id: "s" }, "once");
	await write(first, 0, 20);
	await server.restart();
	const again = await connect(server, slug, { client: "c", since: answer.seq, epoch: first.hello.epoch });
	assert.deepEqual(again.hello, { type: "hello", epoch: first.hello.epoch, seq: 21, resumed: true });
	await again.waitFor(20);
	assert.deepEqual(numbers(again), range(0, 20));
	assert.equal((await again.call("session:create", { id: "s" }, "once")).raw, answer.raw);
	await again.kill();
});
