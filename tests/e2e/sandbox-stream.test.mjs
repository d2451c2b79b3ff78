// The WebSocket of a sandbox, with the real bridge, nginx and PostgreSQL; the host is played through SQL. What the host
// says reaches every client in order, once, however clients come and go. What clients ask for: sandbox-requests.test.mjs;
// with faults: sandbox-stream-faults.test.mjs.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { datas, numbers, openSandbox, place, PlayedHost, range, slugOf, stream } from "../harness/sandbox_stream.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { comesSooner } from "../harness/sooner.mjs";
import { connect, within } from "../harness/sync.mjs";

const servers = [];
after(() => Promise.all(servers.map((server) => server.stop())));
const [server, small] = await Promise.all([startServer({ bridges: 2 }), startServer({ env: { WS_MAX_QUEUE: "1M", WS_MAX_MESSAGE: "8M" } })]);
servers.push(server, small);
const host = await PlayedHost.alone(server);

test("without since: what comes from then on, as it was said; with since: the numbers too", async (t) => {
	const { session, open } = place(t, host);
	host.say(session, [stream(1), stream(2)]);
	const plain = await open();
	const all = await open({ since: 0 });
	const some = await open({ since: 1 });
	const late = await open({ since: 2 });
	// Its spaces, escapes and order of members stay.
	const odd = String.raw`{ "data" :"\u0000\ud800 é }{\"seq\":9", "type":"stream","x":{"y":[{}]} }`;
	host.say(session, [odd, stream(4)]);
	await Promise.all([plain.waitFor(2), all.waitFor(4), some.waitFor(3), late.waitFor(2)]);
	assert.deepEqual(plain.messages.map((m) => m.raw), [odd, JSON.stringify(stream(4))]);
	assert.deepEqual(numbers(all), [1, 2, 3, 4]);
	assert.deepEqual(numbers(some), [2, 3, 4]);
	assert.deepEqual(numbers(late), [3, 4]);
	assert.equal(all.messages[2].raw, odd.replace(/ }$/, ' ,"seq":3}'));
	assert.equal(all.messages[3].raw, '{"type":"stream","data":"line 4","seq":4}');
});

test("since beyond the last message is the last message", async (t) => {
	const { session, open } = place(t, host);
	host.say(session, [stream(1)]);
	const clients = [await open({ since: 1000 }), await open({ since: "9223372036854775807" }), await open({ since: 1 })];
	host.say(session, [stream(2)]);
	for (const client of clients) {
		await client.waitFor(1);
		assert.deepEqual(numbers(client), [2]);
	}
});

test("nothing is sent unasked", async (t) => {
	const { open } = place(t, host);
	const clients = [await open(), await open({ since: 0 })];
	for (const client of clients) {
		await client.settle();
		assert.deepEqual(client.messages, []);
	}
});

test("two bridges: by hint, and without one within the sweep", async (t) => {
	const { session, open } = place(t, host);
	const clients = [await open({ bridge: 0 }), await open({ bridge: 1 }), await open({ bridge: 0, since: 0 }), await open({ bridge: 1, since: 0, deflate: true })];
	// One connection for all, as the daemon has it: a psql for each would take as long as the sweep does.
	const psql = server.openPsql();
	t.after(() => psql.end());
	let n = 0;
	const said = (told) => async () => {
		psql.write(`select api.sandbox_append('${host.id}', '${session}', ${n}, array[''], array['${JSON.stringify(stream(++n))}']);`);
		if (told) psql.write(`select api.stream_announce('${session}:${n}');`);
		for (const client of clients) await client.waitFor(n, 5000);
	};
	await comesSooner(said(true), said(false), "hints don't arrive");
	for (const client of clients) assert.deepEqual(datas(client), range(n).map((n) => `line ${n}`));
});

