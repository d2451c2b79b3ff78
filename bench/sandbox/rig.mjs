// rig.mjs: what the cases of sandboxes share: the server with its fakes, clients that note when something came, programs
// outside the box to compare with, and sums.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";
import { agentProgram } from "../../tests/harness/agent.mjs";
import { SandboxClient, startSandboxRig } from "../../tests/harness/sandbox.mjs";
import { ROOT } from "../../tests/harness/server.mjs";

export const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");

const exec = promisify(execFile);

/** Milliseconds of the monotonic clock, the one that bench/talker reads. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Runs a program of bench/ and resolves to the numbers of its line "name=1 other=2". */
export async function program(name, ...args) {
	const { stdout } = await exec(path.join(BUILD, "bench", name), args.map(String));
	return Object.fromEntries([...stdout.matchAll(/(\w+)=([\d.]+)/g)].map(([, key, value]) => [key, Number(value)]));
}

// ---- sums ----

/** The value that the share p (0 to 1) of all doesn't exceed. */
export function percentile(values, p) {
	assert.ok(values.length, "nothing was measured");
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
}

export const median = (values) => percentile(values, 0.5);

/** For people, beside the table: "4.1 … 5.2 … 9.0" are the least, the median and the most. */
export const spread = (values) => [percentile(values, 0), median(values), percentile(values, 1)]
	.map((value) => value.toFixed(1)).join(" … ");

// ---- what is said to bench/run ----

export const figure = (row, value) => console.log(`figure ${row} ${value}`);
export const limit = (row, value) => console.log(`limit ${row} ${value}`);
export const note = (text) => console.log(`note ${text}`);

// ---- the server ----

const SLUG = "bench";

/** Runs body(rig) with a server; stops it in any case. options: as startSandboxRig takes them. */
export async function withRig(options, body) {
	const rig = await startSandboxRig({ slug: SLUG, ...options });
	try {
		return await body(rig);
	} finally {
		await rig.stop();
	}
}

/** Fails when there is no Claude Code; its path. */
export async function agent() {
	const found = await agentProgram();
	if (!found) throw new Error("Claude Code isn't installed: run script/bootstrap, or set SANDBOX_AGENT");
	return found;
}

/** A client whose messages have the time at which they came, as `at`. */
export class TimedClient extends SandboxClient {
	#waiting = new Set();

