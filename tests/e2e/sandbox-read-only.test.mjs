// What read-only keys may do, by the tables themselves: every message of craft-ws-bridge --list-messages, every route of craft-fcgi
// --list-routes. A sandbox's host is played through SQL.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { program } from "../harness/api_spec.mjs";
import { startRig } from "../harness/oauth.mjs";
import { openSandbox, PlayedHost, stream } from "../harness/sandbox_stream.mjs";
import { waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const READ_ONLY = "This key is read-only: nothing was changed";
let rig, server, host, session, reader, writer;

const table = (name, option) => execFileSync(program(name), [option], { encoding: "utf8" }).trimEnd().split("\n").map((line) => line.split("\t"));

async function add(name, ...options) {
	const { code, stdout, stderr } = await rig.cloud("key", "add", "--workspace", "team", "--name", name, ...options);
	assert.deepEqual([code, stderr], [0, ""]);
	rig.secrets.add(stdout.trim());
	return stdout.trim();
}

before(async () => {
	rig = await startRig();
	server = rig.server;
	host = await PlayedHost.alone(server);
	session = host.sandbox("team");
	[reader, writer] = [await add("reader", "--read-only"), await add("writer")];
});
after(() => rig?.stop());

const state = () => server.psql(`select last_activity_at, expires_at, seq, (select count(*) from app.sandbox_job where session_id = '${session}') from app.sandbox_session where id = '${session}'`).join();
const grownOld = () => server.psql(`update app.sandbox_session set last_activity_at = now() - interval '1 hour', expires_at = now() + interval '5 min' where id = '${session}'`);

test("of a sandbox's messages it may send what listens, and that keeps nothing alive", async (t) => {
	const messages = table("ws-bridge/craft-ws-bridge", "--list-messages").filter(([kind]) => kind === "sandbox");
	assert.deepEqual(messages.map(([, name]) => name), ["ping", "heartbeat", "execute", "tool", "cancel", "diff"]);
	const client = await openSandbox(server, "team", session, { key: reader, since: 0 });
	t.after(() => client.kill());
	grownOld();
	const before = state();
	const more = { execute: { task: "x" }, tool: { id: "t", name: "Bash", input: { command: "true" } } };
	for (const [, type, effect] of messages) {
		assert.match(effect, /^(listens|changes)$/, type);
		const answer = await client.call({ type, ...more[type] });
		if (effect === "listens") assert.equal(answer.type, "pong", type);
		else assert.deepEqual([answer.type, answer.message], [type === "tool" ? "tool_result" : "error", READ_ONLY], type);
	}
	assert.deepEqual(messages.filter(([, , effect]) => effect === "listens").map(([, name]) => name), ["ping"]);
	// What would keep it alive goes to the database by itself, once a second at most: somebody else's does.
	const other = await openSandbox(server, "team", session, { key: writer });
	t.after(() => other.kill());
	for (let i = 0; i < 5; i++) await client.settle();
	assert.equal(state(), before, "nothing was changed or kept alive");
	await waitFor(async () => state() !== before || ((await other.call({ type: "heartbeat" })).type !== "heartbeat_ack"), { what: "a heartbeat with another key to count" });
	// It hears what is said.
	host.say(session, stream(1));
	await client.until(() => client.messages.some((m) => m.data === "line 1"), "what the sandbox says");
});

test("of a workspace's messages it may send none", async (t) => {
	const messages = table("ws-bridge/craft-ws-bridge", "--list-messages").filter(([kind]) => kind === "workspace");
	assert.ok(messages.length >= 16);
	const client = await connect(server, "team", { apiKey: reader });
	t.after(() => client.close());
	const values = { "id": "x", "string": "x", "string-or-null": null, "object": {}, "array": [], "any": 1 };
	const before = server.psqlValue("select seq from app.workspace where slug = 'team'");
	for (const [, type, , , fields] of messages) {
		const data = Object.fromEntries((fields ? fields.split(" ") : []).map((field) => field.split(":")).map(([name, kind]) => [name, values[kind]]));
		assert.equal((await client.call(type, data)).error, READ_ONLY, type);
	}
	assert.equal(server.psqlValue("select seq from app.workspace where slug = 'team'"), before);
});

test("of the routes it may use those that read", async () => {
	const routes = table("fcgi/craft-fcgi", "--list-routes");
	assert.ok(routes.length > 35);
	grownOld();
	const before = state();
	const names = { slug: "team", workspace: "team", session: "s", sessionId: session, type: "attachments", filename: "f", id: "x", fileName: "f", sourceSlug: "x", repoKey: "a%2Fb", owner: "a", repo: "b", path: "f" };
	for (const [methods, pattern, key, effect] of routes) {
		assert.match(effect, /^(reads|changes)$/, pattern);
		if (key === "none") continue; // No key is asked for: GitHub sends the browser there.
		const target = pattern.replace(/[:*](\w+)/g, (_, name) => names[name] ?? assert.fail(name));
		for (const method of methods.split(", ").filter((m) => m !== "HEAD")) {
			const { status, json } = await server.request(target, { key: reader, method, ...(method === "POST" && { body: { workspaceSlug: "team" } }), ...(method === "PUT" && { body: "x" }) });
			if (effect === "changes") assert.deepEqual([status, json], [403, { error: READ_ONLY }], `${method} ${target}`);
			else assert.notEqual(json?.error, READ_ONLY, `${method} ${target}`);
		}
	}
	assert.equal(state(), before);
});
