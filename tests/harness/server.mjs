// server.mjs: starts the real thing for an end-to-end test, on a free port and a directory of its own.
//
//   import { startServer, waitFor } from "../harness/server.mjs";
//
//   const server = await startServer({ env: { WS_MAX_MESSAGE: "1M" }, bridges: 2 });
//   after(() => server.stop());
//
//   const { status, headers, body, json } = await server.request("/workspace/w/sessions");
//   const ws = new WebSocket(server.wsUrl("w", { since: 0 }), server.wsOptions());
//   const rows = server.psql("select count(*) from report.sessions");
//
// Environment of a whole run: CRAFT_BUILD_DIR (another configured build, such as one with sanitizers),
// CRAFT_WRAPPER (put before the daemons, such as valgrind), CRAFT_KEEP=1 (leave the directories behind).

import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, chmodSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { http2Request, overHttp2, sentOverHttp2 } from "./http2.mjs";
import { scanLogs } from "./logs.mjs";
import { Patience } from "./pace.mjs";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

const running = new Set();

/** Calls cond (may be async) until it returns something truthy, which is the result.
 *  deadline: milliseconds of a machine of its own (pace.mjs); what: for the error. A throwing cond counts as "not yet", its error is shown. */
export async function waitFor(cond, { deadline = 10_000, every = 20, what = "the condition" } = {}) {
	const patience = new Patience(deadline);
	let last;
	for (;;) {
		try {
			const value = await cond();
			if (value) return value;
			last = undefined;
		} catch (error) {
			last = error;
		}
		if (patience.over)
			throw new Error(`waited ${patience} in vain for ${what}`, { cause: last });
		await new Promise((done) => setTimeout(done, every));
	}
}