	async connect(params) {
		// Unpacking costs ws some 100 µs a message: its own limit would be measured.
		await super.connect(params, { perMessageDeflate: false });
		// Its messages are there already: the first listener was SandboxClient's.
		this.ws.on("message", () => {
			const message = this.messages.at(-1);
			message.at = now();
			for (const one of this.#waiting) one(message);
		});
		this.ws.on("close", () => { for (const one of this.#waiting) one(null); });
		return this;
	}

	/** The next message that fits, at once when it comes. Ask before sending what it answers. */
	next(fits, { deadline = 120_000, what = "a message" } = {}) {
		return new Promise((resolve, reject) => {
			const end = (then, value) => {
				clearTimeout(timer);
				this.#waiting.delete(look);
				then(value);
			};
			const fail = (why) => end(reject, new Error(`${why} instead of ${what}; the last: ` +
				JSON.stringify(this.messages.slice(-3)).slice(0, 1000)));
			const look = (message) => {
				if (message === null) fail("the connection was closed");
				else if (fits(message)) end(resolve, message);
				else if (message.type === "error" || message.status === "expired") fail("an error came");
			};
			const timer = setTimeout(() => fail("nothing came"), deadline);
			this.#waiting.add(look);
		});
	}

	/** A tool call: milliseconds from sending it to its result, which must be a success. */
	async timeTool(name, input, id) {
		const answer = this.next((m) => m.type === "tool_result" && m.id === id, { what: `the result of ${name}` });
		const begin = now();
		this.send({ type: "tool", id, name, input });
		const result = await answer;
		assert.ok(result.success, JSON.stringify(result).slice(0, 1000));
		return result.at - begin;
	}

	/** A task: milliseconds from sending it to its first line, its result and its end; and the messages. */
	async timeTask(task) {
		const from = this.messages.length;
		const first = this.next((m) => m.type === "stream", { what: "the first line" });
		const result = this.next((m) => m.type === "result", { what: "the result" });
		const complete = this.next((m) => m.type === "complete", { what: "the end of the task" });
		const begin = now();
		this.startTask(task);
		const times = (await Promise.all([first, result, complete])).map(({ at }) => at - begin);
		const messages = this.messages.slice(from);
		const answer = messages.find(({ type }) => type === "result");
		assert.ok(answer.success, JSON.stringify(answer).slice(0, 1000));
		return { first: times[0], result: times[1], complete: times[2], messages };
	}
}

/** A new sandbox: {client, answered, ready: milliseconds from asking for it}. */
export async function createTimed(rig, repoKey) {
	const begin = now();
	const answer = await rig.create(repoKey);
	const answered = now() - begin;
	assert.equal(answer.status, 200, answer.text);
	const client = new TimedClient(rig, answer.json.sessionId, rig.slug);
	// All from the beginning: it may be ready before the connection is.
	await client.connect({ since: 0 });
	const isReady = (m) => m.type === "status" && m.status === "ready";
	const message = client.messages.find(isReady) ?? await client.next(isReady, { what: "the end of the clone" });
	return { client, answered, ready: (message.at ?? now()) - begin };
}

/** Ends a sandbox and waits until nothing of it is left. */
export async function remove(rig, client) {
	client.close();
	await client.delete();
	await rig.gone(client.sessionId);
}

// ---- outside the box ----

/** A directory of the server's, so that it is on the same disk; what was in it is removed. */
export function scratch(rig, name) {
	const dir = path.join(rig.server.dir, "bench", name);
	rmSync(dir, { recursive: true, force: true });
	mkdirSync(dir, { recursive: true });
	return dir;
}

/** git clone --depth 1 without anything around it, by the same URL and token: {dir, ms}. */
export async function bareClone(rig, repoKey, name = "clone") {
	const dir = scratch(rig, name);
	const env = { PATH: process.env.PATH, HOME: dir, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0",
		GIT_SSL_CAINFO: rig.github.caFile };
	const url = rig.github.cloneUrl(repoKey, rig.rig.tokens.at(-1));
	const begin = now();
	await exec("git", ["clone", "-q", "--depth", "1", "--branch", "main", url, path.join(dir, "repo")], { env });
	return { dir: path.join(dir, "repo"), ms: now() - begin };
}

/** Claude Code outside, with the environment that it has in the box, in its duplex mode. */
export class BareAgent {
	#turn = null;
	#errors = "";

	constructor(rig, claude, { cwd, home = scratch(rig, "home"), args = [] }) {
		const env = { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8", TERM: "dumb", SHELL: "/bin/bash",
			ANTHROPIC_BASE_URL: rig.anthropic.url, ANTHROPIC_API_KEY: rig.modelKey,
			CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: "1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
			DISABLE_AUTOUPDATER: "1", CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1", CLAUDE_CODE_DISABLE_CRON: "1" };
		this.begin = now();
		this.child = spawn(claude, ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
			"--strict-mcp-config", ...args], { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
		this.ended = new Promise((resolve) => this.child.on("close", resolve));
		this.child.on("close", () => this.#turn?.(null));
		this.child.on("error", (error) => { this.#errors += error.message; });
		this.child.stdin.on("error", () => {});
		this.child.stderr.setEncoding("utf8").on("data", (said) => { this.#errors += said; });
		readline.createInterface({ input: this.child.stdout }).on("line", (line) => this.#turn?.(line));
	}

	/** A turn: milliseconds from begin (default: from now) to its first line and to its result, which must be good. */
	turn(text, begin = now()) {
		return new Promise((resolve, reject) => {
			let first;
			this.#turn = (line) => {
				if (line === null) reject(new Error(`Claude Code ended: ${this.#errors.slice(-1000)}`));
				first ??= now() - begin;
				const message = line === null ? {} : JSON.parse(line);
				if (message.type !== "result") return;
				this.#turn = null;
				if (message.is_error) reject(new Error(line.slice(0, 1000)));
				else resolve({ first, result: now() - begin, text: message.result });
			};
			this.child.stdin.write(`${JSON.stringify({ type: "user",
				message: { role: "user", content: [{ type: "text", text }] } })}\n`);
		});
	}

	/** The first turn, from the start of the process on. */
	firstTurn(text) { return this.turn(text, this.begin); }

	async stop() {
		this.child.stdin.end();
		await this.ended;
	}
}

// ---- CPU time ----

// Of the server's processes and of this one: name to milliseconds.
function cpuTimes({ server }) {
	const roots = new Set([process.pid, ...Object.values(server.ready.pids).flat()]);
	const all = new Map();
	for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
		try {
			const [, name, rest] = /\((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
			const fields = rest.split(" ");
			all.set(pid, { name, parent: Number(fields[1]), ms: (Number(fields[11]) + Number(fields[12])) * 10 });
		} catch {
			// It has ended.
		}
	}
	const ours = (pid) => pid > 1 && (roots.has(pid) || (all.has(pid) && ours(all.get(pid).parent)));
	const times = {};
	for (const [pid, { name, ms }] of all) if (ours(pid)) times[name] = (times[name] ?? 0) + ms;
	return times;
}

/** Runs body(), resolves to what it resolves to, and notes where the CPU time of meanwhile went. */
export async function withCpu(rig, what, body) {
	const before = cpuTimes(rig), begin = now();
	const value = await body();
	const used = Object.entries(cpuTimes(rig)).map(([name, ms]) => [name, ms - (before[name] ?? 0)])
		.filter(([, ms]) => ms >= 20).sort((a, b) => b[1] - a[1]);
	const list = used.map((pair) => pair.join(" ")).join(", ");
	note(`${what} took ${(now() - begin).toFixed(0)} ms; CPU in ms: ${list} (node: client and fakes)`);
	return value;
}
