// A client of a sandbox's WebSocket, and a sandbox host that is played through SQL: what craft-sandboxd says to the
// database, without boxes.
//
//	const host = await PlayedHost.alone(server)
//	const session = host.sandbox("my-team")                       // claimed and ready
//	const client = await openSandbox(server, "my-team", session, { since: 0, client: "me", bridge: 1 })
//	host.say(session, { type: "stream", data: "x" })
//	await client.waitFor(1)                                       // client.messages: [{ raw, type, seq, … }]

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { WebSocket } from "ws";
import { alive, waitFor } from "./server.mjs";
import { bridgeSocket, within } from "./sync.mjs";

const DEADLINE = 20000;

export function sandboxPath(server, slug, session, params = {}) {
	const url = new URL(server.wsUrl(slug, params));
	return `${url.pathname}/sandbox/ws/${session}${url.search}`;
}

// options: since, client (parameters), bridge (0, 1…: past nginx), key (null: none), deflate, ws. Rejects with the HTTP
// answer as the error's `response` when there is no upgrade.
export async function openSandbox(server, slug, session, options = {}) {
	const params = {};
	for (const name of ["since", "client"]) if (options[name] !== undefined) params[name] = options[name];
	const path = sandboxPath(server, slug, session, params);
	const base = options.bridge === undefined ? server.url.replace(/^http/, "ws") : `ws+unix:${bridgeSocket(server, options.bridge)}:`;
	const ws = new WebSocket(base + path, server.wsOptions({ key: options.key, perMessageDeflate: options.deflate ?? false, ...options.ws }));
	const client = new SandboxClient(ws);
	await within(client.opened, options.deadline ?? DEADLINE, "the upgrade");
	return client;
}

export class SandboxClient {
	constructor(ws) {
		this.ws = ws;
		this.messages = []; // all that came, parsed, with their text as `raw`
		this.watchers = new Set();
		this.opened = new Promise((resolve, reject) => {
			ws.once("open", resolve);
			ws.once("error", reject);
			ws.once("unexpected-response", async (request, response) => {
				const body = Buffer.concat(await response.toArray()).toString();
				reject(Object.assign(new Error(`no upgrade: ${response.statusCode} ${body}`), { response: { status: response.statusCode, headers: response.headers, body } }));
			});
		});
		this.closed = new Promise((resolve) =>
			ws.once("close", (code, reason) => {
				this.closing = { code, reason: reason.toString() };
				resolve(this.closing);
				this.wake();
			}),
		);
		ws.on("error", () => {});
		ws.on("message", (data) => {
			const raw = data.toString();
			this.messages.push({ ...JSON.parse(raw), raw });
			this.wake();
		});
	}

	wake() {
		for (const watcher of this.watchers) watcher();
	}

	send(message) {
		this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
	}

	// Sends, and resolves with the next message that `accept` takes (by default any).
	async call(message, accept = () => true, deadline = DEADLINE) {
		const start = this.messages.length;
		this.send(message);
		return this.until(() => this.messages.slice(start).find(accept), `the answer to ${JSON.stringify(message).slice(0, 100)}`, deadline);
	}

	until(check, what = "a condition", deadline = DEADLINE) {
		let watcher;
		const found = new Promise((resolve, reject) => {
			watcher = () => {
				const value = check();
				if (value) resolve(value);
				else if (this.closing) reject(new Error(`connection closed (${this.closing.code} ${this.closing.reason}) while waiting for ${what}`));
			};
			this.watchers.add(watcher);
			watcher();
		});
		return within(found, deadline, what).finally(() => this.watchers.delete(watcher));
	}

	waitFor(count, deadline) {
		return this.until(() => this.messages.length >= count && this.messages, `${count} messages (${this.messages.length} are there)`, deadline);
	}

	// All that was sent before is here when it resolves. The pong isn't kept.
	async settle(deadline) {
		const pong = await this.call({ type: "ping" }, (m) => m.type === "pong", deadline);
		this.messages.splice(this.messages.indexOf(pong), 1);
	}

	async close(code = 1000) {
		if (this.ws.isPaused) this.ws.resume();
		this.ws.close(code);
		return within(this.closed, DEADLINE, "the close");
	}

	kill() {
		this.ws.terminate();
		return this.closed;
	}
}

// A session of the cluster's superuser that stays: for locks, and for what LISTEN brings.
export class SqlSession {
	constructor(server) {
		this.output = "";
		this.count = 0;
		this.psql = spawn("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", path.join(server.runDir, "pg"), "-U", "postgres", "-d", "craft"], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		this.psql.stdout.on("data", (data) => (this.output += data));
	}

