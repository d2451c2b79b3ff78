// A small sync client over npm ws: what the app's own client does, plus the raw text of everything.
//
//	const a = await connect(server, 'my-team', { since: 0 })
//	const answer = await a.call('session:create', { id: 's1' })   // { raw, requestId, data, error, seq }
//	await a.waitFor(3)                                            // until three broadcasts are there
//
// Answers come in the order of the requests, so each is given to the oldest call that waits: requestIds
// are the tests' own, and may be equal or absent. An answer that nobody waits for is kept as a fault.

import { readdirSync } from "node:fs";
import path from "node:path";
import { WebSocket } from "ws";
import { paced } from "./pace.mjs";

const DEADLINE = 20000;
let counter = 0;

function workspaceUrl(server, workspace, options) {
	const query = {};
	if (options.auth === "query") query.apiKey = options.apiKey ?? server.apiKey;
	for (const name of ["since", "epoch", "client"]) if (options[name] !== undefined) query[name] = options[name];
	const url = server.wsUrl(workspace, query);
	// One certain bridge is reached by its own socket: nginx would choose.
	return options.bridge === undefined ? url : `ws+unix:${bridgeSocket(server, options.bridge)}:${url.slice(url.indexOf("/workspace/"))}`;
}

export function bridgeSocket(server, index) {
	const names = readdirSync(server.runDir)
		.filter((name) => /^ws.*\.sock$/.test(name))
		.sort();
	if (!names[index]) throw new Error(`no socket of bridge ${index} among ${names}`);
	return path.join(server.runDir, names[index]);
}

// Opens a WebSocket without waiting for it. options: since, epoch, client (query parameters), bridge
// (0, 1…: past nginx, straight to that one), auth ('header', 'query', 'none'), apiKey, headers, deflate (as npm ws takes it), ws (more).
export function open(server, workspace, options = {}) {
	const headers = { ...options.headers };
	if ((options.auth ?? "header") === "header") headers.Authorization = `Bearer ${options.apiKey ?? server.apiKey}`;
	return new WebSocket(workspaceUrl(server, workspace, options), {
		rejectUnauthorized: false,
		perMessageDeflate: options.deflate ?? false,
		maxPayload: 0,
		headers,
		...options.ws,
	});
}

// Rejects with the HTTP answer ({ status, headers, body }) as the error's `response` when there is no upgrade.
export async function connect(server, workspace, options = {}) {
	const ws = open(server, workspace, options);
	const client = new SyncClient(ws);
	await within(
		new Promise((resolve, reject) => {
			ws.once("open", resolve);
			ws.once("error", reject);
			ws.once("unexpected-response", (request, response) => {
				const chunks = [];
				response.on("data", (chunk) => chunks.push(chunk));
				response.on("end", () => {
					const body = Buffer.concat(chunks).toString();
					const error = new Error(`no upgrade: ${response.statusCode} ${body}`);
					error.response = { status: response.statusCode, headers: response.headers, body };
					reject(error);
				});
			});
		}),
		options.deadline ?? DEADLINE,
		"the upgrade",
	);
	if (options.since !== undefined) await client.until(() => client.hello, "hello", options.deadline);
	return client;
}

export function within(promise, ms, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = paced(ms, (patience) => reject(new Error(`${what}: nothing within ${patience}`)));
	});
	return Promise.race([promise, late]).finally(() => timer.clear());
}

export class SyncClient {
	constructor(ws) {
		this.ws = ws;
		this.texts = []; // every text frame, as it came
		this.broadcasts = []; // { raw, event, seq }
		this.answers = []; // { raw, requestId, data, error, seq }
		this.stray = []; // what should not have come
		this.hello = null;
		this.pending = [];
		this.watchers = new Set();
		this.closed = new Promise((resolve) =>
			ws.once("close", (code, reason) => {
				this.closing = { code, reason: reason.toString() };
				resolve(this.closing);
				for (const { reject } of this.pending.splice(0)) reject(new Error(`connection closed (${code}) before the answer`));
				this.wake();
			}),
		);
		// Without a listener a broken connection would end the test process; 'close' tells it all.
		ws.on("error", (error) => {
			this.failure = error;
		});
		ws.on("message", (data, binary) => this.receive(data.toString(), binary));
	}

	receive(text, binary) {
		this.texts.push(text);
		const message = JSON.parse(text);
		if (binary) {
			this.stray.push(text);
		} else if (message.type === "response") {
			const answer = { raw: text, requestId: message.requestId, data: message.data, error: message.error, seq: message.seq };
			this.answers.push(answer);
			const waiting = this.pending.shift();
			if (waiting) waiting.resolve(answer);
			else this.stray.push(text);
		} else if (message.type === "broadcast") {
			this.broadcasts.push({ raw: text, event: message.event, seq: message.seq });
		} else if (message.type === "hello" && this.texts.length === 1) {
			this.hello = message;
		} else {
			this.stray.push(text);
		}
		this.wake();
	}

	wake() {
		for (const watcher of this.watchers) watcher();
	}

	// Sends one text frame as it is; resolves with its answer.
	send(text, deadline = DEADLINE) {
		const answer = new Promise((resolve, reject) => this.pending.push({ resolve, reject }));
		this.ws.send(text);
		return within(answer, deadline, `the answer to ${String(text).slice(0, 100)}`);
	}

	call(type, data, requestId = `r${++counter}`, deadline) {
		return this.send(JSON.stringify({ type, data, requestId }), deadline);
	}

	// As call(), for requests that must succeed; resolves with the answer's data.
	async ok(type, data, requestId, deadline) {
		const answer = await this.call(type, data, requestId, deadline);
		if (answer.error !== undefined) throw new Error(`${type}: ${answer.error}`);
		return answer.data;
	}

	// Resolves as soon as check() is true; looks again at every frame.
	until(check, what = "a condition", deadline = DEADLINE) {
		let watcher;
		const found = new Promise((resolve, reject) => {
			watcher = () => {
				const value = check();
				if (value) resolve(value);
				else if (this.closing)
					reject(new Error(`connection closed (${this.closing.code} ${this.closing.reason}) while waiting for ${what}`));
			};
			this.watchers.add(watcher);
			watcher();
		});
		return within(found, deadline, what).finally(() => this.watchers.delete(watcher));
	}

	// Until `count` broadcasts came in all; resolves with them.
	async waitFor(count, deadline) {
		await this.until(() => this.broadcasts.length >= count, `${count} broadcasts`, deadline);
		return this.broadcasts;
	}

	async close(code = 1000) {
		if (this.ws.isPaused) this.ws.resume();
		this.ws.close(code);
		return within(this.closed, DEADLINE, "the close");
	}

	// As a lost network: no close frame.
	kill() {
		this.ws.terminate();
		return this.closed;
	}
}

// All broadcasts before this call have reached every client in `clients` when it resolves: a change of
// labels that carries a mark of its own, made by `writer`, which must not be one of them.
export async function settle(writer, clients, deadline = DEADLINE) {
	const mark = `settle-${process.pid}-${++counter}`;
	await writer.ok("labels:save", { mark }, undefined, deadline);
	await Promise.all(
		clients.map((client) =>
			client.until(
				() => client.broadcasts.some((b) => b.event.entity === "labels" && b.event.data?.mark === mark),
				"the settling mark",
				deadline,
			),
		),
	);
}

export function withoutMarks(broadcasts) {
	return broadcasts.filter((b) => !b.event.data?.mark?.startsWith?.("settle-"));
}
