// The life of sandboxes: made, cloned, ready, idle, expired, as REST, the WebSocket and the DBAs' views tell it; clones that
// fail; deletion at every stage leaves nothing behind.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { ownMs, stretched } from "../harness/pace.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { assertExpired, gate, row, statuses, tasks } from "../harness/sandbox_life.mjs";
import { assertNoTraces, ownUsers, processesOf, stopDiff, tracesOf } from "../harness/sandbox_traces.mjs";
import { waitFor } from "../harness/server.mjs";

const rig = await startSandboxRig({ env: { SANDBOX_REPO_MAX: "1M", SANDBOX_CLONE_TIMEOUT: String(stretched(60)), ...ownUsers() } });
after(() => rig.stop());
const { server, github, anthropic } = rig;

await rig.addRepo("alice/notes", { "a.txt": "hello\n" });

// ---- from the beginning to the end ----

test("create answers at once, requests wait for the clone, every state is told", async () => {
	const { promise, open } = gate();
	github.behave("git", { delay: promise });
	const before = ownMs();
	const answer = await rig.create("alice/notes");
	assert.ok(ownMs() - before < 2000, `answered after ${ownMs() - before} ms`);
	assert.equal(answer.status, 200);
	const client = await rig.connect(answer.json.sessionId, { params: { since: 0 } });
	assert.match((await client.session()).status, /^(provisioning|cloning)$/);
	client.send({ type: "tool", id: "t", name: "Bash", input: { command: "cat a.txt; echo more >>a.txt" } });
	client.startTask("Say done");
	client.send({ type: "diff" });
	await client.wait(({ type }) => type === "status");
	await client.waitStatus("cloning");
	await waitFor(() => tasks(client, "taken_at is not null").flat().join() === "t,t,t", { what: "its host to take the jobs" });
	assert.deepEqual(client.messages.map(({ type }) => type), ["status"]);
	assert.deepEqual(row(client, "status, ready_at is null, commit_id is null, claimed_at is not null, end_reason is null"), ["cloning", "t", "t", "t", "t"]);
	open();
	github.behave("git", null);
	const tool = await client.wait(({ type }) => type === "tool_result");
	assert.deepEqual([tool.id, tool.success, tool.output], ["t", true, "hello\n"]);
	const { result, complete } = await client.taskEnd();
	assert.deepEqual([result.success, result.output, complete.exitCode], [true, "Done.", 0]);
	await client.wait(({ type }) => type === "diff");
	assert.deepEqual(statuses(client), ["cloning", "ready"]);
	assert.equal((await client.session()).status, "ready");
	const commit = await github.git("alice/notes", "rev-parse", "main");
	assert.deepEqual(row(client, "workspace, repo_key, branch, status, commit_id, ready_at > created_at, ended_at is null, error is null"),
		[rig.slug, "alice/notes", "main", "ready", commit, "t", "t", "t"]);
	assert.deepEqual(tasks(client, "kind, tool, outcome, exit_code, bytes_in > 0, bytes_out > 0, ended_at >= taken_at"), [
		["tool", "Bash", "success", "0", "t", "t", "t"], ["execute", "", "success", "0", "t", "t", "t"], ["diff", "", "success", "0", "t", tasks(client, "bytes_out > 0")[2][0], "t"]]);
	await client.delete();
	await assertExpired(client);
	assert.deepEqual(statuses(client), ["cloning", "ready", "expired"]);
	await assertNoTraces(rig, client.sessionId, { alone: true });
	assert.deepEqual(row(client, "status, end_reason, ended_at >= ready_at, cleaned_at >= ended_at"), ["expired", "user", "t", "t"]);
});

// ---- clones that fail ----