/** Is this process alive (not counting a zombie)? */
export function alive(pid) {
	try {
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
}

/** Runs a program of script/ and resolves to {code, stdout, stderr}; never rejects because of the exit code. */
export function script(name, args, env = {}) {
	return new Promise((resolve) => {
		execFile(path.join(ROOT, "script", name), args,
			{ env: { ...process.env, ...env }, maxBuffer: 64 << 20 },
			(error, stdout, stderr) => resolve({ code: error ? (error.code ?? 1) : 0, stdout, stderr }));
	});
}

/** Starts PostgreSQL, nginx, craft-fcgi and the bridges through script/up.
 *  env: configuration keys and other environment; dir: state directory (default: a new one, removed by stop());
 *  bridges: number of craft-ws-bridge processes; port: HTTPS port, 0 = a free one; respawn: what dies is started again, which
 *  most tests do themselves, when it was dead for as long as they want. */
export async function startServer({ env = {}, dir, bridges = 1, port = 0, respawn = false } = {}) {
	const own = dir === undefined;
	if (own) {
		dir = mkdtempSync(path.join(tmpdir(), "craft-e2e-"));
		chmodSync(dir, 0o755);
	}
	const server = new Server(dir, own, { ...env, WS_BRIDGES: String(bridges) }, respawn);
	running.add(server);
	try {
		await server.up(port);
	} catch (error) {
		// script/up has stopped what it had started.
		server.remove();
		throw error;
	}
	return server;
}

export class Server {
	/** url "https://127.0.0.1:PORT", port, apiKey, dir, ready (the parsed ready.json with .pids) */
	constructor(dir, own, env, respawn = false) {
		Object.assign(this, { dir, own, env, respawn, url: "", port: 0, apiKey: "", ready: null });
	}

	/** Starts it (again); throws with script/up's output when it doesn't come up. */
	async up(port = this.port) {
		const { code, stdout, stderr } = await script("up", ["--dir", this.dir, "--port", String(port), "--detach",
			...(this.respawn ? [] : ["--no-respawn"])], this.env);
		if (code !== 0) throw new Error(`script/up ended with ${code}\n${stdout}${stderr}`);
		this.ready = JSON.parse(readFileSync(path.join(this.dir, "ready.json"), "utf8"));
		this.url = this.ready.url;
		this.port = Number(new URL(this.url).port);
		this.apiKey = this.ready.apiKey;
		// One agent per server, so that its idle connections can be closed with it.
		this.agent?.destroy();
		this.agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
	}

	/** Stops everything, the data stay; throws when a daemon had to be killed. */
	async down() {
		this.agent?.destroy();
		const { code, stdout, stderr } = await script("down", ["--dir", this.dir]);
		if (code !== 0 || /had to be killed/.test(stderr))
			throw new Error(`script/down ended with ${code}\n${stdout}${stderr}`);
	}

	/** down and up again on the same port and data. env: added to what startServer got. */
	async restart({ env = {}, bridges } = {}) {
		Object.assign(this.env, env);
		if (bridges) this.env.WS_BRIDGES = String(bridges);
		await this.down();
		await this.up();
	}

	/** Stops everything and removes a directory that startServer made. Throws when a sanitizer or valgrind
	 *  complained in a log, or an API key stands in one. */
	async stop() {
		if (!running.has(this)) return;
		try {
			await this.down();
			if (this.agent && sentOverHttp2(this.agent) && !this.logs("nginx").includes("HTTP/2.0")) throw new Error("no request went over HTTP/2");
			scanLogs(this.logDir, this.apiKey);
		} finally {
			this.remove();
		}
	}

	remove() {
		running.delete(this);
		if (this.own && !process.env.CRAFT_KEEP) rmSync(this.dir, { recursive: true, force: true });
	}

	get logDir() { return path.join(this.dir, "log"); }
	/** Where the sockets are: run/ may be a link to a short path. */
	get runDir() { return realpathSync(path.join(this.dir, "run")); }

	/** Where psql() and query() find the database: another server's socket directory once that one has taken over. */
	get pgHost() { return this.otherHost ?? path.join(this.runDir, "pg"); }
	set pgHost(dir) { this.otherHost = dir; }

	/** All logs whose file name starts with prefix, as one text. */
	logs(prefix = "") {
		return readdirSync(this.logDir).filter((name) => name.startsWith(prefix))
			.map((name) => readFileSync(path.join(this.logDir, name), "utf8")).join("");
	}

	/** Sends a signal to the processes of that name: "postgres", "nginx", "craft-fcgi", "craft-ws-bridge".
	 *  index: only the n-th of them. */
	kill(name, signal = "SIGTERM", index) {
		const pids = this.ready.pids[name];
		for (const pid of index === undefined ? pids : [pids[index]]) process.kill(pid, signal);
	}

	/** Stops the database under the running daemons, and starts it again (by script/up's own means). */
	stopDatabase() { return this.#only("down", "postgres"); }

	startDatabase() { return this.#only("up", "postgres"); }

	/** The same for craft-sandboxd. It need not run to be stopped, and may have been killed. */
	stopSandboxd() { return this.#only("down", "craft-sandboxd"); }

	startSandboxd() { return this.#only("up", "craft-sandboxd"); }

	async #only(program, name) {
		const { code, stdout, stderr } = await script(program, ["--dir", this.dir, "--only", name], this.env);
		if (code !== 0 || (name !== "postgres" && /had to be killed/.test(stderr)))
			throw new Error(`script/${program} --only ${name} ended with ${code}\n${stdout}${stderr}`);
		if (program === "up") this.ready = JSON.parse(readFileSync(path.join(this.dir, "ready.json"), "utf8"));
	}

	/** Runs SQL as the cluster's superuser: the rows as arrays of texts (null is ""). user: another role,
	 *  given by `set role`. */
	psql(sql, { role } = {}) {
		const { status, stdout, stderr } = spawnSync("psql", this.#psqlArguments(sql, role), psqlOptions());
		if (status !== 0) throw new Error(`psql: ${stderr}`);
		return psqlRows(stdout);
	}

	/** The same while the world goes on. */
	query(sql, { role } = {}) {
		return new Promise((resolve, reject) => {
			execFile("psql", this.#psqlArguments(sql, role), psqlOptions(),
				(error, stdout, stderr) => (error ? reject(new Error(`psql: ${stderr}`)) : resolve(psqlRows(stdout))));
		});
	}

	/** One connection: write(sql), whose results nobody sees, and end(). */
	openPsql() {
		const child = spawn("psql", ["-Xq", "-h", this.pgHost, "-U", "postgres", "-d", "craft"], { ...psqlOptions(), stdio: ["pipe", "ignore", "inherit"] });
		return { write: (sql) => child.stdin.write(`${sql}\n`), end: () => new Promise((ended) => { child.on("exit", ended).stdin.end(); }) };
	}

	#psqlArguments(sql, role) {
		return ["-XqAt", "-F", "\u001f", "-R", "\u001e", "-v", "ON_ERROR_STOP=1",
			"-h", this.pgHost, "-U", "postgres", "-d", "craft",
			...(role ? ["-c", `set role ${role}`] : []), "-c", sql];
	}

	/** The first column of the first row. */
	psqlValue(sql, options) { return this.psql(sql, options)[0]?.[0]; }

	/** One request; the path goes out exactly as given. Resolves to {status, headers, body (Buffer), text, json}:
	 *  json is a getter. key: null for none; a text for another one than the server's. body: text, Buffer or, as an
	 *  object, sent as JSON. Responses are not decompressed. */
	request(target, { method = "GET", headers = {}, body, key = this.apiKey, agent = this.agent } = {}) {
		if (key !== null && !("Authorization" in headers)) headers = { ...headers, Authorization: `Bearer ${key}` };
		if (body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body)) {
			body = JSON.stringify(body);
			headers = { "Content-Type": "application/json", ...headers };
		}
		if (body !== undefined && !("Content-Length" in headers) && !("Transfer-Encoding" in headers))
			headers = { ...headers, "Content-Length": Buffer.byteLength(body) };
		if (overHttp2({ target, headers, agent }, this.agent))
			return http2Request({ port: this.port, path: target, method, headers, agent }, body).then((res) => answer(res, res.body));
		return new Promise((resolve, reject) => {
			const req = https.request({ host: "127.0.0.1", port: this.port, path: target, method, headers, agent,
				rejectUnauthorized: false, maxHeaderSize: 1 << 20 });
			req.on("response", (res) => resolve(collect(res)));
			// An upgrade that was refused or granted is answered on the raw socket.
			req.on("upgrade", (res, socket) => {
				socket.destroy();
				resolve(answer(res, Buffer.alloc(0)));
			});
			req.on("error", reject);
			req.end(body);
		});
	}

	/** "wss://127.0.0.1:PORT/workspace/<slug>?…" without the key: give ws its options by wsOptions(), or apiKey here. */
	wsUrl(slug, params = {}) {
		const query = Object.entries(params).map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
		return `${this.url.replace(/^http/, "ws")}/workspace/${encodeURIComponent(slug)}${query ? `?${query}` : ""}`;
	}

	/** Options for new WebSocket() of ws. */
	wsOptions(options = {}) {
		const { key = this.apiKey, headers = {}, ...rest } = options;
		return { rejectUnauthorized: false, maxPayload: 1 << 30,
			headers: { ...(key === null ? {} : { Authorization: `Bearer ${key}` }), ...headers }, ...rest };
	}
}

const psqlOptions = () => ({ encoding: "utf8", maxBuffer: 1 << 30, env: { ...process.env, PGCONNECT_TIMEOUT: "10" } });

function psqlRows(stdout) {
	const text = stdout.replace(/\n$/, "");
	return text === "" ? [] : text.split("\u001e").map((row) => row.split("\u001f"));
}

async function collect(res) {
	const parts = [];
	for await (const part of res) parts.push(part);
	return answer(res, Buffer.concat(parts));
}

function answer(res, body) {
	return { status: res.statusCode ?? res.status, headers: res.headers, rawHeaders: res.rawHeaders, body,
		get text() { return body.toString("utf8"); },
		get json() { return JSON.parse(body.toString("utf8")); } };
}

// A test file that dies leaves no server behind.
function stopAll() {
	for (const server of running) {
		spawnSync(path.join(ROOT, "script", "down"), ["--dir", server.dir], { stdio: "ignore" });
		server.remove();
	}
}
process.on("exit", stopAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(1));
