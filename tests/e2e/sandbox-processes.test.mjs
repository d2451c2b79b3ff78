// Many processes in a box: room is kept for the agent and for one more command, a call for which there is none is told so at once, and
// cancelling a call ends all that came from it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const PIDS = 256;
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_PIDS: String(PIDS) } });
	await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
	sandbox = await rig.ready("alice/notes");
});

after(() => rig?.stop());

const count = () => rig.daemonProcesses().filter(({ cmdline }) => /sleep\0?.?10[0-9]|bomb/.test(cmdline)).length;
const LONG = 600_000;

test("a fork bomb that was started in the background leaves room for the agent and for more commands", async () => {
	const started = await sandbox.bash("bomb() { bomb | bomb & }; (bomb) >/dev/null 2>&1 & sleep 1; echo left", { timeout: LONG, deadline: 120_000 });
	assert.equal(started.output.split("\n").at(-2) ?? started.output, "left");
	const result = await sandbox.bash("ls | wc -l; cat /proc/[0-9]*/stat 2>/dev/null | wc -l", { timeout: LONG, deadline: 120_000 });
	assert.match(result.output, /^1\n\d+\n$/);
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "echo from the agent | tr a-z A-Z >said.txt; echo ok" } }] }, { text: "Said" }]);
	const { result: said } = await sandbox.execute("Say it", { deadline: 180_000 });
	assert.equal(said.success, true, JSON.stringify(said));
	assert.match(said.diff, /\+FROM THE AGENT/);
	// And it can be ended.
	await waitFor(async () => (await sandbox.tool("Bash", { command: "kill -9 -1" }, { deadline: 120_000 })) && Number((await sandbox.bash("ls -d /proc/[0-9]* | wc -l", { timeout: LONG, deadline: 120_000 })).output) < 40,
		{ deadline: 240_000, what: "the end of the bomb" });
	assert.equal((await sandbox.bash("cat said.txt")).output, "FROM THE AGENT\n");
});

test("a call for which there is no room is told so at once; cancelling what takes it ends all of it", async () => {
	const from = sandbox.messages.length;
	const full = sandbox.tool("Bash", { command: "echo begun; for i in $(seq 400); do if ((i % 2)); then sleep 1001 & else setsid -f sleep 1002; fi; done 2>/dev/null; sleep 1003", timeout: LONG },
		{ id: "full", deadline: 240_000 });
	await waitFor(() => count() > PIDS / 2 || sandbox.messages.slice(from).find((m) => m.id === "full"), { deadline: 120_000, what: "the box to be full" });
	let refused;
	await waitFor(async () => {
		refused = await sandbox.tool("Bash", { command: "ls | cat", timeout: LONG }, { deadline: 120_000 });
		return !refused.success;
	}, { deadline: 120_000, what: "a call for which there is no room" });
	assert.match(refused.error, /too many processes run in the sandbox \(SANDBOX_PIDS\); cancel what runs, or end what was left in the background/);
	assert.equal(refused.exitCode, 126);
	sandbox.send({ type: "cancel", id: "full" });
	const ended = await full;
	assert.deepEqual([ended.success, ended.error], [false, "Cancelled"]);
	await waitFor(() => count() === 0, { deadline: 30_000, what: "all of it to be ended" });
	assert.equal((await sandbox.bash("ls | cat")).output, "a.txt\nsaid.txt\n");
	assert.equal((await sandbox.session()).status, "ready");
});

// Each of its processes makes two more as soon as there is room for them.
const BOMB = "bomb() { bomb | bomb; }; while :; do bomb; done 2>/dev/null";
const bombs = () => rig.daemonProcesses().filter(({ cmdline }) => cmdline.includes("bomb")).length;
const full = () => waitFor(async () => bombs() > PIDS / 3 && !(await sandbox.tool("Bash", { command: "ls | cat", timeout: LONG }, { deadline: 120_000 })).success,
	{ deadline: 120_000, what: "the box to be full" });
/** What the last tool of a task gave. */
const lastResult = (lines) => lines.filter(({ type }) => type === "user").flatMap(({ message }) => message.content)
	.filter(({ type }) => type === "tool_result").map(({ content }) => JSON.stringify(content)).at(-1);

