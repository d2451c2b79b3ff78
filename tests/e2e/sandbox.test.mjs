// The story of a sandbox: a private repository, the real Claude Code in a real box against a fake Messages API, its lines one by one, the
// diff, and nothing left behind.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { git } from "../harness/oauth.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { answer, files, steps } from "../harness/story.mjs";
import { waitFor } from "../harness/server.mjs";

const repoKey = "alice/sums";
const work = mkdtempSync(path.join(tmpdir(), "craft-sandbox-"));
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig();
	await rig.addRepo(repoKey, files);
});

after(async () => {
	rmSync(work, { recursive: true, force: true });
	await rig?.stop();
});

test("create answers with an id, a short id and a URL, and the clone comes to the branch's commit", async () => {
	const { status, json } = await rig.create(repoKey);
	assert.equal(status, 200);
	assert.deepEqual(Object.keys(json), ["sessionId", "sandboxId", "wsUrl"]);
	assert.equal(json.sandboxId, json.sessionId.slice(0, 8));
	assert.equal(json.wsUrl, `${rig.server.url.replace("https", "wss")}/workspace/${rig.slug}/sandbox/ws/${json.sessionId}`);
	sandbox = await rig.connect(json.sessionId, { params: { since: 0 } });
	const session = await sandbox.waitStatus("ready");
	assert.deepEqual([session.repoKey, session.branch], [repoKey, "main"]);
	const { output } = await sandbox.bash("git rev-parse HEAD; git status --short; git config remote.origin.url");
	assert.equal(output, `${rig.server.psqlValue("select commit_id from report.sandboxes")}\n${rig.github.url}/${repoKey}.git\n`);
});

test("a task's lines arrive one by one, then the result with the diff, then complete", async () => {
	let open;
	rig.anthropic.script(steps(new Promise((resolve) => { open = resolve; })));
	const from = sandbox.messages.length;
	sandbox.startTask("Make the test pass.");
	// The last answer is held back: what came before has arrived.
	await sandbox.wait((m) => m.type === "stream" && m.data.includes("passed"), { from, what: "the passing test" });
	assert.ok(!sandbox.messages.slice(from).some((m) => m.type === "result"));
	open();
	const { lines, streams, result, complete } = await sandbox.taskEnd({ from });
	assert.deepEqual([result.success, result.output, complete.exitCode], [true, answer, 0]);
	assert.equal(lines.length, streams.length, "every line is JSON");
	assert.deepEqual([lines[0].type, lines[0].subtype, lines.at(-1).type], ["system", "init", "result"]);
	const used = lines.flatMap((line) => (line.type === "assistant" ? line.message.content : [])).filter((c) => c.type === "tool_use");
	assert.deepEqual(used.map((use) => use.name), ["Read", "Bash", "Edit", "Write", "Bash", "Bash"]);
	const types = sandbox.messages.slice(from).map((m) => m.type).filter((type) => type !== "status");
	assert.deepEqual(types, [...streams.map(() => "stream"), "result", "complete"]);
	const numbers = sandbox.messages.map((m) => m.seq);
	assert.deepEqual(numbers, numbers.map((_, i) => i + 1), "numbered without gaps");
	writeFileSync(path.join(work, "patch"), result.diff);
});

test("the diff makes the identical tree on a fresh clone", async () => {
	const { output } = await sandbox.bash("git add -A && git write-tree");
	const clone = path.join(work, "clone");
	const url = rig.github.cloneUrl(repoKey, rig.github.issueToken("alice"));
	assert.ok((await git(work, rig.github.caFile, "clone", "-q", url, clone)).ok);
	const applied = await git(clone, rig.github.caFile, "apply", "--index", path.join(work, "patch"));
	assert.ok(applied.ok, applied.err);
	const tree = await git(clone, rig.github.caFile, "write-tree");
	assert.equal(tree.out, output);
	assert.deepEqual(readFileSync(path.join(clone, "blob.bin")), Buffer.from("a\0b\xff", "latin1"));
	assert.deepEqual(readFileSync(path.join(clone, "latin1.txt")), Buffer.from("gr\xfcn\n", "latin1"));
});

test("the model was asked with the client's key, and a second turn goes on with the conversation", async () => {
	rig.anthropic.script(({ prompts }) => ({ text: `You asked ${prompts.length} times` }));
	const { result } = await sandbox.execute("And now?");
	assert.equal(result.output, "You asked 2 times");
	const keys = new Set(rig.anthropic.requests({ route: "messages" }).map(({ key }) => key));
	assert.deepEqual([...keys], [rig.modelKey]);
});

test("DBAs see the sandbox and its tasks", () => {
	const [[workspace, status, repo]] = rig.server.psql("select workspace, status, repo_key from report.sandboxes");
	assert.deepEqual([workspace, status, repo], [rig.slug, "ready", repoKey]);
	const rows = rig.server.psql("select kind, outcome, exit_code, bytes_out > 1000, ended_at > queued_at from report.tasks where kind = 'execute'");
	assert.deepEqual(rows, [["execute", "success", "0", "t", "t"], ["execute", "success", "0", "t", "t"]]);
});

// Directories of control groups that carry the session's name.
function cgroups(name) {
	const root = "/sys/fs/cgroup";
	if (!existsSync(root)) return [];
	return readdirSync(root).flatMap((controller) => {
		try {
			return readdirSync(path.join(root, controller)).filter((parent) => parent.startsWith("craft-sandbox"))
				.flatMap((parent) => readdirSync(path.join(root, controller, parent)).filter((child) => child.includes(name)));
		} catch {
			return [];
		}
	});
}

test("deleting leaves no process, mount, file, socket or control group", async () => {
	const [daemon] = rig.server.ready.pids["craft-sandboxd"];
	const mounts = () => readFileSync(`/proc/${daemon}/mountinfo`, "utf8");
	assert.ok(rig.daemonProcesses().length >= 3);
	assert.ok(existsSync(rig.instanceDir(sandbox.sessionId)));
	await sandbox.delete();
	await sandbox.wait((m) => m.type === "status" && m.status === "expired");
	await rig.gone(sandbox.sessionId);
	assert.deepEqual(rig.daemonProcesses(), []);
	assert.ok(!mounts().includes(sandbox.sessionId));
	assert.ok(!readFileSync("/proc/net/unix", "utf8").includes(sandbox.sessionId));
	assert.deepEqual(cgroups(sandbox.sessionId), []);
	assert.equal((await sandbox.session()).status, "expired");
	assert.equal((await sandbox.heartbeat()).status, 410);
	await assert.rejects(rig.connect(sandbox.sessionId), /410/);
	await waitFor(() => rig.server.psqlValue("select end_reason from report.sandboxes") === "user");
});
