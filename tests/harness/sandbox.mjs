// sandbox.mjs: a server with its sandbox daemon, a fake GitHub and a fake Messages API that know each other, and clients of sandboxes.
//
//   const rig = await startSandboxRig();
//   after(() => rig.stop());
//
//   await rig.addRepo("alice/notes", { "a.txt": "hello\n" });         // private, with a credential for workspace rig.slug
//   const sandbox = await rig.ready("alice/notes");                   // created, connected, cloned
//   const { output } = await sandbox.bash("cat a.txt");
//   const { lines, result, complete } = await sandbox.execute("Say hi");
//   await sandbox.delete();
//
// The model's key is remembered as a secret: stop() fails when a log holds it.

import assert from "node:assert/strict";
import { createCipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import WebSocket from "ws";
import { startAnthropic } from "../fakes/anthropic.mjs";
import { startRig } from "./oauth.mjs";
import { alive, waitFor } from "./server.mjs";

const derived = new Map();

function derive(password, salt) {
	const name = `${password}\0${salt}`;
	if (!derived.has(name)) derived.set(name, pbkdf2Sync(password, salt, 100_000, 32, "sha256"));
	return derived.get(name);
}

/** A key as clients send it: base64 of IV, AES-256-GCM ciphertext and tag, under PBKDF2 of the API key. */
export function sealKey(apiKey, salt, plain) {
	const iv = randomBytes(12);
	const cipher = createCipheriv("aes-256-gcm", derive(apiKey, salt), iv);
	return Buffer.concat([iv, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

/** env: configuration; anthropic: options of startAnthropic; more: as startRig takes it. */
export async function startSandboxRig({ env = {}, anthropic: options = {}, slug = "team", ...more } = {}) {
	const anthropic = await startAnthropic(options);
	try {
		const rig = await startRig({ ...more, env: { ANTHROPIC_BASE_URL: anthropic.url,
			...(anthropic.caFile && { ANTHROPIC_CA_FILE: anthropic.caFile }), ...env } });
		return new SandboxRig(rig, anthropic, slug);
	} catch (error) {
		await anthropic.close();
		throw error;
	}
}

export class SandboxRig {
	constructor(rig, anthropic, slug) {
		Object.assign(this, { rig, anthropic, slug, server: rig.server, github: rig.github });
		this.modelKey = anthropic.keys.add();
		rig.secrets.add(this.modelKey);
	}

	async stop() {
		try {
			await this.rig.stop();
		} finally {
			await this.anthropic.close();
		}
	}

	/** A repository of alice's with these files, and her credential for it. options: as the fake's addRepo takes them. */
	async addRepo(repoKey, files = { "README.md": "# Notes\n" }, { slug = this.slug, ...options } = {}) {
		await this.github.addRepo(repoKey, { private: true, files, ...options });
		await this.connectRepo(repoKey, slug);
	}

	async connectRepo(repoKey, slug = this.slug, login = "alice") {
		await this.rig.check(slug, repoKey);
		await this.rig.authorize(slug, repoKey, login);
	}

	sealedKey({ slug = this.slug, key = this.modelKey, salt = `craft-agent-sandbox:${slug}` } = {}) {
		return sealKey(this.server.apiKey, salt, key);
	}

	/** POST /api/sandbox/create. */
	create(repoKey, { slug = this.slug, branch = "main", ...more } = {}) {
		return this.server.request("/api/sandbox/create", { method: "POST",
			body: { workspaceSlug: slug, repoKey, branch }, ...more });
	}

	/** A sandbox that was created and a client of it. */
	async begin(repoKey, { slug = this.slug, branch, params } = {}) {
		const answer = await this.create(repoKey, { slug, ...(branch !== undefined && { branch }) });
		assert.equal(answer.status, 200, answer.text);
		return this.connect(answer.json.sessionId, { slug, params });
	}

	/** The same, and its clone is there. */
	async ready(repoKey, options) {
		const client = await this.begin(repoKey, options);
		await client.waitStatus("ready");
		return client;
	}

	/** Another client of a sandbox. params: such as {since: 0}. */
	async connect(sessionId, { slug = this.slug, params = {} } = {}) {
		const client = new SandboxClient(this, sessionId, slug);
		await client.connect(params);
		return client;
	}

	/** Directory of a sandbox on the host. */
	instanceDir(sessionId) { return path.join(this.server.dir, "sandboxes/inst", sessionId); }

	/** Processes below the daemon: [{pid, comm, cmdline}]. */
	daemonProcesses() {
		const [daemon] = this.server.ready.pids["craft-sandboxd"];
		const found = [];
		const walk = (pid) => {
			for (const child of childrenOf(pid)) {
				found.push({ pid: child, comm: read(`/proc/${child}/comm`).trim(), cmdline: read(`/proc/${child}/cmdline`).replaceAll("\0", " ") });
				walk(child);
			}
		};
		walk(daemon);
		return found;
	}

	/** Waits until nothing of a sandbox is on the host any more. */
	async gone(sessionId) {
		await waitFor(() => !existsSync(this.instanceDir(sessionId)), { what: "the removal of its files", deadline: 15_000 });
		await waitFor(() => this.server.psqlValue(`select cleaned_at is not null from app.sandbox_session where id = '${sessionId}'`) !== "f",
			{ what: "the record of its removal" });
	}
}

function read(file) {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return "";
	}
}

function childrenOf(pid) {
	try {
		return readdirSync(`/proc/${pid}/task`).flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(" "))
			.filter(Boolean).map(Number).filter(alive);
	} catch {
		return [];
	}
}

export class SandboxClient {
	#lastId = 0;

	constructor(rig, sessionId, slug) {
		Object.assign(this, { rig, sessionId, slug, messages: [], closed: null });
	}

	get base() { return `/api/sandbox/${encodeURIComponent(this.slug)}/${this.sessionId}`; }

	/** options: of ws, such as perMessageDeflate. */
	async connect(params = {}, options = {}) {
		const { server } = this.rig;
		const url = new URL(`${server.wsUrl(this.slug)}/sandbox/ws/${this.sessionId}`);
		for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
		this.ws = new WebSocket(url, server.wsOptions(options));
		this.closed = null;
		this.ws.on("message", (data) => this.messages.push(JSON.parse(data.toString("utf8"))));
		this.ws.on("close", (code, reason) => { this.closed = { code, reason: reason.toString() }; });
		await new Promise((resolve, reject) => {
			this.ws.once("open", resolve);
			this.ws.once("error", reject);
		});
		this.ws.on("error", () => {});
		return this;
	}

	send(message) { this.ws.send(typeof message === "string" ? message : JSON.stringify(message)); }

	/** The first message after index from that fits; waits for it. */
	wait(fits, { from = 0, deadline = 30_000, what = "a message" } = {}) {
		return waitFor(() => this.messages.slice(from).find(fits), { deadline,
			what: `${what}; the last: ${JSON.stringify(this.messages.slice(-3)).slice(0, 1000)}` });
	}

	/** REST: the sandbox session. */
	async session() { return (await this.rig.server.request(`${this.base}/status`)).json; }

	async waitStatus(status, { deadline = 60_000 } = {}) {
		return waitFor(async () => {
			const session = await this.session();
			if (session.status === "expired" && status !== "expired") throw new Error(`expired: ${session.error}`);
			return session.status === status && session;
		}, { deadline, what: `status ${status}` });
	}

	heartbeat() { return this.rig.server.request(`${this.base}/heartbeat`, { method: "POST" }); }

	async delete() {
		const answer = await this.rig.server.request(this.base, { method: "DELETE" });
		assert.equal(answer.status, 200, answer.text);
		return answer;
	}

	close() { this.ws.close(); }

	/** Sends a tool request; resolves to its tool_result. */
	tool(name, input, { id = `t${++this.#lastId}`, deadline = 60_000, ...more } = {}) {
		const from = this.messages.length;
		this.send({ type: "tool", id, name, input, ...more });
		return this.wait((m) => m.type === "tool_result" && m.id === id, { from, deadline, what: `the result of ${name} ${id}` });
	}

	/** A shell command that must succeed, unless fails: its tool_result. */
	async bash(command, { fails = false, timeout, ...options } = {}) {
		const result = await this.tool("Bash", { command, ...(timeout && { timeout }) }, options);
		if (!fails) assert.ok(result.success, `${command}\n${JSON.stringify(result).slice(0, 2000)}`);
		return result;
	}

	/** Everything changed, as a patch. */
	async diff() {
		const from = this.messages.length;
		this.send({ type: "diff" });
		return (await this.wait((m) => m.type === "diff", { from, what: "the diff" })).diff;
	}

	/** Sends a task without waiting. more: other fields; key null: none. */
	startTask(task, { key = this.rig.sealedKey({ slug: this.slug }), ...more } = {}) {
		this.send({ type: "execute", task, ...(key !== null && { anthropicApiKey: key }), ...more });
	}

	/** A task to its end: {lines (parsed where they are JSON), streams (as they came), result, complete} or {error}. */
	async execute(task, { deadline = 60_000, ...options } = {}) {
		const from = this.messages.length;
		this.startTask(task, options);
		return this.taskEnd({ from, deadline });
	}

	async taskEnd({ from = 0, deadline = 60_000 } = {}) {
		const end = await this.wait((m) => m.type === "complete" || m.type === "error", { from, deadline, what: "the end of the task" });
		const messages = this.messages.slice(from);
		const streams = messages.filter((m) => m.type === "stream").map((m) => m.data);
		const lines = streams.flatMap((line) => {
			try {
				return [JSON.parse(line)];
			} catch {
				return [];
			}
		});
		if (end.type === "error") return { lines, streams, error: end.message };
		return { lines, streams, result: messages.find((m) => m.type === "result"), complete: end };
	}
}
