// Sandboxes with a workspace's key: what the client encrypted with that key is opened, and only that; read-only; revoked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ProcessWatch } from "../harness/process_watch.mjs";
import { SandboxClient, sealKey, startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

const repoKey = "alice/notes";
const UNDECRYPTABLE = "Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key.";
let rig, key, reader, sandbox, watch;

before(async () => {
	rig = await startSandboxRig();
	rig.rig.secrets.add(rig.server.apiKey).add(rig.modelKey);
	watch = new ProcessWatch(() => rig.rig.secrets);
	await rig.addRepo(repoKey);
	[key, reader] = [await add("laptop"), await add("reader", "--read-only")];
	sandbox = await rig.ready(repoKey);
});
after(() => {
	watch?.stop();
	return rig?.stop();
});

async function add(name, ...options) {
	const { code, stdout, stderr } = await rig.rig.cloud("key", "add", "--workspace", rig.slug, "--name", name, ...options);
	assert.equal(code, 0, stderr);
	rig.rig.secrets.add(stdout.trim());
	return stdout.trim();
}

/** Another client of it, that comes with this key. */
function come(apiKey) {
	return new SandboxClient(rig, sandbox.sessionId, rig.slug).connect({}, { key: apiKey });
}

const sealed = (apiKey, salt = `craft-agent-sandbox:${rig.slug}`) => sealKey(apiKey, salt, rig.modelKey);

async function run(client, anthropicApiKey) {
	const from = client.messages.length;
	client.send({ type: "execute", task: "Say hi", anthropicApiKey });
	return client.taskEnd({ from });
}

test("it creates sandboxes and asks for their status", async () => {
	const answer = await rig.create(repoKey, { key });
	assert.equal(answer.status, 200, answer.text);
	const base = `/api/sandbox/${rig.slug}/${answer.json.sessionId}`;
	assert.equal((await rig.server.request(`${base}/status`, { key })).status, 200);
	assert.equal((await rig.server.request(`${base}/heartbeat`, { method: "POST", key })).status, 200);
	assert.equal((await rig.server.request(`${base}/heartbeat`, { method: "POST", key: reader })).status, 403);
	assert.equal((await rig.server.request(base, { method: "DELETE", key })).status, 200);
});

test("what was encrypted with the key that the client came with is opened, with either salt", async () => {
	const client = await come(key);
	for (const salt of [`craft-agent-sandbox:${rig.slug}`, rig.slug]) {
		const end = await run(client, sealed(key, salt));
		assert.ok(end.result?.success, JSON.stringify(end));
	}
	assert.equal((await client.bash("echo hi")).output, "hi\n");
	client.close();
});

test("and nothing else", async () => {
	const client = await come(key);
	for (const other of [reader, rig.server.apiKey]) assert.equal((await run(client, sealed(other))).error, UNDECRYPTABLE);
	client.close();
	assert.equal((await run(sandbox, sealed(key))).error, UNDECRYPTABLE, "API_KEY's client has another one");
});

test("a read-only one looks on", async () => {
	const client = await come(reader);
	const result = await client.tool("Bash", { command: "echo never" });
	assert.deepEqual([result.success, result.error], [false, "This key is read-only: nothing was changed"]);
	assert.match((await run(client, sealed(reader))).error, /read-only/);
	client.send({ type: "ping" });
	await client.wait((m) => m.type === "pong");
	const from = client.messages.length;
	client.send({ type: "diff" });
	assert.match((await client.wait((m) => m.type === "error" || m.type === "diff", { from })).message, /read-only/, "a diff is made and stored");
	client.close();
});

test("revoking closes its sockets", async () => {
	const client = await come(key);
	const { code } = await rig.rig.cloud("key", "revoke", "--workspace", rig.slug, "--name", "laptop");
	assert.equal(code, 0);
	await waitFor(() => client.closed, { deadline: 2000, what: "the close" });
	assert.deepEqual(client.closed, { code: 1008, reason: "the key was revoked" });
	await assert.rejects(come(key), /401/);
});

test("no command line and no environment of any process has held a key meanwhile, those in the box included", () => {
	const { found, seen } = watch.stop();
	assert.deepEqual(found, []);
	for (const name of ["craft-sandboxd", "craft-box", "bwrap"]) assert.ok(seen.has(name), `${name} among ${[...seen].join()}`);
});
