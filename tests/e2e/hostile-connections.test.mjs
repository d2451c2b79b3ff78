// Clients that only connect: with wrong keys, too many of them, with heads that never end. What they cost is bounded and
// counted, their lines in the log are few, and who has the right key gets in from the same address.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ask, counted, counters, cpu, dial, growth, range, upgradeHead, wellBehaved } from "../harness/hostile.mjs";
import { backstop, ownMs, stretched } from "../harness/pace.mjs";
import { OP, frame } from "../harness/rawsocket.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const MB = 1 << 20;
const OURS = ["nginx", "craft-ws-bridge", "craft-fcgi"];
const servers = [];
after(() => Promise.all(servers.map((server) => server.stop())));
const [keys, places] = await Promise.all([
	startServer({ env: { WRONG_KEY_RATE: "100" } }),
	startServer({ env: { WS_ADDRESS_CONNECTIONS: "6", WS_ADDRESS_CONNECT_RATE: "4", WS_MAX_CONNECTIONS: "40", WS_MAX_HANDSHAKES: "10",
		WS_HANDSHAKE_TIMEOUT: String(stretched(1500)), WS_CONNECT_RATE: "1000", WS_ADDRESS_MEMORY: "8M" } }),
]);
servers.push(keys, places);

let counter = 0;
const path = () => `/workspace/connections-${process.pid}-${++counter}`;
const lines = (server, program) => server.logs(program).split("\n").length;

/** So many at a time until `count` are done; the results. */
async function several(count, at, one) {
	const results = [];
	let next = 0;
	await Promise.all(range(at).map(async () => {
		while (next < count) {
			const n = next++;
			results[n] = await one(n);
		}
	}));
	return results;
}

test("upgrades with wrong keys: 401, then 429 with Retry-After; they cost next to nothing", { timeout: backstop(120_000) }, async (t) => {
	const others = await wellBehaved(keys);
	t.after(() => others.kill());
	const logged = lines(keys, "craft-ws-bridge");
	const answers = [], of = (status) => answers.filter((answer) => answer.status === status);
	const before = { bridge: cpu(keys, "craft-ws-bridge"), nginx: cpu(keys, "nginx"), others: others.count };
	const grown = await growth(keys, OURS, async () => {
		// Attempts come back with time: on a slow machine it takes more to use them up.
		for (let round = 0; round < 8 && of(429).length < 100; round++)
			answers.push(...await several(400, round ? 40 : 8, () => ask(keys, path(), { key: "wrong-key-of-somebody" })));
	});
	const count = answers.length;
	const [bridge, nginx] = [cpu(keys, "craft-ws-bridge") - before.bridge, cpu(keys, "nginx") - before.nginx];
	t.diagnostic(`${count} attempts over TLS beside ${others.count - before.others} updates: nginx ${(nginx / count).toFixed(2)} ms each, ` +
		`bridge ${(bridge / count).toFixed(2)} ms each, the updates included; ${grown >> 10} KB`);
	const [refused, later] = [of(401), of(429)];
	assert.equal(refused.length + later.length, count);
	assert.ok(refused.length >= 100 && later.length >= 100, `${refused.length} and ${later.length}`);
	assert.deepEqual(JSON.parse(refused[0].body), { error: "Unauthorized" });
	assert.match(JSON.parse(later[0].body).error, /too many attempts/);
	assert.equal(later[0].headers["retry-after"], "10");
	assert.equal(later[0].headers["access-control-allow-origin"], "*");
	assert.ok(grown < 16 * MB, `it grew by ${grown >> 10} KB`);
	// From the same address, while its attempts are used up.
	assert.equal((await ask(keys, path())).status, 101);
	await others.done();
	await counted(keys, "craft-ws-bridge", "wrong_key_rate", later.length);
	// And that of script/up, which looks whether the bridge is there.
	assert.equal(counters(keys, "craft-ws-bridge").wrong_key, refused.length + 1);
	assert.ok(lines(keys, "craft-ws-bridge") - logged < 30, "a line for each attempt");
});

test("a client that retries with a wrong key for ever costs a TLS handshake each time, and next to nothing beside it", { timeout: backstop(120_000) }, async (t) => {
	const count = 300;
	const before = { bridge: cpu(keys, "craft-ws-bridge"), nginx: cpu(keys, "nginx") };
	await several(count, 1, () => ask(keys, path(), { key: "old-key" }));
	const [bridge, nginx] = [cpu(keys, "craft-ws-bridge") - before.bridge, cpu(keys, "nginx") - before.nginx];
	t.diagnostic(`over TLS, a connection each: nginx ${(nginx / count).toFixed(2)} ms, bridge ${(bridge / count).toFixed(2)} ms`);
	// A TLS handshake is most of it. On a busy machine caches are cold: five times what is measured on a quiet one.
	assert.ok((bridge + nginx) / count < 5, `${(bridge + nginx) / count} ms each`);
});