const failures = {
	"a credential that was revoked": { repo: "bob/revoked", login: "bob", text: /refused the stored credential for bob\/revoked: access has to be granted again/,
		prepare: () => github.revokeGrant("bob") },
	"a repository that was deleted": { repo: "alice/deleted", text: /^No access to alice\/deleted: there is no such repository on .*, or the stored credential may not read it/,
		prepare: () => github.repos.delete("alice/deleted") },
	"permission that was taken away": { repo: "corp/closed", more: { collaborators: { alice: "read" } }, text: /^No access to corp\/closed/,
		prepare: () => { github.repos.get("corp/closed").collaborators = {}; } },
	"a branch that isn't there": { repo: "alice/branches", branch: "no/such", text: /^There is no branch no\/such in alice\/branches\./ },
	"one that is too large": { repo: "alice/large", more: { files: { big: randomBytes(3 << 20) } }, text: /^alice\/large is too large: .*SANDBOX_REPO_MAX, 1 MiB/ },
};

/** A sandbox whose clone fails, with requests that wait for it: all are told why. */
async function failedClone({ repo, branch, text }) {
	const client = await rig.begin(repo, { branch, params: { since: 0 } });
	const answers = Promise.all([client.execute("Never runs"), client.tool("Bash", { command: "true" }, { id: 7 })]);
	client.send({ type: "diff" });
	const [task, tool] = await answers;
	assert.deepEqual([tool.id, tool.success], [7, false]);
	const errors = await waitFor(() => {
		const found = client.messages.filter(({ type }) => type === "error");
		return found.length === 2 && found.map(({ message }) => message);
	}, { what: "two errors" });
	// Those that came when it was over are told that.
	for (const message of [...errors, task.error, tool.error]) assert.match(message, new RegExp(`${text.source}|Sandbox session expired`));
	const status = await client.wait((m) => m.type === "status" && m.status === "expired");
	assert.match(status.message, text);
	await assertExpired(client, text);
	assert.deepEqual(row(client, "status, end_reason, ready_at is null, commit_id is null"), ["expired", "clone", "t", "t"]);
	assert.match(row(client, "error")[0], text);
	await assertNoTraces(rig, client.sessionId);
	return client;
}

test("why a clone failed reaches the waiting requests, the status and the row", async (t) => {
	for (const { repo, login, more } of Object.values(failures)) {
		await github.addRepo(repo, { private: true, ...more });
		await rig.connectRepo(repo, rig.slug, login);
	}
	for (const { prepare } of Object.values(failures)) prepare?.();
	await Promise.all(Object.entries(failures).map(([name, failure]) => t.test(name, () => failedClone(failure))));
	const { json } = await rig.rig.check(rig.slug, "bob/revoked");
	assert.deepEqual([json.ready, json.needsAuth], [false, true], "the credential counts as refused");
	for (const repo of ["alice/deleted", "alice/branches", "alice/large"])
		assert.ok((await rig.rig.check(rig.slug, repo)).json.ready, `${repo}: the credential is good`);
	assert.equal((await rig.create("bob/revoked")).status, 403);
	assert.deepEqual(processesOf(rig), []);
});

test("GitHub is away", async () => {
	github.behave("git", { cut: 0 });
	await failedClone({ repo: "alice/notes", text: /^alice\/notes could not be fetched from https:/ });
	github.behave("git", 502);
	await failedClone({ repo: "alice/notes", text: /^alice\/notes could not be fetched from https:/ });
	github.behave("git", null);
	const client = await rig.ready("alice/notes");
	await client.delete();
	await assertNoTraces(rig, client.sessionId, { alone: true });
});

// ---- deleted at every stage ----

