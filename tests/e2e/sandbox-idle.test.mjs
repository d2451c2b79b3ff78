// The idle timers of sandboxes, and the limit of a clone: work, messages and heartbeats keep a sandbox, silence ends it.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { stretched } from "../harness/pace.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { assertExpired, gate, row, statuses, tasks } from "../harness/sandbox_life.mjs";
import { assertNoTraces, ownUsers, processesOf } from "../harness/sandbox_traces.mjs";
import { waitFor } from "../harness/server.mjs";

const IDLE = stretched(2), CLONE = stretched(2);
const rig = await startSandboxRig({ env: { SANDBOX_IDLE_TIMEOUT: String(IDLE), SANDBOX_AGENT_IDLE: String(stretched(1)), SANDBOX_CLONE_TIMEOUT: String(CLONE), ...ownUsers() } });
after(() => rig.stop());
const { github, anthropic } = rig;
await rig.addRepo("alice/notes", { "a.txt": "hello\n" });

/** Calls act every half a second until stop(); a test that fails before that may end nevertheless. */
function beating(act) {
	const timer = setInterval(() => { act()?.catch?.(() => {}); }, 500).unref();
	return { stop: () => clearInterval(timer) };
}

test("a clone that takes too long", async () => {
	github.behave("git", "never");
	const client = await rig.begin("alice/notes", { params: { since: 0 } });
	const tool = await client.tool("Bash", { command: "true" });
	assert.match(tool.error, new RegExp(`took longer than ${CLONE} s \\(SANDBOX_CLONE_TIMEOUT\\)`));
	await assertExpired(client, new RegExp(`^Cloning alice/notes took longer than ${CLONE} s`));
	assert.equal(row(client, "end_reason")[0], "clone");
	await assertNoTraces(rig, client.sessionId, { alone: true });
	github.behave("git", null);
	github.release();
});

test("work, messages and heartbeats keep a sandbox; silence ends it", async (t) => {
	const held = gate();
	anthropic.script({ text: "Late.", hold: held.promise });
	const keepers = {
		"a running tool": async (client) => {
			const tool = client.tool("Bash", { command: "until [ -e go ]; do sleep 0.1; done; echo slept" });
			return async () => {
				await client.bash("touch go");
				assert.equal((await tool).output, "slept\n");
			};
		},
		"a running task": async (client) => {
			client.startTask("Wait");
			return async () => {
				held.open();
				assert.equal((await client.taskEnd()).result.output, "Late.");
			};
		},
		pings: (client) => beating(() => client.send({ type: "ping" })).stop,
		heartbeats: (client) => beating(() => client.send({ type: "heartbeat" })).stop,
		"heartbeats by REST": (client) => beating(() => client.heartbeat()).stop,
		messages: (client) => beating(() => client.send({ type: "tool", id: 1, name: "Read", input: { file_path: "a.txt" } })).stop,
	};
	const silent = await rig.ready("alice/notes", { params: { since: 0 } });
	const readyAt = Date.now();
	const kept = Object.entries(keepers).map(async ([name, keep]) => {
		const client = await rig.begin("alice/notes", { params: { since: 0 } });
		const early = beating(() => client.heartbeat());
		await client.waitStatus("ready");
		return { name, client, early, stop: await keep(client) };
	});
	await assertExpired(silent, null, { deadline: (IDLE + 20) * 1000 });
	assert.ok(Date.now() - readyAt >= (IDLE - 1) * 1000, "not before its time");
	assert.match(silent.messages.at(-1).message, /SANDBOX_IDLE_TIMEOUT/);
	assert.deepEqual(row(silent, "status, end_reason, error is null"), ["expired", "idle", "t"]);
	await assertNoTraces(rig, silent.sessionId);
	const all = await Promise.all(kept);
	for (const { early } of all) early.stop();
	const until = Date.now() + 2 * IDLE * 1000;
	await waitFor(() => Date.now() > until, { deadline: 2 * IDLE * 1000 + 60_000, every: 100, what: "the time to pass" });
	await Promise.all(all.map(({ name, client, stop }) => t.test(name, async () => {
		assert.match((await client.session()).status, /^(ready|idle)$/, "it lives");
		await stop();
		await assertExpired(client, null, { deadline: (IDLE + 20) * 1000 });
		assert.equal(row(client, "end_reason")[0], "idle");
		assert.deepEqual([...new Set(tasks(client, "outcome").flat())].filter((outcome) => outcome !== "success"), []);
		await assertNoTraces(rig, client.sessionId);
	})));
	await waitFor(() => processesOf(rig).length === 0, { what: "the last process to go" });
});

test("an agent without work ends; the next task goes on with the conversation", async () => {
	const seen = [];
	anthropic.script(({ prompts }) => {
		seen.push(prompts);
		return { text: `Answer ${prompts.length}` };
	});
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	const agents = () => rig.daemonProcesses().filter(({ comm, cmdline }) => comm === "claude" || cmdline.includes("/opt/agent/claude -p"));
	const alive = beating(() => client.heartbeat());
	try {
		assert.equal((await client.execute("The word is apple")).result.output, "Answer 1");
		assert.ok(agents().length > 0);
		await client.waitStatus("idle");
		await waitFor(() => agents().length === 0, { what: "the agent to end" });
		assert.ok(processesOf(rig).length > 0, "the sandbox itself stays");
		assert.equal((await client.execute("Which word?")).result.output, "Answer 2");
		await client.waitStatus("idle");
		await client.bash("true");
		await client.wait(() => statuses(client).length === 6, { what: "idle, ready, idle, ready" });
		assert.deepEqual(statuses(client), ["cloning", "ready", "idle", "ready", "idle", "ready"]);
		assert.deepEqual(seen.at(-1), ["The word is apple", "Which word?"]);
		await client.waitStatus("idle");
	} finally {
		alive.stop();
	}
	await client.delete();
	await assertExpired(client);
	await assertNoTraces(rig, client.sessionId, { alone: true });
});