test("wrong keys don't reach the database: without it they are refused as quickly", { timeout: backstop(60_000) }, async () => {
	await keys.stopDatabase();
	try {
		for (const n of range(5)) {
			const upgrade = await ask(keys, path(), { key: "wrong-key" });
			assert.ok([401, 429].includes(upgrade.status), `${upgrade.status}`);
			const { status } = await keys.request(`/workspace/w${n}/sessions`, { key: "wrong-key" });
			assert.ok([401, 429].includes(status), `${status}`);
		}
		assert.equal((await keys.request("/workspace/w/sessions")).status, 503);
	} finally {
		await keys.startDatabase();
	}
	await waitFor(async () => (await keys.request("/workspace/w/sessions")).status === 200, { what: "the database" });
});

test("REST with wrong keys: the workers count together, the right key opens", { timeout: backstop(120_000) }, async (t) => {
	const logged = lines(keys, "craft-fcgi");
	const before = cpu(keys, "craft-fcgi");
	const count = 400;
	const answers = await several(count, 8, (n) =>
		keys.request(`/workspace/w${n}/sessions`, { key: "wrong-key", agent: keys.agent }));
	t.diagnostic(`${count} requests: craft-fcgi ${((cpu(keys, "craft-fcgi") - before) / count).toFixed(2)} ms each`);
	const [refused, later] = [401, 429].map((status) => answers.filter((answer) => answer.status === status));
	assert.equal(refused.length + later.length, count);
	// One bucket for all workers: 100, and what a minute brings.
	assert.ok(refused.length >= 50 && refused.length <= 300, `${refused.length} were answered with 401`);
	assert.equal(later[0].headers["retry-after"], "10");
	assert.equal(later[0].headers["access-control-allow-origin"], "*");
	assert.match(later[0].json.error, /too many attempts/);
	// An upload's refusal passes through nginx's question first.
	const upload = await keys.request("/files/w/s/attachments/a.txt", { method: "PUT", body: "text", key: "wrong-key" });
	assert.equal(upload.status, 429);
	assert.equal(upload.headers["retry-after"], "10");
	assert.match(upload.json.error, /too many attempts/);
	assert.equal((await keys.request("/workspace/w/sessions")).status, 200);
	await counted(keys, "craft-fcgi", "wrong_key_rate", later.length + 1);
	const told = counters(keys, "craft-fcgi");
	assert.ok(told.wrong_key >= refused.length && told.wrong_key <= refused.length + 5, "those of the test before come on top");
	// Each worker has 100 lines about refusals, and not more for a while.
	assert.ok(lines(keys, "craft-fcgi") - logged <= 520, `${lines(keys, "craft-fcgi") - logged} lines`);
});

test("connections of one address, and how quickly it makes them", { timeout: backstop(60_000) }, async (t) => {
	const open = [];
	t.after(() => open.forEach(({ line }) => line.socket.destroy()));
	const from = (address) => ask(places, path(), { through: "bridge", headers: { "X-Real-IP": address } }).then((answer) => {
		if (answer.status === 101) open.push(answer);
		return answer;
	});
	for (const _ of range(6)) assert.equal((await from("192.0.2.1")).status, 101);
	const seventh = await from("192.0.2.1");
	assert.equal(seventh.status, 429);
	assert.equal(seventh.headers["retry-after"], "10");
	assert.match(JSON.parse(seventh.body).error, /from your address/);
	assert.equal((await from("::ffff:192.0.2.1")).status, 429, "the same address in IPv6's form");
	assert.equal((await from("192.0.2.2")).status, 101, "another address");
	// Of IPv6 the network counts.
	for (const n of range(6)) assert.equal((await from(`2001:db8:1:2::${n}`)).status, 101);
	assert.equal((await from("2001:db8:1:2:ffff::1")).status, 429);
	assert.equal((await from("2001:db8:1:3::1")).status, 101);
	// A place that is left is free again.
	open.shift().line.socket.destroy();
	await waitFor(async () => (await from("192.0.2.1")).status === 101, { what: "the freed place" });
	// 4 a second, 20 at once.
	const quick = await several(60, 1, async () => {
		const answer = await from("198.51.100.7");
		answer.line.socket.destroy();
		return answer.status;
	});
	assert.ok(quick.filter((status) => status === 101).length >= 14, JSON.stringify(quick));
	assert.ok(quick.filter((status) => status === 429).length >= 5, JSON.stringify(quick));
	await counted(places, "craft-ws-bridge", "address_connections", 3);
	await counted(places, "craft-ws-bridge", "address_rate", 1);
});

