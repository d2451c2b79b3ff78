// Tools, cancels and diffs through the WebSocket of a real sandbox: exact bytes, timeouts, many at once; and requests that are wrong.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const repoKey = "alice/notes";
let rig, sandbox;

before(async () => {
	// As much as that is sent in pieces.
	rig = await startSandboxRig({ env: { SANDBOX_OUTPUT_MAX: "60M" } });
	await rig.addRepo(repoKey, { "a.txt": "one\ntwo\nthree\n", "sub/b.js": "let x = 1;\n" });
	sandbox = await rig.ready(repoKey);
});

after(() => rig?.stop());

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function written(content) {
	const result = await sandbox.tool("Write", { file_path: "/workspace/exact.bin", content }, { deadline: 120_000 });
	assert.ok(result.success, JSON.stringify(result).slice(0, 500));
	return (await sandbox.bash("sha256sum <exact.bin")).output.slice(0, 64);
}

test("Write stores exactly the bytes: NUL, CRLF, no final newline, any character, nothing", async () => {
	for (const content of ["", "no newline", "a\0b\0", "dos\r\nmac\runix\n", "\ufeffü😀\u2028\u0001\u001f\u007f", "$(id) `id` 'x' \"y\" \\n\n"])
		assert.equal(await written(content), sha256(content), JSON.stringify(content));
});

test("50 MB are written, and read again", async () => {
	const content = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n".repeat(50 << 14);
	assert.equal(content.length, 50 << 20);
	assert.equal(await written(content), sha256(content));
	const { output } = await sandbox.bash("cat exact.bin", { deadline: 120_000 });
	assert.equal(sha256(output), sha256(content));
	const part = await sandbox.tool("Read", { file_path: "/workspace/exact.bin", offset: 819_200, limit: 5 });
	assert.equal(part.output.replace(/\n$/, ""), `${"819200".padStart(6)}\t${content.slice(0, 63)}`);
	await sandbox.bash("rm exact.bin");
});

test("Read, Edit, Glob and Grep answer as Claude Code's own", async () => {
	const read = await sandbox.tool("Read", { file_path: "/workspace/a.txt", offset: 2, limit: 1 });
	assert.equal(read.output.trimEnd(), "     2\ttwo");
	assert.ok((await sandbox.tool("Edit", { file_path: "/workspace/a.txt", old_string: "two", new_string: "zwei" })).success);
	const again = await sandbox.tool("Edit", { file_path: "/workspace/a.txt", old_string: "two", new_string: "x" });
	assert.equal(again.success, false);
	assert.match(again.error, /not found/i);
	assert.equal((await sandbox.bash("cat a.txt")).output, "one\nzwei\nthree\n");
	assert.equal((await sandbox.tool("Glob", { pattern: "**/*.js" })).output.trim(), "/workspace/sub/b.js");
	assert.match((await sandbox.tool("Grep", { pattern: "z.ei", output_mode: "content", "-n": true })).output, /a\.txt:2:zwei/);
	assert.equal((await sandbox.tool("Read", { file_path: "/workspace/none" })).success, false);
	assert.match(await sandbox.diff(), /-two\n\+zwei\n/);
});

test("Bash: exit codes, both outputs in their order, bytes that are no text, a working directory", async () => {
	const failed = await sandbox.bash("echo out; echo err >&2; exit 7", { fails: true });
	assert.deepEqual([failed.success, failed.exitCode, failed.output, failed.error], [false, 7, "out\nerr\n", "err\n"]);
	assert.equal((await sandbox.bash("printf 'a\\377\\0b'; pwd")).output, "a\ufffd\0b/workspace\n");
	assert.equal((await sandbox.bash("kill -9 $$", { fails: true })).exitCode, 137);
});