test("a fork bomb in the foreground leaves the agent its room: a task begins, is told what is wrong, and ends", async () => {
	const bomb = sandbox.tool("Bash", { command: BOMB, timeout: LONG }, { id: "bomb", deadline: 300_000 });
	await full();
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "ls | cat" } }] }, { text: "Tried" }]);
	const { result, lines } = await sandbox.execute("Try it", { deadline: 240_000 });
	assert.deepEqual([result.success, result.output], [true, "Tried"], JSON.stringify(result));
	assert.match(lastResult(lines), /too many processes run in the sandbox \(SANDBOX_PIDS\)/);
	assert.ok(bombs() > PIDS / 3, "it still runs");
	sandbox.send({ type: "cancel", id: "bomb" });
	assert.equal((await bomb).error, "Cancelled");
	await waitFor(() => bombs() === 0, { deadline: 60_000, what: "all of it to be ended" });
	assert.equal((await sandbox.bash("echo a | cat")).output, "a\n");
});

test("a fork bomb of the agent's leaves room for it and for tools; cancelling the task ends all of it, and nothing older", async () => {
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "setsid -f sleep 1007 </dev/null >/dev/null 2>&1" } }] }, { text: "Left" }]);
	assert.equal((await sandbox.execute("Leave it", { deadline: 180_000 })).result.success, true);
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: BOMB, timeout: LONG } }] }, { text: "Never" }]);
	const task = sandbox.execute("Bomb", { deadline: 300_000 });
	await waitFor(() => bombs() > PIDS / 3, { deadline: 120_000, what: "the bomb" });
	assert.equal((await sandbox.bash("echo still here | cat", { timeout: LONG, deadline: 120_000 })).output, "still here\n");
	sandbox.send({ type: "cancel" });
	const { result } = await task;
	assert.deepEqual([result.success, /cancelled/.test(result.output)], [false, true], JSON.stringify(result));
	await waitFor(() => bombs() === 0, { deadline: 60_000, what: "all of it to be ended" });
	assert.equal(count(), 1, "what an earlier task left");
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "pkill sleep; echo again | tr a-z A-Z" } }] }, { text: "Done" }]);
	assert.match(lastResult((await sandbox.execute("Go on", { deadline: 180_000 })).lines), /AGAIN/);
});

test("what the agent left in the background makes way for its commands", async () => {
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: `setsid -f bash -c '${BOMB}' </dev/null >/dev/null 2>&1; sleep 2` } }] },
		{ tools: [{ name: "Bash", input: { command: "echo room | tr a-z A-Z" } }] }, { text: "Done" }]);
	const { result, lines } = await sandbox.execute("Leave a bomb", { deadline: 240_000 });
	assert.equal(result.output, "Done", JSON.stringify(result));
	assert.match(lastResult(lines), /ROOM/);
	assert.equal((await sandbox.bash("echo b | cat", { timeout: LONG, deadline: 120_000 })).output, "b\n");
	await waitFor(async () => (await sandbox.tool("Bash", { command: "kill -9 -1" }, { deadline: 120_000 })) && bombs() === 0, { deadline: 240_000, what: "the end of the bomb" });
});

test("what a call leaves behind is bounded, and lives on", async () => {
	await sandbox.bash("for i in $(seq 30); do sleep 1004 & done; setsid -f sleep 1005");
	assert.equal(count(), 31);
	const limits = await sandbox.bash("for pid in $(pgrep -xf 'sleep 100[45]'); do grep 'Max processes' /proc/$pid/limits; done | sort -u; grep 'Max processes' /proc/self/limits; ps -o ni= -C sleep | sort -u");
	const [left, own] = [PIDS - 6 * PIDS / 16, PIDS - 3 * PIDS / 16];
	assert.match(limits.output, new RegExp(`^Max processes +${left} +${left} .*\\nMax processes +${own} +${own} .*\\n +0\\n$`));
	await sandbox.bash("pkill sleep");
	await waitFor(() => count() === 0, { what: "their end" });
});