test("a message for one client goes to the connections of that name only", async (t) => {
	const { session, open } = place(t, host);
	const me = await open({ client: "me ü" });
	const also = await open({ client: "me ü", since: 0, bridge: 1 });
	const other = await open({ client: "other", since: 0 });
	const nameless = await open({ since: 0 });
	host.say(session, [stream(1)], { target: "me ü" });
	host.say(session, [stream(2)], { target: "nobody" });
	nameless.send({ type: "diff" });
	const job = await waitFor(() => host.jobs().find((j) => j.session === session));
	assert.match(job.client, /^[0-9a-f]{16}-\d+$/);
	host.say(session, [stream(3)], { target: job.client });
	host.say(session, [stream(4)]);
	await Promise.all([me.waitFor(2), also.waitFor(2), other.waitFor(1), nameless.waitFor(2)]);
	assert.deepEqual(datas(me), ["line 1", "line 4"]);
	assert.deepEqual(numbers(also), [1, 4]);
	assert.deepEqual(numbers(other), [4]);
	assert.deepEqual(numbers(nameless), [3, 4]);
	// From the log it's the same.
	const again = await open({ client: "me ü", since: 0 });
	await again.waitFor(2);
	assert.deepEqual(numbers(again), [1, 4]);
});

test("a message of 10 MB, for those who compress too", async (t) => {
	const { session, open } = place(t, host);
	const clients = [await open(), await open({ since: 0 }), await open({ since: 0, deflate: true, bridge: 1 })];
	const body = `select 1, '{"type":"tool_result","id":1,"success":true,"output":"' || repeat('0123456789', 1000000) || '"}'`;
	host.saySelect(session, body);
	host.say(session, [stream(2)]);
	for (const client of clients) {
		await client.waitFor(2, 60000);
		assert.equal(client.messages[0].output.length, 10_000_000);
		assert.equal(client.messages[1].data, "line 2");
	}
	const later = await open({ since: 0 });
	await later.waitFor(2, 60000);
	assert.equal(later.messages[0].output, "0123456789".repeat(1000000));
});

test("5,000 messages in bursts: in order, without gaps, from the start, from the middle and live", async (t) => {
	const { session, open } = place(t, host);
	const clients = [await open({ bridge: 0 }), await open({ bridge: 1, since: 0 }), await open({ bridge: 0, since: 0, deflate: true })];
	const pad = "p".repeat(1500);
	const late = [];
	for (const burst of range(10)) {
		const from = (burst - 1) * 500;
		host.saySelect(session, `select n, '{"type":"stream","data":"line ' || n || '","pad":"${pad}"}' from generate_series(${from + 1}, ${from + 500}) n`, { tell: burst % 3 > 0 });
		if (burst % 2) late.push([from + 100, await open({ since: from + 100, bridge: burst % 4 > 1 ? 0 : 1 })]);
	}
	for (const client of clients) {
		await client.waitFor(5000, 60000);
		assert.deepEqual(datas(client), range(5000).map((n) => `line ${n}`));
	}
	assert.deepEqual(numbers(clients[1]), range(5000));
	for (const [since, client] of late) {
		await client.waitFor(5000 - since, 60000);
		assert.deepEqual(numbers(client), range(5000 - since, since + 1));
	}
	// More than memory holds, to a client that reads.
	const whole = await open({ since: 0 });
	await whole.waitFor(5000, 60000);
	assert.deepEqual(numbers(whole), range(5000));
});