	// Resolves when it is done, with all the output so far.
	async run(sql) {
		const mark = `-- done ${++this.count} --`;
		this.psql.stdin.write(`${sql};\n\\echo '${mark}'\n`);
		await waitFor(() => this.output.includes(mark), { what: sql });
		return this.output;
	}

	end() {
		this.psql.stdin.end();
	}
}

const quote = (text) => (text === null ? "null" : `'${String(text).replaceAll("'", "''")}'`);

export class PlayedHost {
	// The only host of the server: the one that script/up starts is ended.
	static async alone(server) {
		const pids = server.ready.pids["craft-sandboxd"] ?? [];
		for (const pid of pids) process.kill(pid, "SIGTERM");
		await waitFor(() => !pids.some(alive), { what: "craft-sandboxd to end" });
		return new PlayedHost(server);
	}

	constructor(server, capacity = 1000) {
		this.server = server;
		this.id = randomUUID();
		server.psql(`select api.host_begin('${this.id}', 'played', '0', ${capacity}, 'none')`);
	}

	// A sandbox of the workspace, ready unless `state` is something else; its id.
	sandbox(slug, { state = "ready", idle = 1800 } = {}) {
		this.beat();
		this.server.psql(`select api.project_remember(${quote(slug)}, 'octo/hello', 'https://github.com/octo/hello')`);
		const [[status, session]] = this.server.psql(
			`select status, session from api.sandbox_create(${quote(slug)}, 'octo/hello', 'main', ${idle}, 1000)`,
		);
		if (status !== "ok") throw new Error(`no sandbox: ${status}`);
		this.server.psql(`select api.sandbox_claim('${this.id}', 1000)`);
		if (state) this.server.psql(`select api.sandbox_state('${this.id}', '${session}', '${state}', null, null)`);
		return session;
	}

	beat() {
		this.server.psql(`select api.host_beat('${this.id}', '{}', 1800)`);
	}

	// Appends messages (objects, or texts as they are) in one transaction; the number of the last. tell: give the hint.
	say(session, messages, { target = "", tell = true } = {}) {
		const list = [messages].flat().map((m) => quote(typeof m === "string" ? m : JSON.stringify(m)));
		return this.saySelect(session, `values ${list.map((text, n) => `(${n}, ${text})`).join(", ")}`, { target, tell });
	}

	// The same for bodies that SQL makes: rows (order, text).
	saySelect(session, rows, { target = "", tell = true } = {}) {
		const seq = this.server.psqlValue(`select api.sandbox_append('${this.id}', '${session}',
			(select seq from app.sandbox_session where id = '${session}'),
			array_agg(${quote(target)}::text), array_agg(x.body order by x.n)) from (${rows}) x (n, body)`);
		if (!seq) throw new Error("the messages weren't taken");
		if (tell) this.server.psql(`select api.stream_announce('${session}:${seq}')`);
		return Number(seq);
	}

	// Takes the jobs that wait: [{ job, session, client, kind, tool_id, name, payload }]
	jobs() {
		return this.server
			.psql(`select job, session, client, kind, coalesce(tool_id, ''), coalesce(name, ''), payload from api.sandbox_jobs('${this.id}', 1000)`)
			.map(([job, session, client, kind, id, name, payload]) => ({ job, session, client, kind, tool_id: id, name, payload }));
	}

	ended(job, outcome = "success") {
		this.server.psql(`select api.sandbox_job_end(${job.job}, '${outcome}', 0, 0)`);
	}
}

// ---- what the tests of it say in one word ----

let counter = 0;
export const slugOf = () => `stream-${process.pid}-${++counter}`;
export const range = (n, from = 1) => Array.from({ length: n }, (_, i) => from + i);
export const stream = (n) => ({ type: "stream", data: `line ${n}` });
export const numbers = (client) => client.messages.map((m) => m.seq);
export const datas = (client) => client.messages.map((m) => m.data);

// A played host's sandbox, and a way to open clients of it that go when the case t is over.
export function place(t, host) {
	const slug = slugOf();
	const session = host.sandbox(slug);
	const open = async (more) => {
		const client = await openSandbox(host.server, slug, session, more);
		t.after(() => client.kill());
		return client;
	};
	return { slug, session, open };
}

// The answer to an upgrade that has to fail.
export async function refused(promise) {
	const error = await promise.then(
		(client) => client.kill().then(() => assert.fail("let in")),
		(e) => e,
	);
	assert.ok(error.response, error);
	return { status: error.response.status, json: JSON.parse(error.response.body), headers: error.response.headers };
}
