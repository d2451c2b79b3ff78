// Updates that wait together go to the database as one statement: nobody may see a difference.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let server;
let counter = 0;
before(async () => {
	server = await startServer({ bridges: 2 });
	server.psql("alter database craft set track_functions = 'pl'");
	await server.restart();
});
after(() => server?.stop());

async function join(t, slug, options) {
	const client = await connect(server, slug, { since: 0, ...options });
	t.after(() => client.kill());
	return client;
}

function newSlug() {
	return `batch-${process.pid}-${++counter}`;
}

const update = (sessionId, updates, requestId) => JSON.stringify({ type: "session:updateMeta", data: { sessionId, updates }, requestId });

/** How often a function of schema api was called. The statistics are written some time after. */
function calls(name) {
	return Number(server.psqlValue(`select coalesce(sum(calls), 0) from pg_stat_user_functions where schemaname = 'api' and funcname = '${name}'`));
}

async function untilCalls(name, more) {
	for (let i = 0; calls(name) <= more; i++) {
		assert.ok(i < 200, `${name} was never called`);
		await new Promise((done) => setTimeout(done, 50));
	}
}

const sessions = async (slug) => (await server.request(`/workspace/${slug}/sessions`)).json;

test("300 updates of three sessions at once", async (t) => {
	const slug = newSlug();
	const before = calls("session_update_many");
	const writer = await join(t, slug, { bridge: 0 });
	const near = await join(t, slug, { bridge: 0 });
	const far = await join(t, slug, { bridge: 1 });
	for (const id of ["a", "b", "c"]) await writer.ok("session:create", { id });
	const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => writer.send(update("abc"[i % 3], { [`k${i}`]: i }, i))));
	const expected = { a: {}, b: {}, c: {} };
	answers.forEach((answer, i) => {
		assert.equal(answer.requestId, i);
		assert.equal(answer.seq, 4 + i);
		expected["abc"[i % 3]][`k${i}`] = i;
		const { id, createdAt, lastUsedAt, ...rest } = answer.data;
		assert.deepEqual(rest, expected[id], "each answer has what was merged until then");
	});
	for (const listener of [near, far]) {
		const events = (await listener.waitFor(303)).slice(3);
		events.forEach((e, i) => assert.deepEqual([e.seq, e.event.data], [4 + i, answers[i].data]));
	}
	for (const header of await sessions(slug)) {
		const { id, createdAt, lastUsedAt, ...rest } = header;
		assert.deepEqual(rest, expected[id]);
	}
	await untilCalls("session_update_many", before);
});

test("many workspaces in one batch", async (t) => {
	const slugs = Array.from({ length: 12 }, newSlug);
	const writers = await Promise.all(slugs.map((slug) => join(t, slug, { bridge: 0 })));
	await Promise.all(writers.map((w) => w.ok("session:create", { id: "s" })));
	const answers = await Promise.all(
		Array.from({ length: 20 }, (_, i) => writers.map((w, n) => w.send(update("s", { v: i, n }, i)))).flat(),
	);
	answers.forEach((answer, i) => {
		assert.deepEqual([answer.seq, answer.data.v, answer.data.n], [2 + Math.floor(i / 12), Math.floor(i / 12), i % 12]);
	});
	for (const [n, slug] of slugs.entries()) {
		const rows = server.psql(
			`select c.seq from app.change_log c join app.workspace w on w.id = c.workspace_id where w.slug = '${slug}' order by c.seq`,
		);
		assert.deepEqual(
			rows.map((r) => Number(r[0])),
			Array.from({ length: 21 }, (_, i) => i + 1),
			`numbers of workspace ${n}`,
		);
	}
});

test("one that fails among others", async (t) => {
	const slug = newSlug();
	const writer = await join(t, slug, { bridge: 0 });
	await writer.ok("session:create", { id: "s" });
	const answers = await Promise.all([
		...Array.from({ length: 10 }, (_, i) => writer.send(update("s", { i }, i))),
		writer.send(update("none", { x: 1 }, "bad")),
		writer.send('{"type":"session:delete","data":{"sessionId":"s"},"requestId":"gone"}'),
		writer.send(update("s", { x: 1 }, "late")),
		writer.send('{"type":"session:create","data":{"id":"s"},"requestId":"anew"}'),
		...Array.from({ length: 10 }, (_, i) => writer.send(update("s", { j: i }, i))),
	]);
	assert.equal(answers[10].error, "Session not found: none");
	assert.deepEqual(answers[11].data, { success: true });
	assert.equal(answers[12].error, "Session not found: s");
	assert.ok(answers.slice(14).every((a, i) => a.data.j === i && a.data.i === undefined), "what was deleted doesn't come back");
	assert.equal(answers.at(-1).seq, 23, "errors take no number");
});

test("two bridges and an SQL user write to one session", async (t) => {
	const slug = newSlug();
	const writers = [await join(t, slug, { bridge: 0 }), await join(t, slug, { bridge: 1 })];
	await writers[0].ok("session:create", { id: "s" });
	const waiting = writers.map((w, n) => Promise.all(Array.from({ length: 100 }, (_, i) => w.send(update("s", { [`w${n}-${i}`]: 1 }, i)))));
	for (let i = 0; i < 5; i++) {
		// As an SQL user merges: the version that was read is compared.
		server.psql(`do $$ declare b record; begin
			loop
				select * into b from api.session_header('${slug}', 's');
				begin
					perform api.session_update('${slug}', 's', (b.header::jsonb || '{"sql-${i}":1}')::json, p_base => b.version);
					exit;
				exception when sqlstate 'CA001' then
				end;
			end loop;
		end $$`);
	}
	for (const answer of (await Promise.all(waiting)).flat()) assert.equal(answer.error, undefined);
	const [header] = await sessions(slug);
	assert.equal(Object.keys(header).filter((k) => /^(w\d-\d+|sql-\d)$/.test(k)).length, 205, "nobody's key was lost");
	assert.equal(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`), "206");
});

test("requests sent again among new ones are applied once", async (t) => {
	const slug = newSlug();
	const first = await join(t, slug, { bridge: 0, client: "me" });
	await first.ok("session:create", { id: "s" });
	const texts = Array.from({ length: 40 }, (_, i) => update("s", { [`k${i}`]: i }, `again-${i}`));
	const answers = await Promise.all(texts.slice(0, 30).map((text) => first.send(text)));
	const second = await join(t, slug, { bridge: 1, client: "me" });
	const again = await Promise.all(texts.slice(10).map((text) => second.send(text)));
	assert.deepEqual(
		again.slice(0, 20).map((a) => [a.seq, a.data]),
		answers.slice(10).map((a) => [a.seq, a.data]),
		"the first answers",
	);
	assert.deepEqual(
		again.slice(20).map((a) => a.seq),
		Array.from({ length: 10 }, (_, i) => 32 + i),
		"the new ones go on",
	);
	const twice = await Promise.all([second.send(texts[0]), second.send(update("s", { other: 1 }, "again-1")), second.send(update("s", { k: 1 }, "new"))]);
	assert.equal(twice[0].seq, 2);
	assert.equal(twice[1].error, "This requestId was used for another message before");
	assert.equal(twice[2].seq, 42);
});