test("a timeout ends everything that was started, also what hid itself", async () => {
	const started = ownMs();
	const result = await sandbox.tool("Bash", { command: "trap '' TERM; (setsid sleep 1001 &) ; setsid -f sleep 1002; sleep 1003", timeout: 1000 });
	assert.equal(result.success, false);
	assert.match(result.error, /timed out after 1000 ms/);
	assert.ok(ownMs() - started < 20_000);
	assert.equal((await sandbox.bash("pgrep -f 'sleep 100[123]' || true")).output.trim().split("\n").filter((pid) => pid).length <= 1, true);
	for (const timeout of [0, -1, 600_001, "1000", 1e300])
		assert.equal((await sandbox.tool("Bash", { command: "true", timeout })).success, false, String(timeout));
});

test("tools run at once and are cancelled one by one", async () => {
	const slow = sandbox.tool("Bash", { command: "sleep 500" }, { id: "slow" });
	const numbers = await Promise.all(Array.from({ length: 20 }, (_, i) => sandbox.bash(`echo ${i}`)));
	assert.deepEqual(numbers.map((r) => Number(r.output)), Array.from({ length: 20 }, (_, i) => i));
	sandbox.send({ type: "cancel", id: "slow" });
	const result = await slow;
	assert.deepEqual([result.success, result.error], [false, "Cancelled"]);
	const from = sandbox.messages.length;
	sandbox.send({ type: "cancel", id: "slow" });
	assert.match((await sandbox.wait((m) => m.type === "error", { from })).message, /No tool with that id/);
	assert.equal(rig.server.psqlValue("select count(*) from report.tasks where outcome = 'cancelled'"), "1");
});

test("what a shell leaves in the background lives on, and the agent's tools share the machine", async () => {
	await sandbox.tool("Write", { file_path: "/tmp/serve.pl", content: "use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 5, LocalPort => 8000, ReuseAddr => 1);\n" +
		"while (my $c = $s->accept) { while (<$c>) { last if /^\\r?$/ } print $c \"HTTP/1.0 200 OK\\r\\n\\r\\nserved\"; close $c }\n" });
	await sandbox.bash("perl /tmp/serve.pl >/dev/null 2>&1 &");
	const { output } = await sandbox.bash("for i in 1 2 3 4 5 6 7 8 9 10; do curl -s http://127.0.0.1:8000/ && break; sleep 0.2; done");
	assert.equal(output, "served");
});

const results = (client) => client.messages.filter((m) => m.type === "tool_result").map((m) => [m.id, m.output ?? m.error]);
const running = (id) => waitFor(() => rig.server.psqlValue(`select count(*) from app.sandbox_job where tool_id = '"${id}"' and taken_at is not null and ended_at is null`) !== "0", { what: `${id} to run` });

test("two clients with one id: each gets its own result, and cancels its own", async () => {
	for (const params of [[{}, {}], [{ since: 0, client: "a" }, { since: 0, client: "b" }], [{ since: 0 }, {}]]) {
		const [first, second] = await Promise.all(params.map((each) => rig.connect(sandbox.sessionId, { params: each })));
		const from = [first, second].map((client) => client.messages.length);
		const both = await Promise.all([first.bash("echo first", { id: "same" }), second.bash("echo second", { id: "same" })]);
		assert.deepEqual(both.map((m) => m.output), ["first\n", "second\n"]);
		const slow = [first, second].map((client, n) => client.tool("Bash", { command: `sleep ${500 + n}` }, { id: "slow" }));
		await waitFor(() => rig.server.psqlValue(`select count(*) from app.sandbox_job where tool_id = '"slow"' and taken_at is not null and ended_at is null`) === "2", { what: "both to run" });
		second.send({ type: "cancel", id: "slow" });
		assert.equal((await slow[1]).error, "Cancelled");
		assert.equal((await first.bash("pgrep -xf 'sleep 500'; true")).output.trim().split("\n").length, 1, "the other one goes on");
		// A third one has none of that name.
		const third = await rig.connect(sandbox.sessionId);
		third.send({ type: "cancel", id: "slow" });
		assert.match((await third.wait((m) => m.type === "error")).message, /No tool with that id/);
		first.send({ type: "cancel", id: "slow" });
		assert.equal((await slow[0]).error, "Cancelled");
		// Errors, too.
		const wrong = await Promise.all([first.tool("Read", { file_path: "none-1" }, { id: "wrong" }), second.tool("Bash", { command: "x", timeout: 0 }, { id: "wrong" })]);
		assert.deepEqual(wrong.map((m) => /none-1|timeout must be/.exec(m.error)?.[0]), ["none-1", "timeout must be"]);
		for (const [n, client] of [first, second].entries())
			assert.deepEqual(client.messages.slice(from[n]).filter((m) => m.type === "tool_result" && ["same", "slow", "wrong"].includes(m.id)).length, 3);
		assert.deepEqual(results(third), []);
		for (const client of [first, second, third]) client.close();
	}
});

