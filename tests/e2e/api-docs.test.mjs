// docs/api.md: every line of it works as it stands there, in this order, and answers what stands under it. All that passes is
// held against docs/openapi.yaml and docs/asyncapi.yaml, and all that these describe is met.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { asyncapi, openapi } from "../harness/api_spec.mjs";
import { Shell, assertFrames, assertLike, reads, story } from "../harness/api_story.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { ROOT } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const SLUG = "demo";
const rest = openapi(), messages = asyncapi();
const met = new Set(), spoken = { receive: new Set(), send: new Set() };
let rig, listener;
const dir = mkdtempSync(path.join(tmpdir(), "craft-docs-"));
after(async () => {
	await listener?.close();
	await rig?.stop();
	rmSync(dir, { recursive: true, force: true });
});

rig = await startSandboxRig({ slug: SLUG });
const { server } = rig;
await rig.github.addRepo("alice/notes", { private: true, files: { "README.md": "# Notes\n" } });
rig.anthropic.script(() => ({ text: "Hi." }));
listener = await connect(server, SLUG, { since: 0 });
symlinkSync(path.join(ROOT, "tests/node_modules"), path.join(dir, "node_modules"));
const cert = path.join(server.dir, "tls/cert.pem");
const shell = new Shell(dir, { URL: server.url, KEY: server.apiKey, GITHUB: rig.github.url, MODEL_KEY: rig.modelKey,
	CURL_CA_BUNDLE: cert, NODE_EXTRA_CA_CERTS: cert });

// ---- what a reader does in a browser ----

let lastLocation;

/** Grants access on the page that the last answer led to; the callback's URL. */
const consented = async () => rig.rig.note(await rig.github.authorize(rig.rig.note(lastLocation), "alice"));

async function prepare(code) {
	if (code.includes("$CALLBACK")) shell.env.CALLBACK = await consented();
}

// ---- what came ----

const onlyHead = (code) => /curl -I\b|-D - /.test(code);

function assertHeaders(stdout, expected) {
	const lines = stdout.split(/\r?\n/).map((line) => line.replace(/^[^:]+:/, (name) => name.toLowerCase()));
	for (const wanted of expected.split("\n").filter(Boolean))
		assert.ok(lines.some((line) => reads(line, wanted)), `no ${wanted} in\n${stdout}`);
	lastLocation = lines.find((line) => line.startsWith("location: "))?.slice("location: ".length);
}

async function checkRest(code, answer, { stdout, curls }) {
	const { status, method, pathname, target, type } = curls.at(-1);
	assert.equal(status, answer.status, stdout);
	for (const curl of curls) {
		const operation = rest.find(curl.method, curl.pathname);
		assert.ok(operation, `${curl.method} ${curl.pathname} isn't in docs/openapi.yaml`);
		met.add(operation.name);
	}
	const operation = rest.find(method, pathname);
	if (status < 300) assert.equal(rest.requestBody(operation, /--json '(.*?)' -H/.exec(code)?.[1].replaceAll("'\"$GITHUB\"'", rig.github.url)), null);
	assert.equal(rest.answer(operation, status, type, onlyHead(code) ? undefined : stdout), null);
	if (answer.json !== undefined) {
		assert.match(type, /^application\/json\b/);
		assertLike(JSON.parse(stdout), answer.json);
	} else if (onlyHead(code)) assertHeaders(stdout, answer.text);
	else assert.ok(reads(stdout.replace(/\n$/, ""), answer.text), stdout);
	if (method === "GET" && /Bearer \$KEY|apiKey=\$KEY/.test(code)) await checkHead(target, pathname, status);
}

/** HEAD answers as GET does. */
async function checkHead(target, pathname, status) {
	const operation = rest.find("HEAD", pathname);
	if (!operation) return;
	met.add(operation.name);
	const head = await server.request(target, { method: "HEAD" });
	if (status === 200 || status >= 400) assert.equal(head.status, status, `HEAD ${target}`);
	assert.equal(head.body.length, 0);
	if (head.status < 400) assert.ok(operation.operation.responses[head.status], `HEAD ${target}: ${head.status} is not described`);
}

function note(channel, action, message) {
	for (const name of messages.check(channel, action, message)) spoken[action].add(`${channel} ${name}`);
}

const parsed = (text) => {
	try {
		return JSON.parse(text);
	} catch {
		return {};
	}
};

/** A request that was granted is as the file says, and its answer too. */
function checkChange(text, frame) {
	if (frame.error !== undefined) return;
	const message = parsed(text);
	note("workspace", "receive", message);
	const { "x-answer": kind } = Object.values(messages.document.components.messages).find(({ name }) => name === message.type);
	if (kind === "success") assert.deepEqual(frame.data, { success: true });
	else assert.equal(frame.data.success, undefined);
}

function checkMessages({ frames: expected }, { stdout, url, said }) {
	const frames = stdout.trim().split("\n").map((line) => JSON.parse(line));
	const channel = url.includes("/sandbox/ws/") ? "sandbox" : "workspace";
	for (const frame of frames) note(channel, "send", frame);
	const statuses = expected.some(({ type }) => type === "status");
	assertFrames(frames.filter(({ type }) => statuses || type !== "status"), expected);
	if (channel === "workspace") {
		const responses = frames.filter(({ type }) => type === "response");
		const [pings, changes] = [true, false].map((is) => said.filter((text) => (parsed(text).type === "ping") === is));
		for (const ping of pings) note(channel, "receive", parsed(ping));
		assert.deepEqual([responses.length, frames.filter(({ type }) => type === "pong").length], [changes.length, pings.length]);
		changes.forEach((text, i) => checkChange(text, responses[i]));
	} else {
		for (const message of said.map(parsed)) if (message.type !== "nonsense") note(channel, "receive", message);
	}
}

// ---- the story ----

for (const { title, code, answer } of story())
	test(title, async () => {
		await prepare(code);
		const came = await shell.run(code);
		if (answer?.frames) checkMessages(answer, came);
		else if (answer) await checkRest(code, answer, came);
	});

test("every operation of docs/openapi.yaml was met", () => {
	assert.deepEqual(rest.operations.map(({ name }) => name).filter((name) => !met.has(name)), []);
});

test("every message of docs/asyncapi.yaml was met", () => {
	for (const action of ["receive", "send"])
		for (const channel of ["workspace", "sandbox"])
			assert.deepEqual(messages.messages(channel, action).filter((name) => !spoken[action].has(`${channel} ${name}`)), [], `${channel}, ${action}`);
});

test("everybody else heard of every kind of change, as docs/asyncapi.yaml has it", async () => {
	const kinds = () => [...new Set(listener.broadcasts.map(({ event }) => `${event.entity}/${event.action}`))].sort();
	const wanted = [...new Set(Object.values(messages.document.components.messages).map((m) => m["x-event"]).filter(Boolean))].sort();
	await listener.until(() => kinds().length === wanted.length, `events of ${wanted}`);
	assert.deepEqual(kinds(), wanted);
	for (const { raw } of listener.broadcasts) note("workspace", "send", JSON.parse(raw));
});

test("the document names every tool, and no secret is in its answers", () => {
	const text = readFileSync(path.join(ROOT, "docs/api.md"), "utf8");
	for (const name of messages.document.components.schemas.ToolName.enum) assert.ok(text.includes(`"name":"${name}"`), name);
	assert.ok(!text.includes(server.apiKey));
});
