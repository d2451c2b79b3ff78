// craft-sandboxd is killed or stopped and started again with sandboxes at every stage: nothing of before runs on, files and
// conversations are there, who waited is told.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { assertExpired, tasks } from "../harness/sandbox_life.mjs";
import { assertNoTraces, ownUsers, processesOf, stopDiff, tracesOf } from "../harness/sandbox_traces.mjs";
import { alive, waitFor } from "../harness/server.mjs";

const rig = await startSandboxRig({ env: { SANDBOX_CLONE_TIMEOUT: "120", ...ownUsers() } });
after(() => rig.stop());
const { server, github, anthropic } = rig;
await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
// Hangs when it is cloned.
await rig.addRepo("alice/slow", { "b.txt": "slow\n" });

const pids = () => processesOf(rig).map((text) => text.split(" ")[0]);
const restarted = /server (was|is) restart/;

/** The agent answers with how many prompts it has seen; a prompt with "hang" is never answered. */
const seen = [];
anthropic.script(({ prompts, prompt }) => {
	seen.push(prompts);
	return { text: `Answer ${prompts.length}`, ...(/hang/.test(prompt) && { hold: new Promise(() => {}) }) };
});

/** Sandboxes at each stage. */
async function allStages() {
	const all = {};
	const ready = ["quiet", "turn", "tool", "diff", "ending"];
	await Promise.all(ready.map(async (name) => { all[name] = await rig.ready("alice/notes", { params: { since: 0 } }); }));
	await all.quiet.bash("echo kept >kept; echo more >>a.txt; mkdir -p ~/x; echo home >~/x/y");
	assert.equal((await all.quiet.execute("First")).result.output, "Answer 1");
	all.turn.startTask("Please hang");
	await all.turn.wait(({ type }) => type === "stream");
	all.tool.send({ type: "tool", id: "long", name: "Bash", input: { command: "echo begun >begun; sleep 1000" } });
	await waitFor(async () => (await all.tool.bash("ls")).output.includes("begun"), { what: "the tool to begin" });
	await all.diff.bash("for i in $(seq 2000); do echo $i >f$i; done");
	await stopDiff(rig, all.diff);
	github.behave("git", "never");
	all.cloning = await rig.begin("alice/slow", { params: { since: 0 } });
	all.cloning.send({ type: "tool", id: "taken", name: "Bash", input: { command: "true" } });
	await waitFor(() => tasks(all.cloning, "taken_at is not null").flat().join() === "t", { what: "the job to be taken" });
	await waitFor(() => github.held > 0, { what: "the clone to hang" });
	// Whatever comes from here on the daemon doesn't see.
	server.kill("craft-sandboxd", "SIGSTOP");
	await all.ending.delete();
	all.early = await rig.begin("alice/notes", { params: { since: 0 } });
	all.early.send({ type: "tool", id: "waits", name: "Bash", input: { command: "cat a.txt" } });
	await waitFor(() => tasks(all.early, "kind").length === 1, { what: "the job" });
	return all;
}

async function endDaemon(signal) {
	const [daemon] = server.ready.pids["craft-sandboxd"];
	process.kill(daemon, signal);
	if (signal !== "SIGKILL") process.kill(daemon, "SIGCONT");
	await waitFor(() => !alive(daemon), { what: "its end", deadline: 7000 });
	await server.stopSandboxd();
}

