// One workspace's requests that take long (here: they wait for a lock) may have all workers for once, and the reserve serves the
// others; then no more than half of them. What it asks beyond that waits without one, and all of it is answered when it can be.

import assert from "node:assert/strict";
import https from "node:https";
import { after, test } from "node:test";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let server;
after(() => server?.stop());
server = await startServer({ env: { FCGI_WORKERS: "4" } });

for (const slug of ["mine", "others"]) {
	const client = await connect(server, slug);
	await client.ok("session:save", { id: "s", header: { id: "s" }, messages: ["hello"] });
	await client.close();
}

/** Has the workspace's row locked until unlock(). */
async function lock(slug) {
	const psql = server.openPsql();
	psql.write(`begin; select 1 from app.workspace where slug = '${slug}' for update;`);
	await waitFor(() => server.psqlValue(`select count(*) from pg_stat_activity where state = 'idle in transaction' and query like '%${slug}%for update%'`) === "1", { what: "the lock" });
	return { unlock: () => psql.write("rollback;"), close: () => psql.end() };
}

/** A change; { answer } resolves with what came, `done` is set then. */
function change(slug, name) {
	const agent = new https.Agent({ rejectUnauthorized: false, maxSockets: 1 });
	const one = { done: false, agent };
	one.answer = server.request(`/workspace/${slug}/actions/rename-session`, {
		method: "POST", agent, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sessionId: "s", name }),
	}).then((answer) => {
		one.done = true;
		return answer;
	});
	return one;
}

const waiting = () => Number(server.psqlValue(`select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'craft-fcgi%'`));

test("requests that wait for a lock leave the others half of the workers", async (t) => {
	const held = await lock("mine");
	t.after(() => held.close());
	const changes = Array.from({ length: 12 }, (_, i) => change("mine", `n${i}`));
	t.after(() => changes.forEach(({ agent }) => agent.destroy()));
	await waitFor(() => waiting() >= 2, { what: "some that wait for the lock" });
	for (let i = 0; i < 40; i++) {
		assert.equal((await server.request("/workspace/others/sessions/s")).status, 200);
		assert.equal((await server.request("/workspace/others/actions/rename-session", {
			method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sessionId: "s", name: `o${i}` }),
		})).status, 200);
	}
	assert.ok(changes.filter(({ done }) => !done).length >= 8, "the lock held nobody");
	// They give up after 4 s, and by then two are long ones: no third one takes the place.
	await waitFor(() => changes.some(({ done }) => done), { what: "the first to give up" });
	await waitFor(() => waiting() === 2, { what: "two that wait for the lock" });
	held.unlock();
	const statuses = (await Promise.all(changes.map(({ answer }) => answer))).map(({ status }) => status);
	assert.deepEqual([...new Set(statuses)].filter((status) => ![200, 503].includes(status)), []);
	assert.ok(statuses.filter((status) => status === 200).length >= 8, `${statuses}`);
});

test("a client that leaves while its request waits has changed nothing", async (t) => {
	const held = await lock("mine");
	t.after(() => held.close());
	const first = Array.from({ length: 3 }, (_, i) => change("mine", `first${i}`));
	await waitFor(() => waiting() >= 2, { what: "two that wait for the lock" });
	const gone = change("mine", "gone");
	gone.answer.catch(() => {});
	// Those that wait are asked after every 20 ms.
	await new Promise((resolve) => setTimeout(resolve, 300));
	assert.equal(gone.done, false);
	gone.agent.destroy();
	await assert.rejects(gone.answer);
	held.unlock();
	for (const { answer } of first) assert.ok([200, 503].includes((await answer).status));
	assert.equal((await server.request("/workspace/mine/labels")).status, 200);
	await waitFor(() => waiting() === 0, { what: "all to be over" });
	assert.notEqual((await server.request("/workspace/mine/sessions/s")).json.name, "gone");
	first.forEach(({ agent }) => agent.destroy());
});
