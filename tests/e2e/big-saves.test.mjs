// Big saves of several workspaces: who has many of them leaves the others their turns, and whoever waits for a lane that works is
// not told that the database is away.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { range } from "../harness/hostile.mjs";
import { holding } from "../harness/housekeeping.mjs";
import { stretched } from "../harness/pace.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const server = await startServer({ env: { WS_DB_TIMEOUT: String(stretched(4000)) } });
after(() => server.stop());

const BUSY = "The database is busy, nothing was changed; try again";
let counter = 0;
const slugOf = (name) => `big-${process.pid}-${++counter}-${name}`;

// 2.5 MB: no two of them fit into a batch.
const messages = range(10_000).map((n) => ({ n, text: "m".repeat(230) }));
const small = [{ text: "s".repeat(200 << 10) }];

async function member(t, slug) {
	const client = await connect(server, slug);
	t.after(() => client.kill());
	return client;
}

const save = (client, id, list = messages) => client.call("session:save", { id, header: { id }, messages: list });

// Sends saves by some connections at once; `answered` counts.
async function flood(t, name, connections, each) {
	const slug = slugOf(name);
	const state = { slug, answered: 0, errors: [], all: connections * each };
	const clients = await Promise.all(range(connections).map(() => member(t, slug)));
	state.done = Promise.all(
		clients.flatMap((client, c) =>
			range(each).map(async (n) => {
				const { error } = await save(client, `${c}-${n}`);
				state.answered++;
				if (error) state.errors.push(error);
			}),
		),
	);
	await waitFor(() => state.answered >= 1, { what: "the first answer", deadline: 60_000 });
	return state;
}

test("a workspace with many big saves doesn't have all lanes", async (t) => {
	const other = await member(t, slugOf("other"));
	const many = await flood(t, "many", 4, 3);
	const before = many.answered;
	assert.equal((await save(other, "s", small)).error, undefined);
	// One that was under way, and one whose answer was faster than the save on its way in.
	assert.ok(many.answered - before <= 2, `${many.answered - before} saves of the other workspace came first`);
	await many.done;
	assert.deepEqual(many.errors, []);
});

test("where others have all lanes, workspaces take turns", async (t) => {
	const third = await member(t, slugOf("third"));
	const [one, two] = await Promise.all([flood(t, "one", 2, 8), flood(t, "two", 2, 8)]);
	for (const n of range(2)) {
		const before = [one, two].map((w) => w.answered);
		assert.equal((await save(third, `s${n}`, small)).error, undefined);
		const first = [one, two].map((w, i) => w.answered - before[i]);
		assert.ok(Math.min(...first) <= 2, `${first} saves of the other workspaces came first`);
	}
	assert.ok(one.answered < one.all && two.answered < two.all, "nobody had to wait");
	await Promise.all([one.done, two.done]);
	// They waited for longer than WS_DB_TIMEOUT.
	assert.deepEqual([one.errors, two.errors], [[], []]);
});

test("a lane in which nothing moves is busy, and no database is away", async (t) => {
	const [slug, otherSlug] = [slugOf("locked"), slugOf("free")];
	const [first, second, small] = await Promise.all(range(3).map(() => member(t, slug)));
	const other = await member(t, otherSlug);
	await first.ok("session:create", { id: "s" });
	await other.ok("session:create", { id: "s" });
	const lock = await holding(server, `select from app.workspace where slug = '${slug}' for update`);
	t.after(() => lock.end());
	const stuck = save(first, "s");
	await waitFor(() => Number(server.psqlValue("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%session_store%'")) > 0,
		{ what: "the save to wait for the lock" });
	const queued = save(second, "s");
	const change = small.call("session:updateMeta", { sessionId: "s", updates: { a: 1 } });
	// Others go on meanwhile, with small changes too.
	for (const n of range(3)) {
		assert.equal((await save(other, "s")).error, undefined);
		assert.equal((await other.call("session:updateMeta", { sessionId: "s", updates: { n } })).error, undefined);
	}
	assert.equal((await queued).error, BUSY);
	assert.equal((await other.call("labels:save", {})).error, undefined);
	await lock.end();
	assert.equal((await stuck).error, undefined);
	assert.equal((await change).error, undefined);
	assert.equal((await save(second, "s")).error, undefined);
});