for (const signal of ["SIGKILL", "SIGTERM"]) {
	test(`${signal} at every stage`, async (t) => {
		const all = await allStages();
		const old = pids(), last = Object.fromEntries(Object.entries(all).map(([name, { messages }]) => [name, messages.at(-1)?.seq]));
		assert.ok(old.length > 8);
		await endDaemon(signal);
		await waitFor(() => processesOf(rig).length === 0, { deadline: 5000, what: "all of its processes to end" }).catch(() => assert.deepEqual(processesOf(rig), []));
		for (const { sessionId } of Object.values(all))
			await waitFor(() => tracesOf(rig, sessionId).every((text) => /^(files|cgroup)/.test(text)), { what: "mounts, sockets and devices to go" })
				.catch(() => assert.deepEqual(tracesOf(rig, sessionId), []));
		// Clients that come back meanwhile.
		const back = {};
		for (const name of ["turn", "tool"])
			back[name] = await rig.connect(all[name].sessionId, { params: { since: last[name] } });
		github.behave("git", null);
		github.release();
		await server.startSandboxd();

		await t.test("a quiet one is adopted, with files and conversation", async () => {
			const { output } = await all.quiet.bash("cat kept a.txt ~/x/y; git status --porcelain; git log --oneline | wc -l");
			assert.equal(output, "kept\nhello\nmore\nhome\n M a.txt\n?? kept\n1\n");
			assert.match(await all.quiet.diff(), /\+more/);
			assert.equal((await all.quiet.execute("Second")).result.output, "Answer 2");
			assert.deepEqual(seen.at(-1), ["First", "Second"]);
		});
		await t.test("a task that ran ends with an error; the next one goes on", async () => {
			for (const client of [all.turn, back.turn])
				assert.match((await client.wait(({ type }) => type === "error")).message, restarted);
			assert.deepEqual(tasks(all.turn, "outcome"), [["host"]]);
			assert.match((await all.turn.execute("Again")).result.output, /^Answer [12]$/);
			assert.equal(back.turn.messages.filter(({ type }) => type === "error").length, 1);
		});
		await t.test("so does a tool", async () => {
			const answer = await all.tool.wait((m) => m.type === "tool_result" && m.id === "long");
			assert.equal(answer.success, false);
			assert.match(answer.error, restarted);
			assert.deepEqual(back.tool.messages.filter(({ type }) => type === "tool_result"), [], "told to who asked");
			assert.equal((await all.tool.bash("cat begun; pgrep sleep | wc -l")).output, "begun\n0\n");
		});
		await t.test("and a diff", async () => {
			assert.match((await all.diff.wait(({ type }) => type === "error")).message, restarted);
			assert.match(await all.diff.diff(), /f2000/);
		});
		await t.test("a clone begins anew", async () => {
			const answer = await all.cloning.wait((m) => m.type === "tool_result" && m.id === "taken");
			assert.match(answer.error, restarted);
			await all.cloning.waitStatus("ready");
			assert.equal((await all.cloning.bash("cat b.txt")).output, "slow\n");
		});
		await t.test("what ended is removed, what waited for a host is made", async () => {
			await assertExpired(all.ending);
			await assertNoTraces(rig, all.ending.sessionId);
			const answer = await all.early.wait((m) => m.type === "tool_result" && m.id === "waits");
			// Stopped in good order it may have taken the request when it was woken.
			if (!answer.success && signal === "SIGTERM") assert.match(answer.error, restarted);
			else assert.equal(answer.output, "hello\n");
			await all.early.waitStatus("ready");
			assert.equal((await all.early.bash("cat a.txt")).output, "hello\n");
		});
		assert.deepEqual(pids().filter((pid) => old.includes(pid)), []);
		for (const client of Object.values(all)) await client.delete();
		for (const client of Object.values(all)) {
			await assertNoTraces(rig, client.sessionId);
			const numbers = client.messages.map(({ seq }) => seq);
			assert.deepEqual(numbers, numbers.map((_, i) => i + 1), "no message is missing or comes twice");
		}
		await waitFor(() => processesOf(rig).length === 0, { what: "the last process to go" });
	});
}

test("killed again and again", async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	for (let i = 0; i < 3; i++) {
		await client.bash(`echo ${i} >>count`);
		client.startTask("Please hang");
		await client.wait(({ type }) => type === "stream", { from: client.messages.length });
		const from = client.messages.length;
		const [daemon] = server.ready.pids["craft-sandboxd"];
		process.kill(daemon, "SIGKILL");
		await server.stopSandboxd();
		await server.startSandboxd();
		assert.match((await client.wait(({ type }) => type === "error", { from })).message, restarted);
	}
	assert.equal((await client.bash("cat count")).output, "0\n1\n2\n");
	await client.delete();
	await assertNoTraces(rig, client.sessionId, { alone: true });
});
