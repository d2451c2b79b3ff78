// The database goes away under connected clients, hangs, or is written to by somebody else; and a bridge is told to
// go. What was acknowledged must still be there, whatever happened.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { holding } from "../harness/housekeeping.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { comesSooner } from "../harness/sooner.mjs";
import { connect, within } from "../harness/sync.mjs";

const TIMEOUT = 2500;
let server;
after(() => server?.stop());
server = await startServer({ bridges: 2, env: { WS_DB_TIMEOUT: String(TIMEOUT) } });

let counter = 0;
const slugOf = () => `database-${process.pid}-${++counter}`;
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

async function room(t, slug) {
	const clients = [await connect(server, slug, { bridge: 0, since: 0 }), await connect(server, slug, { bridge: 1, since: 0 })];
	t.after(() => clients.forEach((c) => c.kill()));
	return clients;
}

// Until a mutation succeeds again. Each try is a change of its own.
function recovered(client) {
	return waitFor(async () => (await client.call("statuses:save", { recovered: true })).error === undefined, {
		deadline: 15000,
		every: 100,
		what: "a mutation to succeed",
	});
}

// Writes n = 0, 1, 2… as sessions until stop() is called; resolves with the numbers by outcome.
function keepWriting(client, name) {
	let running = true;
	const outcome = { acknowledged: [], refused: [], slowest: 0 };
	const work = Promise.all(
		range(0, 4).map(async (lane) => {
			for (let n = lane; running; n += 4) {
				const start = ownMs();
				const answer = await client.call("session:create", { id: `${name}-${n}` }, n, 15000);
				outcome.slowest = Math.max(outcome.slowest, ownMs() - start);
				(answer.error === undefined ? outcome.acknowledged : outcome.refused).push([n, answer]);
				// An error that comes at once must not turn this into a flood.
				if (answer.error !== undefined) await new Promise((resolve) => setTimeout(resolve, 50));
			}
		}),
	);
	return async () => {
		running = false;
		await work;
		return outcome;
	};
}

async function nothingLost(slug, name, outcome) {
	const headers = new Map((await server.request(`/workspace/${slug}/sessions`)).json.map((h) => [h.id, h]));
	for (const [n, answer] of outcome.acknowledged)
		assert.deepEqual(headers.get(`${name}-${n}`), answer.data, `${name}-${n} was acknowledged and is not there`);
	return headers;
}

// Every number from the first to the last that a client was given, in broadcasts and own answers, once.
function gapless(client) {
	const seen = [...client.broadcasts, ...client.answers]
		.map((x) => x.seq)
		.filter((seq) => seq !== undefined)
		.sort((a, b) => a - b);
	assert.deepEqual(seen, range(seen[0], seen[0] + seen.length), "numbers twice or with gaps");
}