/** Stage by stage: prepare brings a sandbox there, and may return what its client must be told. */
const stages = {
	async cloning() {
		github.behave("git", "never");
		const client = await rig.begin("alice/notes", { params: { since: 0 } });
		await client.waitStatus("cloning");
		await waitFor(() => github.held > 0, { what: "git to ask" });
		client.send({ type: "tool", id: "waits", name: "Bash", input: { command: "true" } });
		await waitFor(() => tasks(client, "taken_at is not null").flat().join() === "t", { what: "the host to take it" });
		return { client, told: (m) => m.type === "tool_result" && m.id === "waits" && !m.success && /deleted/.test(m.error) };
	},
	async ready() { return { client: await rig.ready("alice/notes", { params: { since: 0 } }) }; },
	async "in a turn of the agent"() {
		anthropic.script({ text: "Never said", hold: new Promise(() => {}) });
		const client = await rig.ready("alice/notes", { params: { since: 0 } });
		client.startTask("Go");
		await client.wait(({ type }) => type === "stream");
		return { client, told: (m) => m.type === "error" && /deleted/.test(m.message) };
	},
	async "while a tool runs"() {
		const client = await rig.ready("alice/notes", { params: { since: 0 } });
		const command = "trap '' TERM HUP INT; (setsid sleep 1000 &) ; touch /tmp/begun; while :; do sleep 1000; done";
		client.send({ type: "tool", id: "long", name: "Bash", input: { command } });
		await waitFor(async () => (await client.bash("ls /tmp")).output.includes("begun"), { what: "it to begin" });
		return { client, told: (m) => m.type === "tool_result" && m.id === "long" && !m.success && /deleted/.test(m.error) };
	},
	async "while a diff is made"() {
		const client = await rig.ready("alice/notes", { params: { since: 0 } });
		await client.bash("for i in $(seq 3000); do echo $i >f$i; done");
		await stopDiff(rig, client);
		return { client, told: (m) => m.type === "error" && /deleted/.test(m.message) };
	},
};

for (const [stage, prepare] of Object.entries(stages)) {
	test(`deleted: ${stage}`, async () => {
		const { client, told } = await prepare();
		if (stage !== "cloning") assert.ok(tracesOf(rig, client.sessionId).length >= 3, "the search finds what is there");
		assert.ok(processesOf(rig).length > 0);
		await client.delete();
		await assertExpired(client);
		if (told) await client.wait(told, { what: "word of the end" });
		await assertNoTraces(rig, client.sessionId, { alone: true });
		assert.deepEqual(tasks(client, "outcome").flat().filter((outcome) => !["success", "expired"].includes(outcome)), []);
		github.behave("git", null);
		github.release();
		anthropic.script({ text: "Done." });
		// Again: nothing happens, and what is told stays the same.
		await client.delete();
		assert.equal(row(client, "end_reason")[0], "user");
		client.close();
	});
}

test("deleted before any host has claimed it", async () => {
	server.kill("craft-sandboxd", "SIGSTOP");
	let client;
	try {
		client = await rig.begin("alice/notes", { params: { since: 0 } });
		client.send({ type: "tool", id: "never", name: "Bash", input: { command: "true" } });
		await waitFor(() => tasks(client, "kind").length === 1, { what: "the job" });
		assert.equal((await client.session()).status, "provisioning");
		await client.delete();
		const answer = await client.wait((m) => m.type === "tool_result" && m.id === "never");
		assert.ok(!answer.success && answer.error);
		await assertExpired(client);
	} finally {
		server.kill("craft-sandboxd", "SIGCONT");
	}
	await assertNoTraces(rig, client.sessionId, { alone: true });
	assert.deepEqual(statuses(client), ["expired"]);
});

test("a request that comes in the moment of the end is answered", async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	server.kill("craft-sandboxd", "SIGSTOP");
	try {
		client.send({ type: "tool", id: "late", name: "Bash", input: { command: "true" } });
		await waitFor(() => tasks(client, "kind").length === 1, { what: "the job" });
		await client.delete();
	} finally {
		server.kill("craft-sandboxd", "SIGCONT");
	}
	const answer = await client.wait((m) => m.type === "tool_result" && m.id === "late", { deadline: 15_000 });
	assert.ok(!answer.success && answer.error);
	await assertNoTraces(rig, client.sessionId, { alone: true });
});