test("one that comes back gets what it missed: what all get, and the results that it asked for", async () => {
	const first = await rig.connect(sandbox.sessionId, { params: { since: 0 } });
	for (const params of [{ since: 0 }, { since: 0, client: "named" }]) {
		const second = await rig.connect(sandbox.sessionId, { params });
		await second.bash("true");
		const seen = second.messages.at(-1).seq;
		second.send({ type: "tool", id: "long", name: "Bash", input: { command: "until [ -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go; echo missed" } });
		await running("long");
		second.close();
		await waitFor(() => second.closed, { what: "the close" });
		await first.bash("echo not for it; touch /tmp/go");
		const back = await rig.connect(sandbox.sessionId, { params: { ...params, since: seen } });
		await back.wait((m) => m.output === "missed\n");
		assert.deepEqual(results(back), [["long", "missed\n"]]);
		assert.ok(!results(first).some(([id]) => id === "long"));
		back.close();
		await waitFor(() => back.closed, { what: "the close" });
	}
	first.close();
});

test("branches that git wouldn't take are refused; odd ones that it takes are no commands", async () => {
	for (const branch of ["-u", "--upload-pack=touch /tmp/x", "../x", "a..b", "a b", "a~1", "a.lock", "", "x\u0000y"]) {
		const { status, json } = await rig.create(repoKey, { branch });
		assert.equal(status, 400, branch);
		assert.match(json.error, branch === "" ? /Missing required parameters/ : /branch/, branch);
	}
	const odd = await rig.begin(repoKey, { branch: "x;touch${IFS}pwned", params: { since: 0 } });
	const { status, error } = await odd.waitStatus("expired");
	assert.deepEqual([status, /branch/i.test(error)], ["expired", true], error);
	await rig.gone(odd.sessionId);
});

test("sessions that aren't there, or are another workspace's, are 404; ended ones 410; ending them is success", async () => {
	const ended = await rig.begin(repoKey);
	await ended.delete();
	for (const [slug, id, status] of [[rig.slug, randomUUID(), 404], ["other", sandbox.sessionId, 404], [rig.slug, "not-a-uuid", 404], [rig.slug, ended.sessionId, 410]]) {
		const base = `/api/sandbox/${slug}/${id}`;
		assert.equal((await rig.server.request(`${base}/heartbeat`, { method: "POST" })).status, status, id);
		assert.equal((await rig.server.request(`/workspace/${slug}/sandbox/ws/${id}`, { headers: { Connection: "Upgrade", Upgrade: "websocket",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" } })).status, status, id);
		assert.deepEqual((await rig.server.request(base, { method: "DELETE" })).json, { success: true });
	}
	assert.equal((await rig.server.request(`/api/sandbox/${rig.slug}/${sandbox.sessionId}/status`, { key: "wrong-key-1" })).status, 401);
	const from = ended.messages.length;
	ended.send({ type: "tool", id: "late", name: "Bash", input: { command: "true" } });
	const answer = await ended.wait((m) => m.id === "late" || m.type === "error", { from });
	assert.match(answer.error ?? answer.message, /expired/i);
});
