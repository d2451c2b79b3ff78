// execute messages: what the agent is told and with which key, and how a task ends when it doesn't end well.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { stretched } from "../harness/pace.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const repoKey = "alice/notes";
const UNDECRYPTABLE = "Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key.";
let rig, sandbox, fallback;

before(async () => {
	rig = await startSandboxRig({ env: { SANDBOX_TASK_TIMEOUT: "3600" } });
	await rig.addRepo(repoKey);
	sandbox = await rig.ready(repoKey);
});

after(async () => {
	await fallback?.stop();
	await rig?.stop();
});

const hold = () => {
	let open;
	return { gate: new Promise((resolve) => { open = resolve; }), open };
};

const asked = () => rig.anthropic.requests({ route: "messages", side: false }).at(-1);

async function ok(task, options) {
	const end = await sandbox.execute(task, options);
	assert.ok(end.result?.success, JSON.stringify(end.error ?? end.result));
	return end;
}

test("the agent is told the context and then the task", async () => {
	rig.anthropic.script([{ text: "fine" }]);
	await ok("What about now?", { context: "Human: hello\n\nAssistant: hi there" });
	assert.equal(asked().prompt, "Human: hello\n\nAssistant: hi there\n\nWhat about now?");
});

test("prompt is another name of task, and any text passes", async () => {
	sandbox.send({ type: "execute", prompt: "ü 😀 \u2028 \"quoted\" \\ $(id) `id`", anthropicApiKey: rig.sealedKey() });
	const from = sandbox.messages.length;
	assert.ok((await sandbox.taskEnd({ from })).result.success);
	assert.equal(asked().prompt, "ü 😀 \u2028 \"quoted\" \\ $(id) `id`");
});

test("attachments lie outside the checkout, byte for byte, and are named in the prompt", async () => {
	const bytes = randomBytes(300_000);
	const diff = await sandbox.diff();
	await ok("Look.", { attachments: [
		{ name: "../../etc/pa ss'\"$(id).png", type: "image/png", content: bytes.toString("base64") },
		{ name: "note.txt", type: "text/plain", content: "" }] });
	const paths = [...asked().prompt.matchAll(/^- (.*) \((.*), (\d+) bytes\)$/gm)].map(([, ...found]) => found);
	assert.deepEqual(paths.map(([, type, size]) => [type, size]), [["image/png", "300000"], ["text/plain", "0"]]);
	assert.ok(paths[0][0].startsWith("/home/agent/") && paths[0][0].endsWith("/pa ss'\"$(id).png"), paths[0][0]);
	const { output } = await sandbox.bash(`sha256sum < '${paths[0][0].replaceAll("'", "'\\''")}'; wc -c < '${paths[1][0]}'`);
	assert.equal(output, `${createHash("sha256").update(bytes).digest("hex")}  -\n0\n`);
	assert.equal(await sandbox.diff(), diff);
});

test("an attachment that isn't base64 is refused, and names which one", async () => {
	const { error } = await sandbox.execute("x", { attachments: [{ name: "a", type: "b", content: "!" }] });
	assert.match(error, /attachments\[0\]/);
});

test("both salts are taken, and a key of before a rotation is not", async () => {
	await ok("a", { key: rig.sealedKey({ salt: rig.slug }) });
	await ok("b", { key: rig.sealedKey({ salt: `craft-agent-sandbox:${rig.slug}` }) });
	assert.equal(asked().key, rig.modelKey);
});

test("keys that don't decrypt, and plain ones, are refused", async () => {
	const before = rig.anthropic.log.length;
	for (const key of [rig.modelKey, "", "AAAA", rig.sealedKey({ salt: "other" }), rig.sealedKey().slice(0, -4), "ä".repeat(40)]) {
		const { error } = await sandbox.execute("x", { key });
		assert.equal(error, key === "" ? "anthropicApiKey is required for execute requests" : UNDECRYPTABLE);
	}
	assert.equal(rig.anthropic.log.length, before, "nothing was asked");
});

test("no key at all: an error that says so", async () => {
	const { error } = await sandbox.execute("x", { key: null });
	assert.equal(error, "anthropicApiKey is required for execute requests");
});

test("an OAuth token goes as a bearer, and the next task may come with a key again", async () => {
	const token = rig.anthropic.keys.addOAuth();
	rig.rig.secrets.add(token);
	rig.anthropic.script(({ prompts }) => ({ text: `${prompts.length}` }));
	const first = await ok("with a token", { key: rig.sealedKey({ key: token }), tokenType: "oauth" });
	assert.deepEqual([asked().key, asked().kind], [token, "oauth"]);
	const second = await ok("with a key", { tokenType: "api_key" });
	assert.deepEqual([asked().key, asked().kind], [rig.modelKey, "key"]);
	assert.equal(Number(second.result.output), Number(first.result.output) + 1, "one conversation");
});

