// Bytes of requests to sandboxes: how many may wait, of one sandbox, of a workspace and of all; and in which order a host takes them.
// The host is played through SQL.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openSandbox, place, PlayedHost, range } from "../harness/sandbox_stream.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const MB = 1 << 20;
const server = await startServer({ env: { SANDBOX_JOB_BYTES: "4M", SANDBOX_ALL_JOB_BYTES: "10M", WS_MAX_MESSAGE: "4M" } });
after(() => server.stop());
const host = await PlayedHost.alone(server);

const write = (id, bytes) => ({ type: "tool", id, name: "Write", input: { file_path: "f", content: "x".repeat(bytes) } });
const open = (sessions) => Number(server.psqlValue(`select count(*) from app.sandbox_job where ended_at is null and session_id in (${sessions.map((s) => `'${s}'`).join()})`));
const jobs = (again = false, bytes = "null") => server.psql(`select job, session, coalesce(tool_id, ''), length(payload) from api.host_jobs('${host.id}', 1000, ${again}, ${bytes})`);
const read = (job) => server.psqlValue(`select api.host_job_read('${host.id}', ${job})`);
const refusedBy = (what, key, bytes) => `The requests under way in ${what} hold too many bytes (${key}: ${bytes}); wait until they have begun, or cancel some`;

test("of one sandbox: beyond it an error that names the limit; what was read counts no more", async (t) => {
	const { session, open: connect } = place(t, host);
	const client = await connect();
	for (const id of range(3)) client.send(write(id, 1.2 * MB));
	await waitFor(() => open([session]) === 3, { what: "three to be stored" });
	const answer = await client.call(write(4, 1.2 * MB));
	const text = refusedBy("this sandbox", "SANDBOX_JOB_BYTES", 4 * MB);
	assert.deepEqual(JSON.parse(answer.raw), { type: "tool_result", id: 4, success: false, error: text, message: text });
	assert.equal((await client.call({ type: "execute", task: "x", context: "y".repeat(2 * MB) })).message, text);
	// Small ones, and what ends the others, go on.
	client.send({ type: "tool", id: "small", name: "Bash", input: { command: "true" } });
	client.send({ type: "cancel", id: 1 });
	await waitFor(() => open([session]) === 5, { what: "the small ones" });
	const taken = jobs().filter((job) => job[1] === session);
	assert.deepEqual(taken.map((job) => job[2]), ["1", "2", "3", '"small"', "1"]);
	assert.match((await client.call(write(5, 1.2 * MB))).error, /SANDBOX_JOB_BYTES/, "taken isn't read");
	assert.equal(read(taken[0][0]), "t");
	assert.equal(read(taken[0][0]), "f");
	assert.deepEqual(server.psql(`select payload is null, ended_at is null, bytes_in > 1000000 from app.sandbox_job where id = ${taken[0][0]}`), [["t", "t", "t"]]);
	client.send(write(6, 1.2 * MB));
	await waitFor(() => open([session]) === 6, { what: "one more" });
	assert.deepEqual(jobs(true).filter((job) => job[1] === session).map((job) => [job[2], job[3] !== ""]), [["1", false], ["2", true], ["3", true], ['"small"', true], ["1", true], ["6", true]]);
	for (const [job] of jobs(true)) host.ended({ job });
	await waitFor(() => /limits:.* job_bytes=/.test(server.logs("craft-ws-bridge")), { deadline: 15_000, what: "the counter in the log" });
});

test("of a workspace half of all, and of all", async (t) => {
	const [mine, theirs] = [place(t, host), place(t, host)];
	const second = host.sandbox(mine.slug);
	const clients = [await mine.open(), await openSandbox(server, mine.slug, second)];
	t.after(() => clients[1].kill());
	for (const id of range(3)) clients[0].send(write(id, 1.2 * MB));
	clients[1].send(write(4, 1.2 * MB));
	await waitFor(() => open([mine.session, second]) === 4, { what: "four to be stored" });
	assert.equal((await clients[1].call(write(5, 1.2 * MB))).error, refusedBy("this workspace", "SANDBOX_ALL_JOB_BYTES, of which a workspace gets half", 10 * MB));
	// The others have theirs.
	const other = await theirs.open();
	for (const id of range(3)) other.send(write(id, 1.2 * MB));
	await waitFor(() => open([theirs.session]) === 3, { what: "the others'" });
	const third = place(t, host);
	const last = await third.open();
	last.send(write(1, 1.2 * MB));
	await waitFor(() => open([third.session]) === 1);
	assert.equal((await last.call(write(2, 1.2 * MB))).error, refusedBy("all sandboxes together", "SANDBOX_ALL_JOB_BYTES", 10 * MB));
	for (const [job] of jobs(true)) host.ended({ job });
	last.send(write(3, 1.2 * MB));
	await waitFor(() => open([third.session]) === 1, { what: "room again" });
	for (const [job] of jobs(true)) host.ended({ job });
});

test("a host takes a part at a time, and nobody's small one waits behind another's big ones", async (t) => {
	const [noisy, neighbour] = [place(t, host), place(t, host)];
	const clients = [await noisy.open(), await neighbour.open()];
	for (const id of range(4)) clients[0].send(write(id, 0.9 * MB));
	await waitFor(() => open([noisy.session]) === 4);
	clients[1].send({ type: "tool", id: "a", name: "Bash", input: { command: "true" } });
	clients[1].send({ type: "tool", id: "b", name: "Bash", input: { command: "true" } });
	await waitFor(() => open([neighbour.session]) === 2);
	const rounds = [];
	for (let taken; (taken = jobs(false, 500_000)).length;) rounds.push(taken.map((job) => job[2]));
	const place_ = (id) => rounds.findIndex((round) => round.includes(id));
	assert.ok(place_('"a"') <= 1 && place_('"b"') <= 1, JSON.stringify(rounds));
	assert.ok([1, 2, 3, 4].every((n) => n === 1 || place_(String(n)) >= place_(String(n - 1))), JSON.stringify(rounds));
	assert.ok(rounds.length >= 4, "a part at a time");
	for (const [job] of jobs(true)) host.ended({ job });
});

test("what a host took and doesn't know waits again, and comes in portions; what it knows doesn't", async (t) => {
	const { session, open: connect } = place(t, host);
	const client = await connect();
	for (const id of range(3)) client.send(write(id, 1.2 * MB));
	await waitFor(() => open([session]) === 3, { what: "three to be stored" });
	const mine = () => jobs(false, String(MB)).filter((job) => job[1] === session);
	const first = mine();
	assert.equal(first.length, 1, "one is a portion");
	while (mine().length);
	const known = (ids) => server.psqlValue(`select api.host_jobs_known('${host.id}', array[${ids.join()}]::bigint[])`);
	assert.equal(known(server.psql(`select id from app.sandbox_job where ended_at is null`).map(([id]) => id)), "0");
	assert.deepEqual(mine(), []);
	assert.equal(known([first[0][0]]), "2");
	const again = [];
	for (let some; (some = mine()).length;) {
		assert.equal(some.length, 1, "a portion");
		again.push(...some);
	}
	assert.deepEqual(again.map((job) => job[2]), ["2", "3"]);
	assert.deepEqual(mine(), []);
	// Only what is open, and its own.
	for (const [job] of jobs(true)) host.ended({ job });
	assert.equal(known([]), "0");
	assert.equal(server.psqlValue("select api.host_jobs_known(gen_random_uuid(), '{}')"), "0");
});