test("memory of one address: who holds the most of it is closed with 1013, others aren't", { timeout: backstop(60_000) }, async (t) => {
	const from = (address) => ask(places, path(), { through: "bridge", headers: { "X-Real-IP": address } });
	const lines = [];
	for (const n of [1, 1, 1, 1, 2]) lines.push((await from(`192.0.2.${100 + n}`)).line);
	t.after(() => lines.forEach(({ socket }) => socket.destroy()));
	const half = frame(OP.text, "", { announced: 50_000_000n, mask: Buffer.alloc(4) });
	for (const { socket } of lines) socket.write(Buffer.concat([half, Buffer.alloc(4 * MB, 0x20)]));
	const told = () => lines.map(({ text }) => text.includes("too much is under way from your address"));
	await waitFor(() => told().filter(Boolean).length >= 2, { what: "two closes" });
	assert.equal(told()[4], false, "another address");
	await counted(places, "craft-ws-bridge", "address_memory", 2);
	assert.ok(!told().slice(0, 4).every(Boolean), "those that fit stay");
});

test("a client can't say that it comes from elsewhere", { timeout: backstop(60_000) }, async (t) => {
	const open = [];
	t.after(() => open.forEach(({ line }) => line.socket.destroy()));
	const statuses = [];
	for (const n of range(8)) {
		const answer = await ask(places, path(), { headers: { "X-Real-IP": `203.0.113.${n}`, "X-Forwarded-For": `203.0.113.${n}` } });
		open.push(answer);
		statuses.push(answer.status);
	}
	assert.deepEqual(statuses.slice(6), [429, 429], "nginx tells the bridge who it is");
});

test("heads that don't end, past nginx: so many at once, for so long", { timeout: backstop(60_000) }, async (t) => {
	const others = await wellBehaved(places, { bridge: 0 });
	t.after(() => others.kill());
	const half = range(40).map(() => dial(places, "bridge"));
	t.after(() => half.forEach(({ socket }) => socket.destroy()));
	await Promise.all(half.map(({ ready }) => ready));
	half.forEach(({ socket }) => socket.write(upgradeHead(places, path(), { key: null }).slice(0, 60)));
	const trickle = setInterval(() => half.forEach(({ socket }) => socket.writable && socket.write("X")), 100);
	t.after(() => clearInterval(trickle));
	await Promise.all(half.map(({ closed }) => closed));
	clearInterval(trickle);
	const answers = half.map(({ text }) => text.match(/^HTTP\/1\.1 (\d+)/)?.[1]);
	assert.ok(answers.filter((status) => status === "408").length >= 5, JSON.stringify(answers));
	await others.done();
	await counted(places, "craft-ws-bridge", "handshakes", 25);
	await counted(places, "craft-ws-bridge", "handshake_time", 5);
});

test("header slowloris: nginx ends it after 10 s, others are served, memory is bounded", { timeout: backstop(90_000) }, async (t) => {
	const others = await wellBehaved(keys);
	t.after(() => others.kill());
	const slow = range(300).map(() => dial(keys));
	t.after(() => slow.forEach(({ socket }) => socket.destroy()));
	await Promise.all(slow.map(({ ready }) => ready));
	const begin = ownMs();
	const grown = await growth(keys, OURS, async () => {
		slow.forEach(({ socket }) => socket.write("GET / HTTP/1.1\r\nHost: h\r\n"));
		const trickle = setInterval(() => slow.forEach(({ socket }, n) => socket.writable && socket.write(`X-${n}: y\r\n`)), 1000);
		await Promise.all(slow.map(({ closed }) => closed)).finally(() => clearInterval(trickle));
	});
	t.diagnostic(`300 of them: ended after ${Math.round(ownMs() - begin)} ms, ${(grown / MB).toFixed(1)} MB`);
	// They send something each second: without a limit of the whole they would stay.
	assert.ok(ownMs() - begin < 45_000);
	assert.ok(grown < 48 * MB, `it grew by ${grown >> 20} MB`);
	await others.done();
	assert.equal((await keys.request("/workspace/w/sessions")).status, 200);
});