test("a key that the model's API refuses is a task that failed", async () => {
	const { result, complete } = await sandbox.execute("x", { key: rig.sealedKey({ key: "sk-ant-api03-wrong" }) });
	assert.equal(result.success, false);
	assert.match(result.output, /invalid|authenticat|401/i);
	assert.notEqual(complete.exitCode, 0);
	assert.equal(rig.server.psqlValue("select outcome from report.tasks order by queued_at desc limit 1"), "failure");
});

test("busy and overloaded APIs are tried again", async () => {
	rig.anthropic.script([{ text: "at last" }]);
	rig.anthropic.behave("messages", { status: 429, retryAfter: 0, times: 1 });
	assert.equal((await ok("a")).result.output, "at last");
	rig.anthropic.behave("messages", { status: 529, times: 1 });
	assert.equal((await ok("b")).result.output, "at last");
	rig.anthropic.script(({ body }) => (body.stream ? { text: "x".repeat(2000), cut: 700 } : { text: "in the end" }));
	assert.equal((await ok("c")).result.output, "in the end");
});

test("while a task runs a second one is refused, and tools run at once", async () => {
	const { gate, open } = hold();
	rig.anthropic.script([{ text: "done", hold: gate }]);
	const other = await rig.connect(sandbox.sessionId);
	const from = sandbox.messages.length;
	const asks = rig.anthropic.log.length;
	sandbox.startTask("long");
	await waitFor(() => rig.anthropic.log.length > asks);
	const { error } = await other.execute("second");
	assert.match(error, /already running/);
	assert.equal((await other.bash("echo hi")).output, "hi\n");
	open();
	const { result } = await sandbox.taskEnd({ from });
	assert.equal(result.output, "done");
	// The refusal was for the one who asked.
	assert.ok(!sandbox.messages.slice(from).some((m) => m.type === "error"));
	await other.wait((m) => m.type === "complete");
	other.close();
});

test("cancel ends the turn, says so, and keeps the conversation", async () => {
	const { gate, open } = hold();
	rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "echo half >half.txt" } }] }, { text: "never", hold: gate }]);
	const from = sandbox.messages.length;
	sandbox.startTask("Do both halves.");
	await sandbox.wait((m) => m.type === "stream" && m.data.includes("tool_result"), { from });
	sandbox.send({ type: "cancel" });
	const { result, complete } = await sandbox.taskEnd({ from });
	open();
	assert.equal(result.success, false);
	assert.match(result.output, /cancelled/);
	assert.match(result.diff, /\+half\n/);
	assert.notEqual(complete.exitCode, 0);
	assert.equal(rig.server.psqlValue("select outcome from report.tasks where kind = 'execute' order by queued_at desc limit 1"), "cancelled");
	rig.anthropic.script(({ prompts }) => ({ text: prompts.some((p) => p.includes("both halves")) ? "remembered" : "forgotten" }));
	assert.equal((await ok("Go on.")).result.output, "remembered");
});

test("cancel without a task is an error to the one who asked", async () => {
	const from = sandbox.messages.length;
	sandbox.send({ type: "cancel" });
	const { message } = await sandbox.wait((m) => m.type === "error", { from });
	assert.equal(message, "No task is running");
});

test("a line of 10 MB and a result that isn't ASCII arrive whole", async () => {
	const text = "0123456789äöü😀\n".repeat(500_000);
	rig.anthropic.script([{ text, chunk: 200_000 }]);
	const { result, lines } = await ok("big", { deadline: 120_000 });
	assert.equal(result.output, text.trimEnd() === result.output ? text.trimEnd() : text);
	assert.ok(lines.some((line) => JSON.stringify(line).length > 8_000_000));
});

test("the server's own key is for those who send none, and SANDBOX_TASK_TIMEOUT ends a task", async () => {
	const key = `sk-ant-api03-${randomBytes(20).toString("hex")}`;
	fallback = await startSandboxRig({ env: { ANTHROPIC_API_KEY: key, SANDBOX_TASK_TIMEOUT: String(stretched(4)) } });
	fallback.anthropic.keys.add(key);
	fallback.rig.secrets.add(key);
	await fallback.addRepo(repoKey);
	const client = await fallback.ready(repoKey);
	fallback.anthropic.script([{ text: "never", hold: new Promise(() => {}) }]);
	const { result, complete } = await client.execute("for ever", { key: null, deadline: 180_000 });
	assert.equal(fallback.anthropic.requests({ route: "messages", side: false })[0].key, key);
	assert.equal(result.success, false);
	assert.match(result.output, /SANDBOX_TASK_TIMEOUT/);
	assert.notEqual(complete.exitCode, 0);
	assert.equal(fallback.server.psqlValue("select outcome from report.tasks"), "timeout");
});