test("messages that were pruned are named", async (t) => {
	const { session, open } = place(t, host);
	host.say(session, range(5).map(stream));
	const listener = await open({ since: 0, bridge: 0 });
	await listener.waitFor(5);
	server.psql(`update app.sandbox_message set created_at = now() - interval '1 day' where session_id = '${session}'`);
	server.psql("select app.sandbox_prune(3600, 10000)");
	host.say(session, range(2, 6).map(stream));
	// This bridge knows nothing of the first five.
	for (const since of [0, 2]) {
		const client = await open({ since, bridge: 1 });
		await client.waitFor(3);
		assert.deepEqual(client.messages[0].raw, '{"type":"status","status":"ready","missedUntil":5,"seq":5}');
		assert.deepEqual(numbers(client), [5, 6, 7]);
		await client.kill();
	}
	const just = await open({ since: 5, bridge: 1 });
	await just.waitFor(2);
	assert.deepEqual(numbers(just), [6, 7]);
	// All are gone.
	server.psql(`update app.sandbox_message set created_at = now() - interval '1 day' where session_id = '${session}'`);
	server.psql("select app.sandbox_prune(3600, 10000)");
	await listener.waitFor(7);
	const none = await open({ since: 0, bridge: 1, client: "x" });
	await none.settle();
	host.say(session, [stream(8)]);
	await waitFor(() => numbers(none).at(-1) === 8);
	await listener.waitFor(8);
	assert.deepEqual(numbers(listener), range(8));
});

test("a sandbox and a workspace of the same name have nothing to do with each other", async (t) => {
	const { session, open } = place(t, host);
	const client = await open({ since: 0 });
	const sync = await connect(server, session);
	const writer = await connect(server, session);
	t.after(() => [sync, writer].forEach((c) => c.kill()));
	await writer.ok("labels:save", { n: 1 });
	host.say(session, [stream(1)]);
	await sync.waitFor(1);
	await client.waitFor(1);
	await client.settle();
	assert.deepEqual(numbers(client), [1]);
	assert.equal(sync.broadcasts.length, 1);
	assert.deepEqual(sync.stray, []);
});

test("clients that lose their connection again and again miss nothing", async (t) => {
	const { session, open } = place(t, host);
	const seen = [];
	let last = 0;
	const total = 600;
	const saying = (async () => {
		for (let n = 1; n <= total; n += 20) {
			host.say(session, range(20, n).map(stream), { tell: n % 3 > 0 });
			await new Promise(setImmediate);
		}
	})();
	while (last < total) {
		const client = await open({ since: last, bridge: seen.length % 2 });
		await client.until(() => client.messages.length >= 7 || numbers(client).at(-1) === total, "some messages");
		seen.push(...numbers(client));
		last = seen.at(-1);
		await client.kill();
	}
	await saying;
	assert.deepEqual(seen, range(total));
});

test("a client that doesn't read is sent away; nobody else has to wait for it", async (t) => {
	const played = await PlayedHost.alone(small);
	const slug = slugOf();
	const session = played.sandbox(slug);
	const slow = await openSandbox(small, slug, session, { since: 0, bridge: 0 });
	const good = [await openSandbox(small, slug, session, { since: 0 }), await openSandbox(small, slug, session, { deflate: true })];
	t.after(() => [slow, ...good].forEach((c) => c.kill()));
	slow.ws.pause();
	// It has been sent away by the fortieth, and is waited for half a minute.
	const count = 60, away = 40;
	const psql = small.openPsql();
	t.after(() => psql.end());
	const start = ownMs();
	for (const n of range(count)) {
		psql.write(`select api.sandbox_append('${played.id}', '${session}', ${n - 1}, array[''],
			array['{"type":"stream","data":"line ${n}","pad":"' || repeat('p', 262144) || '"}']); select api.stream_announce('${session}:${n}');`);
		for (const client of good) await client.waitFor(n);
		if (n === away) slow.ws.resume();
	}
	assert.ok(ownMs() - start < 60000, "the slow client slowed the others down");
	for (const client of good) assert.deepEqual(datas(client), range(count).map((n) => `line ${n}`));
	assert.equal((await within(slow.closed, 10000, "the close")).code, 1013);
	const got = numbers(slow);
	assert.deepEqual(got, range(got.length));
	const again = await openSandbox(small, slug, session, { since: got.length });
	t.after(() => again.kill());
	await again.waitFor(count - got.length);
	assert.deepEqual([...got, ...numbers(again)], range(count));
});
