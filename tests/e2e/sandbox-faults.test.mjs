// Parts of a running sandbox are killed, the database goes and comes back, a bridge dies: clients get clear answers, all goes
// on, no message is lost or comes twice.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { gate, tasks } from "../harness/sandbox_life.mjs";
import { openSandbox } from "../harness/sandbox_stream.mjs";
import { assertNoTraces, ownUsers } from "../harness/sandbox_traces.mjs";
import { alive, waitFor } from "../harness/server.mjs";

const rig = await startSandboxRig({ bridges: 2, env: { ...ownUsers() } });
after(() => rig.stop());
const { server, anthropic } = rig;
await rig.addRepo("alice/notes", { "a.txt": "hello\n" });

const client = await rig.ready("alice/notes", { params: { since: 0 } });
const agents = () => rig.daemonProcesses().filter(({ cmdline }) => cmdline.startsWith("/opt/agent/claude"));
const boxes = () => rig.daemonProcesses().filter(({ comm }) => comm === "bwrap");
const gateways = () => rig.daemonProcesses().filter(({ cmdline }) => /craft-sandbox-gateway/.test(cmdline));

const seen = [];
/** The next turn hangs until it is opened. */
function hold(text = "Late.") {
	const held = gate();
	anthropic.script(({ prompts }) => {
		seen.push(prompts);
		return { text, hold: held.promise };
	});
	return held;
}

async function startHeldTask(task) {
	const from = client.messages.length, held = hold();
	client.startTask(task);
	await client.wait(({ type }) => type === "stream", { from });
	return { from, held };
}

function answerAtOnce() {
	anthropic.script(({ prompts }) => {
		seen.push(prompts);
		return { text: "Done." };
	});
}

function assertWhole({ messages }, first = 1) {
	const numbers = messages.map(({ seq }) => seq);
	assert.deepEqual(numbers, numbers.map((_, i) => i + first));
}

// ---- processes ----

test("the process of a tool is killed", async () => {
	const tool = client.bash("echo begun; exec sleep 997", { fails: true });
	const found = await waitFor(() => rig.daemonProcesses().find(({ cmdline }) => cmdline.startsWith("sleep 997")), { what: "it to run" });
	process.kill(found.pid, "SIGKILL");
	const { success, exitCode, output } = await tool;
	assert.deepEqual([success, exitCode, output], [false, 137, "begun\n"]);
});

test("the agent is killed in a turn: the task fails and says so, the next one goes on", async () => {
	answerAtOnce();
	assert.equal((await client.execute("One")).complete.exitCode, 0);
	const { from, held } = await startHeldTask("Two");
	for (const { pid } of agents()) process.kill(pid, "SIGKILL");
	const { result, complete } = await client.taskEnd({ from });
	assert.deepEqual([result.success, complete.exitCode], [false, 137]);
	assert.match(result.output, /Claude Code ended in the middle of the task, exit code 137/);
	held.open();
	answerAtOnce();
	assert.equal((await client.execute("Three")).complete.exitCode, 0);
	assert.ok(seen.at(-1).includes("One"), "it remembers");
	assert.deepEqual(tasks(client, "kind, outcome, exit_code").filter(([kind]) => kind === "execute").map((row) => row.slice(1)),
		[["success", "0"], ["failure", "137"], ["success", "0"]]);
});

test("the box is killed with all that runs in it", async () => {
	await client.bash("echo kept >kept");
	const { from, held } = await startHeldTask("Four");
	const tool = client.bash("sleep 996", { fails: true });
	await waitFor(() => rig.daemonProcesses().some(({ cmdline }) => cmdline.startsWith("sleep 996")), { what: "it to run" });
	for (const { pid } of boxes()) if (alive(pid)) process.kill(pid, "SIGKILL");
	const answer = await tool;
	assert.equal(answer.success, false);
	assert.ok(answer.error);
	const { result, complete } = await client.taskEnd({ from });
	assert.equal(result.success, false);
	assert.notEqual(complete.exitCode, 0);
	held.open();
	answerAtOnce();
	assert.equal((await client.bash("cat kept; pgrep sleep | wc -l")).output, "kept\n0\n");
	assert.equal((await client.execute("Five")).complete.exitCode, 0);
	assert.ok(seen.at(-1).includes("One"), "it remembers");
});

test("the gateway is killed: the next task has one again", async () => {
	const before = gateways().map(({ pid }) => pid);
	assert.equal(before.length, 1);
	process.kill(before[0], "SIGKILL");
	await waitFor(() => gateways().some(({ pid }) => !before.includes(pid)), { what: "another gateway" });
	assert.equal((await client.execute("Six")).complete.exitCode, 0);
	assert.equal((await client.bash("git fetch origin main 2>&1; echo $?")).output.trim().split("\n").at(-1), "0");
});

// ---- the database ----

const STEPS = 24;

