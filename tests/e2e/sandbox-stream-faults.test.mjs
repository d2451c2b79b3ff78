// The WebSocket of a sandbox when the database goes, hangs or loses its backends, when a client asks for too much and when
// a bridge is told to go: errors come in time and tell the truth, and no message is lost.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { numbers, openSandbox, place, PlayedHost, range, refused, SqlSession, stream } from "../harness/sandbox_stream.mjs";
import { alive, startServer, waitFor } from "../harness/server.mjs";
import { within } from "../harness/sync.mjs";

const TIMEOUT = 2500;
const server = await startServer({ bridges: 2, env: { WS_DB_TIMEOUT: String(TIMEOUT) } });
after(() => server.stop());
const host = await PlayedHost.alone(server);

// Most memory that a bridge uses at the moment.
function rss() {
	const kilobytes = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m)[1]);
	return Math.max(...server.ready.pids["craft-ws-bridge"].map(kilobytes)) << 10;
}

test("the database goes away and comes back", async (t) => {
	const { slug, session, open } = place(t, host);
	const clients = [await open({ since: 0, bridge: 0 }), await open({ bridge: 1 })];
	host.say(session, [stream(1)]);
	for (const client of clients) await client.waitFor(1);
	await server.stopDatabase();
	try {
		const start = ownMs();
		const big = "p".repeat(1 << 20);
		const answers = await Promise.all([
			clients[0].call({ type: "execute", task: "x" }, (m) => m.type === "error"),
			clients[1].call({ type: "tool", id: "t", name: "Bash", input: {} }, (m) => m.id === "t"),
			clients[1].call({ type: "tool", id: "b", name: "Write", input: { content: big } }, (m) => m.id === "b"),
		]);
		assert.ok(ownMs() - start < TIMEOUT + 5000, `errors came after ${ownMs() - start} ms`);
		for (const { error, message } of answers) assert.match(error ?? message, /^(Database unavailable|The database connection was lost)/);
		assert.equal(answers[1].success, false);
		assert.equal((await clients[0].call({ type: "ping" })).type, "pong");
		assert.equal((await clients[0].call({ type: "nosuch" })).type, "error");
		const answer = await refused(openSandbox(server, slug, session, { bridge: 0 }));
		assert.deepEqual([answer.status, answer.json], [503, { error: "Database unavailable, try again" }]);
		assert.equal((await refused(openSandbox(server, slug, "x"))).status, 404);
	} finally {
		await server.startDatabase();
	}
	clients.forEach((client) => (client.messages.length = 0));
	host.say(session, [stream(2)], { tell: false });
	for (const client of clients) await client.waitFor(1, 15000);
	assert.deepEqual(numbers(clients[0]), [2]);
	await waitFor(async () => {
		clients[1].send({ type: "diff" });
		return host.jobs().some((j) => j.session === session && j.kind === "diff");
	}, { deadline: 15000, every: 200 });
	for (const client of clients) assert.equal(client.closing, undefined, "a connection was closed");
});

test("the database hangs: an error in time that tells the truth", async (t) => {
	const { session, open } = place(t, host);
	const client = await open({ bridge: 0 });
	const pids = [...server.ready.pids.postgres, ...server.psql("select pid from pg_stat_activity where usename = 'craft_daemon'").map(([pid]) => Number(pid))];
	for (const pid of pids) process.kill(pid, "SIGSTOP");
	let answers;
	try {
		const start = ownMs();
		answers = await Promise.all(range(40).map((id) => client.call({ type: "tool", id, name: "Bash", input: {} }, (m) => m.id === id)));
		assert.ok(ownMs() - start < TIMEOUT + 5000, `errors came after ${ownMs() - start} ms`);
	} finally {
		for (const pid of pids) if (alive(pid)) process.kill(pid, "SIGCONT");
	}
	for (const { error } of answers) assert.match(error, /isn't known$|nothing was done; try again$/);
	assert.ok(answers.some((m) => /isn't known$/.test(m.error)));
	client.messages.length = 0;
	await waitFor(async () => {
		client.send({ type: "diff" });
		return host.jobs().some((j) => j.session === session && j.kind === "diff");
	}, { deadline: 20000, every: 300 });
});

test("what one client may have under way is bounded", async (t) => {
	const { session, open } = place(t, host);
	const client = await open({ bridge: 0 });
	const sql = new SqlSession(server);
	t.after(() => sql.end());
	await sql.run(`begin; select from app.sandbox_session where id = '${session}' for update`);
	const before = rss();
	const message = JSON.stringify({ type: "tool", id: 1, name: "Write", input: { content: "p".repeat(1 << 20) } });
	for (const _ of range(200)) client.send(message);
	// It has taken what it takes when nothing moves any more.
	let left = -1;
	await waitFor(() => left === (left = client.ws.bufferedAmount) && left > 0, { every: 300, what: "the bridge to read no further" });
	assert.ok(rss() - before < 100 << 20, `the bridge grew by ${(rss() - before) >> 20} MB`);
	await client.kill();
	await sql.run("commit");
});

test("backends killed under a running stream", async (t) => {
	const { session, open } = place(t, host);
	const clients = [await open({ since: 0, bridge: 0 }), await open({ since: 0, bridge: 1 })];
	for (const round of range(5)) {
		host.say(session, range(30, (round - 1) * 30 + 1).map(stream));
		server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'craft_daemon'");
	}
	for (const client of clients) {
		await client.waitFor(150);
		assert.deepEqual(numbers(client), range(150));
	}
});

// Last: this bridge does not come back.
test("a bridge that is told to go closes with 1012; the client goes on elsewhere and misses nothing", async (t) => {
	const { session, open } = place(t, host);
	const client = await open({ since: 0, bridge: 0 });
	host.say(session, range(10).map(stream));
	await client.waitFor(10);
	client.send({ type: "diff" });
	server.kill("craft-ws-bridge", "SIGTERM", 0);
	host.say(session, range(10, 11).map(stream));
	assert.equal((await within(client.closed, 10000, "the close")).code, 1012);
	const last = numbers(client).at(-1);
	await waitFor(() => !alive(server.ready.pids["craft-ws-bridge"][0]), { what: "the bridge to end" });
	const again = await open({ since: last });
	host.say(session, [stream(21)]);
	await again.waitFor(21 - last);
	assert.deepEqual([...numbers(client), ...numbers(again)], range(21));
	// What it had taken from its client is not lost, or was never taken.
	const jobs = server.psqlValue(`select count(*) from app.sandbox_job where session_id = '${session}'`);
	assert.ok(["0", "1"].includes(jobs));
});
