// The story of a sandbox in headless Chromium: created by fetch, the model's key encrypted by WebCrypto, the task's lines over the browser's
// own WebSocket, and a diff that is good for git apply.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { launchChromium, noChromium as skip } from "../harness/chromium.mjs";
import { git } from "../harness/oauth.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { answer, files, steps } from "../harness/story.mjs";

const slug = "équipe 1";
const repoKey = "alice/sums";
const work = mkdtempSync(path.join(tmpdir(), "craft-sandbox-browser-"));
let rig, browser;

after(async () => {
	await browser?.close();
	rmSync(work, { recursive: true, force: true });
	await rig?.stop();
});

if (!skip) {
	rig = await startSandboxRig({ slug });
	await rig.addRepo(repoKey, files);
	browser = await launchChromium();
}

// Runs in the page: all that a client does, with what a browser has.
async function useSandbox({ apiKey, modelKey, workspaceSlug, repo, salt }) {
	const utf8 = new TextEncoder();
	const encrypt = async () => {
		const password = await crypto.subtle.importKey("raw", utf8.encode(apiKey), "PBKDF2", false, ["deriveKey"]);
		const key = await crypto.subtle.deriveKey({ name: "PBKDF2", hash: "SHA-256", salt: utf8.encode(salt), iterations: 100_000 },
			password, { name: "AES-GCM", length: 256 }, false, ["encrypt"]);
		const iv = crypto.getRandomValues(new Uint8Array(12));
		const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, utf8.encode(modelKey)));
		return btoa(String.fromCharCode(...iv, ...sealed));
	};
	const response = await fetch("/api/sandbox/create", { method: "POST", body: JSON.stringify({ workspaceSlug, repoKey: repo, branch: "main" }),
		headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" } });
	const { sessionId, wsUrl } = await response.json();
	const socket = new WebSocket(`${wsUrl}?apiKey=${encodeURIComponent(apiKey)}`);
	const messages = [];
	const end = new Promise((resolve, reject) => {
		socket.onmessage = ({ data }) => {
			const message = JSON.parse(data);
			messages.push({ ...message, at: performance.now() });
			if (message.type === "complete") resolve();
			if (message.type === "error") reject(new Error(message.message));
		};
		socket.onclose = ({ code }) => reject(new Error(`closed: ${code}`));
	});
	await new Promise((resolve, reject) => {
		socket.onopen = resolve;
		socket.onerror = () => reject(new Error("no WebSocket"));
	});
	// The clone isn't waited for: the task does that.
	socket.send(JSON.stringify({ type: "execute", task: "Make the test pass.", anthropicApiKey: await encrypt(), tokenType: "api_key" }));
	await end;
	socket.onclose = null;
	socket.close();
	return { sessionId, messages };
}

async function applies(diff, tree) {
	const clone = path.join(work, "clone");
	const url = rig.github.cloneUrl(repoKey, rig.github.issueToken("alice"));
	writeFileSync(path.join(work, "patch"), diff);
	rmSync(clone, { recursive: true, force: true });
	assert.ok((await git(work, rig.github.caFile, "clone", "-q", url, clone)).ok);
	const { ok, err } = await git(clone, rig.github.caFile, "apply", "--index", path.join(work, "patch"));
	assert.ok(ok, err);
	assert.equal((await git(clone, rig.github.caFile, "write-tree")).out, tree);
}

for (const salt of [`craft-agent-sandbox:${slug}`, slug]) {
	test(`a task from a browser, salt ${salt}`, { skip }, async () => {
		rig.anthropic.script(steps());
		const context = await browser.newContext({ ignoreHTTPSErrors: true });
		const page = await context.newPage();
		await page.goto(`${rig.server.url}/`);
		const { sessionId, messages } = await page.evaluate(useSandbox,
			{ apiKey: rig.server.apiKey, modelKey: rig.modelKey, workspaceSlug: slug, repo: repoKey, salt });
		await context.close();
		const streams = messages.filter((m) => m.type === "stream");
		const result = messages.find((m) => m.type === "result");
		assert.deepEqual([result.success, result.output, messages.at(-1).exitCode], [true, answer, 0]);
		assert.ok(streams.length >= 14);
		assert.ok(streams.at(-1).at - streams[0].at > 5, "not all at once");
		assert.ok(streams.every((m) => typeof JSON.parse(m.data).type === "string"));
		const client = await rig.connect(sessionId, { slug });
		const { output } = await client.bash("git add -A && git write-tree");
		await applies(result.diff, output);
		await client.delete();
		await rig.gone(sessionId);
	});
}