/** A task of many small steps: each is a line of the agent and one in the file `ran`. */
function scriptSteps(name) {
	const steps = Array.from({ length: STEPS }, (_, i) => ({ text: `${name} piece ${i}.`,
		tools: [{ name: "Bash", input: { command: `echo ${name} ${i} >>ran; sleep 0.1` } }] }));
	anthropic.script([...steps, { text: `${name} is done.` }]);
}

const pieces = (name, messages) => messages.filter(({ type }) => type === "stream").map(({ data }) => JSON.parse(data))
	.filter(({ type }) => type === "assistant").flatMap(({ message }) => message.content)
	.filter(({ type, text }) => type === "text" && text.startsWith(name)).map(({ text }) => text);

async function assertSteps(name, messages) {
	assert.deepEqual(pieces(name, messages), [...Array.from({ length: STEPS }, (_, i) => `${name} piece ${i}.`), `${name} is done.`]);
	const { output } = await client.bash(`grep -c . ran; grep '^${name} ' ran | sort -u | wc -l; rm ran`);
	assert.equal(output, `${STEPS}\n${STEPS}\n`, "each step ran once");
}

const firstPieces = (name, from) => waitFor(() => pieces(name, client.messages.slice(from)).length >= 3, { deadline: 30_000, what: "the first pieces" });

async function killDatabase() {
	for (const pid of server.ready.pids.postgres) process.kill(pid, "SIGKILL");
	await server.stopDatabase();
}

test("requests that a host was handed when its connection broke are handed over once more, and run once", async () => {
	const [daemon] = server.ready.pids["craft-sandboxd"], ids = [1, 2, 3, 4, 5].map((i) => `lost ${i}`), from = client.messages.length;
	process.kill(daemon, "SIGSTOP");
	try {
		for (const id of ids) client.send({ type: "tool", id, name: "Bash", input: { command: `echo ${id} >>lost` } });
		await waitFor(() => server.psqlValue("select count(*) from app.sandbox_job where ended_at is null and tool_id like '%lost%'") === "5", { what: "them to be stored" });
		server.psql("update app.sandbox_job set taken_at = clock_timestamp() where ended_at is null");
		server.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'craft-sandboxd'");
	} finally {
		process.kill(daemon, "SIGCONT");
	}
	for (const id of ids) assert.equal((await client.wait((m) => m.type === "tool_result" && m.id === id, { from, what: id })).success, true);
	assert.equal((await client.bash("sort lost; rm lost")).output, ids.map((id) => `${id}\n`).join(""));
});

for (const [name, stop] of Object.entries({ Stopped: () => server.stopDatabase(), Killed: killDatabase })) {
	test(`PostgreSQL, ${name.toLowerCase()} and started again while a task streams`, async () => {
		const from = client.messages.length;
		scriptSteps(name);
		client.startTask("Go");
		await firstPieces(name, from);
		// It ends while the database is away: its answer waits, and it isn't run again.
		client.send({ type: "tool", id: name, name: "Bash", input: { command: `echo once >>tool-${name}; sleep 1; echo ran` } });
		await waitFor(() => tasks(client, "taken_at is not null").at(-1)[0] === "t", { what: "the tool to be taken" });
		await stop();
		await waitFor(() => !rig.daemonProcesses().some(({ cmdline }) => cmdline.includes(`tool-${name}`)), { what: "the tool to end" });
		await server.startDatabase();
		const { complete } = await client.taskEnd({ from });
		assert.equal(complete.exitCode, 0);
		const results = () => client.messages.filter((m) => m.type === "tool_result" && m.id === name);
		await waitFor(() => results().length > 0, { what: "its result" });
		await assertSteps(name, client.messages.slice(from));
		assert.deepEqual(results().map(({ output }) => output), ["ran\n"]);
		assert.equal((await client.bash(`cat tool-${name}`)).output, "once\n");
		assertWhole(client);
		assert.deepEqual(tasks(client, "ended_at is not null").flat().filter((ended) => ended !== "t"), []);
	});
}

// ---- a bridge ----

test("a bridge is killed while a task streams: with since= nothing is missing", async () => {
	const first = await openSandbox(server, rig.slug, client.sessionId, { since: client.messages.at(-1).seq, bridge: 0 });
	scriptSteps("Bridge");
	first.send({ type: "execute", task: "Go", anthropicApiKey: rig.sealedKey() });
	await waitFor(() => pieces("Bridge", first.messages).length >= 3, { deadline: 30_000, what: "the first pieces" });
	server.kill("craft-ws-bridge", "SIGKILL", 0);
	await first.closed;
	const second = await rig.connect(client.sessionId, { params: { since: first.messages.at(-1).seq } });
	assert.equal((await second.taskEnd()).complete.exitCode, 0);
	const all = [...first.messages, ...second.messages];
	assertWhole({ messages: all }, first.messages[0].seq);
	client.close();
	client.ws = second.ws;
	client.messages = second.messages;
	await assertSteps("Bridge", all);
	await client.delete();
	await assertNoTraces(rig, client.sessionId, { alone: true });
});
