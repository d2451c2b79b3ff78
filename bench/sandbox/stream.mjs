// stream.mjs: lines of an agent on their way through the whole chain: how many in a second, and how long each takes.
// The agent is bench/talker, which says as many as it is told to.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import { BUILD, createTimed, figure, limit, note, now, percentile, program, remove, spread, withCpu, withRig }
	from "./rig.mjs";

const LINES = 100_000;
const BYTES = 250;
const SLOW_LINES = 400;
const SLOW_US = 5000;
const BATCH = 500;
const TALKER = path.join(BUILD, "bench/talker");

const order = (count, us) => `talk ${count} ${BYTES} ${us}`;

// Those of the talker's lines that are numbered, each with the time since it was said.
function latencies(lines) {
	return lines.map(({ text, at }) => ({ ...JSON.parse(text), at })).filter(({ n }) => n !== undefined)
		.map(({ n, us, at }, i) => {
			assert.equal(n, i, "a line is missing");
			return at - us / 1000;
		});
}

// ---- through the chain ----

async function said(client, count, us) {
	const begin = now();
	const { messages } = await client.timeTask(order(count, us));
	const lines = messages.filter(({ type }) => type === "stream").map(({ data, at }) => ({ text: data, at }));
	const times = latencies(lines);
	assert.equal(times.length, count);
	return { times, ms: lines.at(-1).at - begin };
}

// ---- what could be at best ----

async function bareRate() {
	const begin = now();
	const child = spawn("/bin/sh", ["-c", '"$0" | cat >/dev/null', TALKER], { stdio: ["pipe", "ignore", "inherit"] });
	child.stdin.end(`${order(LINES, 0)}\n`);
	assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
	return LINES * 1000 / (now() - begin);
}

async function bareLatencies() {
	const child = spawn(TALKER, [], { stdio: ["pipe", "pipe", "inherit"] });
	const lines = [];
	readline.createInterface({ input: child.stdout }).on("line", (text) => lines.push({ text, at: now() }));
	child.stdin.end(`${order(SLOW_LINES, SLOW_US)}\n`);
	await new Promise((resolve) => child.on("close", resolve));
	return latencies(lines);
}

/** Rows per second that api.sandbox_append() stores, from one connection and made up by the server itself. */
function storedRate({ server }) {
	const host = "00000000-0000-4000-8000-000000000001", session = "00000000-0000-4000-8000-000000000002";
	const body = JSON.stringify({ type: "stream", data: "x".repeat(BYTES + 60) });
	const count = LINES / BATCH;
	server.psql(`insert into app.sandbox_host (id, name, version, capacity, protection)
		values ('${host}', 'bench', '0', 0, '');
		insert into app.sandbox_session
			(id, workspace_id, sandbox_id, repo_key, branch, status, host_id, claimed_at, expires_at)
		select '${session}', id, '${session}', 'bench/bench', 'main', 'ready', '${host}', now(), now() + '1 day'
		from app.workspace limit 1`);
	const [[ms]] = server.psql(`create function pg_temp.store() returns void language plpgsql as $$ begin
			for i in 0 .. ${count - 1} loop
				perform api.sandbox_append('${host}', '${session}', i * ${BATCH}::bigint,
					array_fill(''::text, array[${BATCH}]), array_fill('${body}'::text, array[${BATCH}]));
			end loop; end $$;
		with begun as materialized (select clock_timestamp() as at),
			stored as materialized (select pg_temp.store() from begun)
		select extract(epoch from clock_timestamp() - begun.at) * 1000 from begun, stored`);
	server.psql(`delete from app.sandbox_message where session_id = '${session}';
		delete from app.sandbox_session where id = '${session}'; delete from app.sandbox_host where id = '${host}'`);
	return LINES * 1000 / Number(ms);
}

function linesPerCommit({ server }, { sessionId }) {
	return server.psqlValue(`select count(*) / count(distinct xmin::text) from app.sandbox_message
		where session_id = '${sessionId}'`);
}

export const run = () => withRig({ env: { SANDBOX_AGENT: TALKER } }, async (rig) => {
	await rig.addRepo("alice/small");
	const { client } = await createTimed(rig, "alice/small");
	await said(client, 1000, 0);
	limit("sandbox-stream", await bareRate());
	limit("sandbox-stream-rows", storedRate(rig));
	const { ms } = await withCpu(rig, `${LINES} lines`, () => said(client, LINES, 0));
	figure("sandbox-stream", LINES * 1000 / ms);
	figure("sandbox-stream-rows", LINES * 1000 / ms);
	note(`lines of a commit: ${linesPerCommit(rig, client)}`);
	const bare = await bareLatencies(), { times } = await said(client, SLOW_LINES, SLOW_US);
	figure("sandbox-line", percentile(times, 0.5) - percentile(bare, 0.5));
	figure("sandbox-line-p95", percentile(times, 0.95) - percentile(bare, 0.95));
	const disk = await program("fdatasync", rig.server.dir);
	note(`a line in ms: ${spread(times)}, by a pipe ${spread(bare)}; fdatasync ${disk.p50_ms}`);
	await remove(rig, client);
});