for (const how of ["stopped", "crashed"])
	test(`PostgreSQL ${how} and started again under connected clients`, async (t) => {
		const slug = slugOf();
		const clients = await room(t, slug);
		const stops = clients.map((client, i) => keepWriting(client, `c${i}`));
		for (const client of clients) await client.waitFor(20);
		if (how === "crashed") {
			// As kill -9 does it: all backends die at once, recovery at the next start.
			server.kill("postgres", "SIGQUIT");
			await waitFor(() => server.ready.pids.postgres.every((pid) => !alivePid(pid)), { what: "postgres to end" });
		}
		await server.stopDatabase();

		// Away: mutations fail in time and say what it is; REST says 503; what needs no database works.
		const start = ownMs();
		const answers = await Promise.all(clients.map((client) => client.call("labels:save", { away: true })));
		assert.ok(ownMs() - start < 10000);
		for (const { error } of answers) {
			assert.equal(typeof error, "string");
			assert.doesNotMatch(error, /SQL|libpq|socket|\.s\.PGSQL|could not connect to server|FATAL/i);
		}
		for (const client of clients) assert.equal((await client.call("nosuch", {})).error, "Unknown message type: nosuch");
		for (const path of ["/sessions", "/sessions/x", "/labels", "/projects"]) {
			const rest = await server.request(`/workspace/${slug}${path}`);
			assert.equal(rest.status, 503, path);
			assert.deepEqual(rest.json, { error: "Database unavailable, try again" });
			assert.equal(rest.headers["access-control-allow-origin"], "*");
		}
		assert.equal((await server.request(`/workspace/${slug}/actions/new-chat`, { method: "POST", body: {} })).status, 503);
		assert.equal((await server.request("/", { key: null })).status, 200);
		assert.equal((await server.request(`/workspace/${slug}/sessions`, { key: "wrong" })).status, 401);

		await server.startDatabase();
		for (const client of clients) await recovered(client);
		const outcomes = await Promise.all(stops.map((stop) => stop()));
		for (const client of clients) assert.equal(client.closing, undefined, "a connection was closed");
		for (const [i, outcome] of outcomes.entries()) {
			assert.ok(outcome.refused.length > 0 && outcome.acknowledged.length > 10);
			assert.ok(outcome.slowest < 10000, `an answer took ${outcome.slowest} ms`);
			await nothingLost(slug, `c${i}`, outcome);
		}
		// Both have seen all that happened, in one order without gaps, and live events flow between the bridges.
		const { seq } = await clients[0].call("labels:save", { last: true });
		await clients[1].until(() => clients[1].broadcasts.at(-1)?.seq === seq, "the last event");
		clients.forEach((client) => client.stray.forEach((text) => assert.fail(`stray: ${text}`)));
		const logged = Number(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`));
		assert.equal(seq, logged);
		for (const client of clients) {
			// A change whose outcome was unknown has a number that nobody was told by an answer; its author isn't told
			// by a broadcast either. All the others must be there.
			const seen = new Set([...client.broadcasts, ...client.answers].map((x) => x.seq));
			const unknown = range(1, logged + 1).filter((n) => !seen.has(n));
			assert.ok(unknown.length <= 5, `numbers never seen: ${unknown}`);
			const told = client.broadcasts.map((b) => b.seq);
			assert.deepEqual(
				told,
				[...new Set(told)].sort((a, b) => a - b),
				"broadcasts out of order or twice",
			);
		}
		// A plain restart is no restore: clients that were away may resume.
		const back = await connect(server, slug, { since: seq - 5, epoch: clients[0].hello.epoch });
		assert.equal(back.hello.resumed, true);
		await back.close();
	});

function alivePid(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

test("a client that connects while the database is away", async (t) => {
	const slug = slugOf();
	await server.stopDatabase();
	try {
		const plain = await connect(server, slug).catch((error) => error);
		if (plain instanceof Error) {
			assert.equal(plain.response?.status, 503, plain.message);
			assert.equal(typeof JSON.parse(plain.response.body).error, "string");
		} else {
			t.after(() => plain.kill());
			assert.equal(typeof (await plain.call("labels:save", {})).error, "string");
		}
		// With since= it gets its hello when the database is back, or is sent away: but never a false one.
		const waiting = connect(server, slug, { since: 0, deadline: 30000 }).catch((error) => error);
		await server.startDatabase();
		const client = await waiting;
		if (client instanceof Error) assert.match(client.message, /503|closed \((1011|1012|1013)/);
		else {
			t.after(() => client.kill());
			assert.equal(client.hello.seq, 0);
			await recovered(client);
		}
	} finally {
		await server.startDatabase();
	}
	const later = await connect(server, slug, { since: 0 });
	await recovered(later);
	await later.close();
});

test("what a DBA writes through an api function reaches connected clients live", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	const plain = await connect(server, slug);
	t.after(() => plain.kill());
	const all = [...clients, plain];
	// A workspace that does not exist yet, then one that does.
	const steps = [
		[
			`select api.session_create('${slug}', 's1', '{"id":"s1","name":"By hand"}')`,
			{ entity: "session", action: "created", data: { id: "s1", name: "By hand" } },
		],
		[`select api.labels_save('${slug}', '{"version":2}')`, { entity: "labels", action: "updated", data: { version: 2 } }],
		[
			`begin; select api.plan_save('${slug}', 's1', 'p', '"# P"'); commit`,
			{ entity: "plan", action: "updated", data: { sessionId: "s1", fileName: "p", content: "# P" } },
		],
		[`select api.session_delete('${slug}', 's1')`, { entity: "session", action: "deleted", data: { sessionId: "s1" } }],
	];
	for (const [n, [sql, event]] of steps.entries()) {
		server.psql(sql);
		// Without a hint within the sweep of one second.
		for (const client of all) {
			await client.waitFor(n + 1, 3000);
			assert.deepEqual(client.broadcasts[n].event, event);
		}
	}
	server.psql(`select api.statuses_save('${slug}', '{"version":3}')`);
	server.psql(`select api.announce(array['${slug}'])`);
	for (const client of all) await client.waitFor(5, 3000);
	// One rolled back is never heard of, and leaves no gap.
	server.psql(`begin; select api.labels_save('${slug}', '{"version":9}'); rollback`);
	await clients[0].ok("labels:save", { version: 4 });
	await clients[1].waitFor(6);
	assert.deepEqual(clients[1].broadcasts[5].event.data, { version: 4 });
	gapless(clients[0]);
});

test("a DBA's change between a client's own", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	await clients[0].ok("session:create", { id: "s", a: 1 });
	server.psql(`select api.session_update('${slug}', 's', '{"id":"s","a":2,"dba":true}')`);
	// The bridge remembers the old header; merging into it would undo the DBA's work.
	assert.deepEqual(await clients[0].ok("session:updateMeta", { sessionId: "s", updates: { b: 1 } }), { id: "s", a: 2, dba: true, b: 1 });
	assert.deepEqual(await clients[1].ok("session:updateMeta", { sessionId: "s", updates: { c: 1 } }), {
		id: "s",
		a: 2,
		dba: true,
		b: 1,
		c: 1,
	});
	await clients[0].ok("session:save", { id: "s", header: {}, messages: [1, 2, 3] });
	server.psql(`select api.session_clear_messages('${slug}', 's')`);
	await clients[0].ok("session:save", { id: "s", header: {}, messages: [1, 2, 3, 4] });
	assert.deepEqual((await server.request(`/workspace/${slug}/sessions/s`)).json, { messages: [1, 2, 3, 4] });
});

function backends(where) {
	return server.psql(`select pid from pg_stat_activity where usename = 'craft_daemon' and ${where}`).map(([pid]) => Number(pid));
}

// All of the daemons' backends hang for as long as `run` takes, and the postmaster, which would make new ones.
async function hanging(run) {
	const pids = [...server.ready.pids.postgres, ...backends("true")];
	assert.ok(pids.length >= 5, `only ${pids.length} backends`);
	for (const pid of pids) process.kill(pid, "SIGSTOP");
	try {
		await run(pids);
	} finally {
		for (const pid of pids) if (alivePid(pid)) process.kill(pid, "SIGCONT");
	}
}

test("the database hangs for a moment: requests wait and succeed", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	await clients[0].ok("labels:save", { n: 0 });
	let calls;
	await hanging(async () => {
		calls = range(1, 30).map((n) => clients[n % 2].call("session:create", { id: `s${n}` }));
		// Shorter than WS_DB_TIMEOUT; the length of the hang is what this case is about.
		await new Promise((resolve) => setTimeout(resolve, 1000));
		assert.equal(clients[0].answers.length, 1);
	});
	for (const answer of await Promise.all(calls)) assert.equal(answer.error, undefined);
	for (const client of clients)
		await client.until(() => client.broadcasts.length + client.answers.filter((a) => a.seq).length === 30, "all events");
	for (const client of clients) gapless(client);
});

test("the database hangs for long: an error in time that tells the truth, then work goes on", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	await clients[0].ok("session:create", { id: "s0" });
	const watching = await connect(server, slug, { since: 0 });
	t.after(() => watching.kill());
	let answers;
	await hanging(async () => {
		const start = ownMs();
		answers = await Promise.all(range(1, 11).map((n) => clients[n % 2].call("session:create", { id: `s${n}` }, n, 10000)));
		assert.ok(ownMs() - start < TIMEOUT + 3000, `errors came after ${ownMs() - start} ms`);
	});
	for (const answer of answers) assert.equal(typeof answer.error, "string", "acknowledged by a database that hangs");
	for (const client of clients) await recovered(client);
	for (const client of clients) assert.equal(client.closing, undefined);
	// Whatever became of them, everybody agrees: what is in the state is in the log, once.
	await within(
		waitFor(async () => backends("state = 'active' and query like '%session_create%'").length === 0),
		15000,
		"late work to end",
	);
	const ids = (await server.request(`/workspace/${slug}/sessions`)).json.map((h) => h.id).sort();
	const logged = server
		.psql(`select entity_id from report.changes where workspace = '${slug}' and entity = 'session'`)
		.map(([id]) => id)
		.sort();
	assert.deepEqual(ids, logged);
	const { seq } = await clients[0].call("labels:save", { last: true });
	await watching.until(() => watching.broadcasts.at(-1)?.seq === seq, "the last event");
	gapless(watching);
	assert.ok(
		answers.some((a) => /unknown|may|not known|uncertain/i.test(a.error)),
		`no error says that the outcome is unknown: ${answers[0].error}`,
	);
});

test("backends killed one by one", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	const stops = clients.map((client, i) => keepWriting(client, `k${i}`));
	for (let round = 0; round < 6; round++) {
		const before = clients[0].answers.length;
		server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'craft_daemon'");
		await clients[0].until(() => clients[0].answers.length > before + 20, "more answers");
	}
	for (const client of clients) await recovered(client);
	const outcomes = await Promise.all(stops.map((stop) => stop()));
	for (const [i, outcome] of outcomes.entries()) await nothingLost(slug, `k${i}`, outcome);
	// LISTEN is back as well: an event from the other bridge comes faster than by the sweep, as one of a DBA does.
	const psql = server.openPsql();
	t.after(() => psql.end());
	const saved = (save) => async () => {
		const count = clients[1].broadcasts.length;
		await save();
		await clients[1].waitFor(count + 1);
	};
	await comesSooner(saved(() => clients[0].ok("labels:save", {})), saved(() => psql.write(`select api.labels_save('${slug}', '{}');`)), "hints don't arrive");
	for (const path of ["/sessions", "/labels"]) assert.equal((await server.request(`/workspace/${slug}${path}`)).status, 200);
});

test("a read that a DBA cancels is tried again: those who wait for it miss nothing", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	await clients[0].ok("labels:save", { n: 0 });
	await clients[1].waitFor(1);
	const [[id, seq]] = server.psql(`select id, seq from app.workspace where slug = '${slug}'`);
	const lock = await holding(server, "lock table app.change_log in access exclusive mode");
	// A hint of something new: both bridges look for it, and can't.
	server.psql(`select api.announce_heads('${id}:${Number(seq) + 1}')`);
	const cancelled = new Set();
	await waitFor(() => {
		// What else of a bridge waits there stands in the way of its reading.
		for (const [pid, query] of server.psql("select pid, query from pg_stat_activity where wait_event_type = 'Lock'")) {
			server.psql(`select pg_cancel_backend(${pid})`);
			if (query.includes("api.changes")) cancelled.add(pid);
		}
		return cancelled.size === 2;
	}, { what: "both bridges to be cancelled" });
	await lock.end();
	// Each bridge's client hears what the other's does.
	for (const [writer, listener] of [clients, [...clients].reverse()]) {
		const count = listener.broadcasts.length;
		await writer.ok("labels:save", { n: count });
		await listener.waitFor(count + 1);
	}
	for (const client of clients) gapless(client);
});

test("a stored header that is no object, which nobody can store any more, is a value like others", async (t) => {
	const slug = slugOf();
	const [client, listener] = await room(t, slug);
	await client.ok("session:create", { id: "good" });
	const headers = ["[1,2]", '"x"', "5", "null", "[[],{}]"];
	for (const header of headers)
		assert.throws(() => server.psql(`select api.session_create('${slug}', 'bad', '${header}')`), /session_header_is_object/, header);
	server.psql("alter table app.session drop constraint session_header_is_object");
	for (const [i, header] of headers.entries()) {
		server.psql(`select api.session_create('${slug}', 's${i}', '${header}')`);
		const answer = await client.call("session:updateMeta", { sessionId: `s${i}`, updates: { n: i } });
		assert.equal(answer.error, undefined, header);
		assert.equal(answer.data.n, i);
		server.psql(`select api.session_create('${slug}', 't${i}', '${header}')`);
		assert.equal((await client.call("session:updateSdkId", { sessionId: `t${i}`, sdkSessionId: "x" })).error, undefined, header);
		assert.equal((await server.request(`/workspace/${slug}/sessions/s${i}`)).json.n, i);
	}
	await client.ok("session:updateMeta", { sessionId: "good", updates: { still: true } });
	await waitFor(() => listener.broadcasts.at(-1)?.event.data.still, { what: "the last change" });
	server.psql("alter table app.session add constraint session_header_is_object check (json_typeof(header) = 'object') not valid");
});

// Last: this bridge does not come back.
test("a bridge that is told to go closes with 1012 and loses nothing; clients go on elsewhere", async (t) => {
	const slug = slugOf();
	const clients = await room(t, slug);
	const idle = [];
	for (let n = 0; n < 20; n++) idle.push(await connect(server, slug, { bridge: 0 }));
	t.after(() => idle.forEach((c) => c.kill()));
	const calls = range(0, 400).map((n) => clients[0].call("session:create", { id: `s${n}` }, n).catch((error) => error));
	await clients[0].until(() => clients[0].answers.length >= 50, "50 answers");
	const start = ownMs();
	server.kill("craft-ws-bridge", "SIGTERM", 0);
	for (const client of [clients[0], ...idle]) assert.equal((await within(client.closed, 10000, "the close")).code, 1012);
	assert.ok(ownMs() - start < 8000);
	const answered = (await Promise.all(calls)).filter((a) => !(a instanceof Error) && a.error === undefined);
	const headers = new Map((await server.request(`/workspace/${slug}/sessions`)).json.map((h) => [h.id, h]));
	for (const answer of answered) assert.deepEqual(headers.get(answer.data.id), answer.data);
	await waitFor(() => !alivePid(server.ready.pids["craft-ws-bridge"][0]), { what: "the bridge to end" });
	// Through nginx every new connection finds the one that is left, and misses nothing.
	const last = Math.max(...clients[0].answers.map((a) => a.seq ?? 0));
	const again = await connect(server, slug, { since: last, epoch: clients[0].hello.epoch });
	assert.equal(again.hello.resumed, true);
	await again.ok("labels:save", { again: true });
	await clients[1].until(() => clients[1].broadcasts.at(-1)?.event.entity === "labels", "the event on the other bridge");
	gapless(clients[1]);
	await again.close();
});
