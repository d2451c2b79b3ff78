// A key in plain that a client puts into a wrong field, or into the right one in a wrong form: it is not in a row, the write-ahead log, a log,
// a file or an answer afterwards.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";

const repoKey = "alice/notes";
const MARK = `Misplaced${randomBytes(12).toString("hex")}`;
const CONTROL = `control-${randomBytes(12).toString("hex")}`;
const KEYS = [`sk-ant-api03-${MARK}-AA`, `ghp_${MARK}`, `github_pat_11A_${MARK}`, MARK];
let rig, sandbox;

before(async () => {
	rig = await startSandboxRig();
	await rig.addRepo(repoKey);
	sandbox = await rig.ready(repoKey);
});
after(() => rig?.stop());

/** A key, as long as real ones, in other forms than in plain; none of them is encryption. */
function encoded(key) {
	const forms = ["base64", "hex", "base64url"].map((form) => Buffer.from(key.padEnd(45, "=")).toString(form));
	const long = key.padEnd(108, "=");
	const bytes = [Buffer.from(long, "utf16le"), Buffer.from(`\ufeff${long}`, "utf16le").swap16(), ...[`\ufeff${long}`, `${long}\0`, `${long}ÿ`].map((text) => Buffer.from(text))];
	return [...forms, ...bytes.map((each) => each.toString("base64")), `0x${Buffer.from(long).toString("hex")}zz`];
}

/** Of one key: messages that hold it where it doesn't belong. */
function messages(key) {
	const execute = (more) => ({ type: "execute", task: "Say hi", ...more });
	const bash = (more, input) => ({ type: "tool", id: "t", name: "Bash", input: { command: "true", ...input }, ...more });
	return [
		...[key, `Bearer ${key}`, ...encoded(key), { key }].map((anthropicApiKey) => execute({ anthropicApiKey })),
		execute({ anthropicApiKey: "", apiKey: key, token: { key }, env: { ANTHROPIC_API_KEY: key } }),
		execute({ tokenType: key }), execute({ context: { key } }), execute({ attachments: { key } }), execute({ task: { key } }),
		execute({ anthropicApiKey: "", attachments: [{ name: "a", type: "t", content: "", token: key }] }),
		execute({ attachments: [{ name: { key }, type: "t", content: "" }] }),
		bash({ anthropicApiKey: key }), bash({ token: key }), bash({ name: key }), bash({ id: { key } }),
		bash({}, { apiKey: key }), bash({}, { env: { TOKEN: key } }), bash({}, { timeout: key }), bash({}, { command: { key } }), bash({ input: key }),
		{ type: "cancel", anthropicApiKey: key }, { type: "cancel", id: { key } }, { type: "diff", token: key }, { type: "ping", token: key },
		{ type: "heartbeat", token: key }, { type: key }, { key }, [key], key, `{"type":"execute","anthropicApiKey":"${key}`,
	];
}

const forms = KEYS.flatMap((key) => [key, ...encoded(key)]);
const holds = (text) => forms.find((form) => text.includes(form));

test("in no answer to a message", async () => {
	for (const key of KEYS)
		for (const message of messages(key)) {
			const from = sandbox.messages.length;
			sandbox.send(message);
			await sandbox.wait((m) => /^(error|tool_result|complete|diff|pong|heartbeat_ack)$/.test(m.type), { from, what: `an answer to ${JSON.stringify(message)}` });
		}
	assert.equal(holds(JSON.stringify(sandbox.messages)), undefined);
});

test("in no answer to a request", async () => {
	const { github } = rig;
	for (const key of KEYS) {
		const urls = [`user:${key}@`, `${key}@`, `x-access-token:${key}@`].map((user) => github.url.replace("://", `://${user}`) + `/${repoKey}`);
		const bodies = urls.flatMap((repoUrl) => [{ repoKey, repoUrl }, { repoKey: repoUrl, repoUrl }, { repoKey: `${key}@${repoKey}`, repoUrl }, { repoKey, repoUrl: `${github.url}/${repoKey}?token=${key}` }]);
		for (const body of bodies) {
			const check = await rig.server.request("/api/sandbox/check", { method: "POST", body: { workspaceSlug: rig.slug, ...body } });
			assert.equal(check.status, 400, check.text);
			const create = await rig.server.request("/api/sandbox/create", { method: "POST", body: { workspaceSlug: rig.slug, branch: `a b ${key}`, ...body } });
			assert.equal(create.status, 400, create.text);
			const query = new URLSearchParams({ workspaceSlug: rig.slug, redirectUri: body.repoUrl, ticket: key, ...body });
			const oauth = await rig.server.request(`/oauth/github?${query}`, { redirect: "manual" });
			assert.ok(oauth.status >= 400, String(oauth.status));
			assert.equal(holds(check.text + create.text + oauth.text), undefined, check.text + create.text + oauth.text);
		}
	}
});

function* filesBelow(dir) {
	for (const entry of readdirSync(dir, { withFileTypes: true })) {
		const file = path.join(dir, entry.name);
		if (entry.isDirectory()) yield* filesBelow(file);
		// An image of a box's disk: what is in it, a checkout, is looked at elsewhere.
		else if (entry.isFile() && entry.name !== "disk.img") yield file;
	}
}

/** Where one of these bytes is: in the instance's files, its cluster's tables and write-ahead log among them. */
function found(wanted) {
	const bytes = wanted.map((text) => Buffer.from(text));
	return [...filesBelow(rig.server.dir)].filter((file) => {
		try {
			const text = readFileSync(file);
			return bytes.some((each) => text.includes(each));
		} catch (error) {
			if (["ENOENT", "EACCES"].includes(error.code)) return false;
			throw error;
		}
	}).map((file) => path.relative(rig.server.dir, file));
}

test("in no row, write-ahead log, log or file", async () => {
	const { output } = await sandbox.tool("Bash", { command: "echo seen" }, { id: CONTROL });
	assert.equal(output, "seen\n");
	rig.server.psql("checkpoint");
	assert.ok(found([CONTROL]).some((file) => file.includes("pg_wal/")), "the search finds what is there");
	assert.deepEqual(found(forms), []);
	const dump = execFileSync("pg_dump", ["-h", rig.server.pgHost, "-U", "postgres", "--data-only", "craft"], { maxBuffer: 1 << 30 });
	assert.ok(dump.includes(rig.slug));
	assert.equal(forms.find((form) => dump.includes(form)), undefined);
});
