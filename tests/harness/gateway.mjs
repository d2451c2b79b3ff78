// gateway.mjs: a craft-sandbox-gateway of its own for a test, started by gateway_driver as the daemon does it.
//
//   const gateway = await startGateway({ model: upstream.url, egress: "127.0.0.1:8080" });
//   after(() => gateway.stop());
//   gateway.key("sk-ant-…");
//   const { status, headers, text } = await gateway.request("api", "/v1/models");

import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import readline from "node:readline";
import { ROOT, waitFor } from "./server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const running = new Set();

// CRAFT_WRAPPER's words; valgrind goes on with the gateway that the driver starts.
function wrapper() {
	const words = (process.env.CRAFT_WRAPPER ?? "").split(" ").filter(Boolean);
	return words[0] === "valgrind" ? [...words, "--trace-children=yes"] : words;
}

/** settings: as gateway_driver has them: model, model-ca, git, git-ca, repo, egress, token, head-timeout. */
export async function startGateway(settings = {}) {
	const gateway = new Gateway(settings);
	running.add(gateway);
	try {
		await gateway.start();
	} catch (error) {
		gateway.kill();
		throw error;
	}
	return gateway;
}

export class Gateway {
	/** events: as they come; pid: of the gateway; errors: what it and the driver wrote to stderr. */
	constructor(settings) {
		this.dir = mkdtempSync(path.join(tmpdir(), "craft-gateway-"));
		chmodSync(this.dir, 0o755);
		this.settings = { model: "http://127.0.0.1:9", git: "http://127.0.0.1:9", repo: "octo/notes", run: this.dir,
			libexec: path.join(BUILD, "sandbox"), ...settings };
		Object.assign(this, { events: [], pid: 0, ended: null, errors: "", agent: new http.Agent({ keepAlive: true }) });
	}

	async start() {
		const command = [...wrapper(), path.join(BUILD, "tests/gateway_driver")];
		this.child = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
		this.child.stdin.on("error", () => {});
		this.child.stderr.setEncoding("utf8").on("data", (said) => { this.errors += said; });
		const failed = [];
		this.exited = new Promise((resolve) => this.child.on("exit", (code, signal) => resolve(code ?? signal)));
		readline.createInterface({ input: this.child.stdout }).on("line", (line) => {
			const { started, user, error, event, ended } = JSON.parse(line);
			if (started) Object.assign(this, { pid: started, user });
			if (error) failed.push(error);
			if (event) this.events.push(event);
			if (ended !== undefined) this.ended = ended;
		});
		for (const [name, value] of Object.entries(this.settings))
			if (value !== null && value !== undefined) this.tell(`${name} ${value}`);
		this.tell("start");
		await waitFor(() => this.pid || failed.length, { what: "the gateway's start" });
		if (failed.length) throw new Error(failed.join("; "));
	}

	tell(command) { this.child.stdin.write(`${command}\n`); }
	key(key = "") { this.tell(`key ${key}`); }
	oauth(token = "") { this.tell(`oauth ${token}`); }
	submodule(repo, token = "") { this.tell(`submodule ${repo} ${token}`.trim()); }

	/** Ends it; throws when it didn't end well, or said something. */
	async stop() {
		if (!running.delete(this)) return;
		this.agent.destroy();
		this.child.stdin.end();
		const code = await this.exited;
		rmSync(this.dir, { recursive: true, force: true });
		const said = this.errors.split("\n").filter((line) => /level=(error|warn)|ERROR|runtime error|ThreadSanitizer|^==\d+== (?!Warning:)/.test(line));
		if (code !== 0 || this.ended !== 0 || said.length)
			throw new Error(`the gateway ended with ${this.ended}, its driver with ${code}\n${this.errors}`);
	}

	kill() {
		running.delete(this);
		this.child.kill("SIGKILL");
		rmSync(this.dir, { recursive: true, force: true });
	}

	socketPath(name) { return path.join(this.dir, `${name}.sock`); }

	/** One request: {status, headers, rawHeaders, text, body, complete}. An answer that is cut rejects. */
	request(name, target, { method = "GET", headers = {}, body, agent = this.agent } = {}) {
		return new Promise((resolve, reject) => {
			const req = http.request({ socketPath: this.socketPath(name), path: target, method, headers, agent });
			req.on("error", reject);
			req.on("response", (res) => {
				const parts = [];
				res.on("data", (part) => parts.push(part));
				res.on("error", reject);
				res.on("end", () => {
					const bytes = Buffer.concat(parts);
					resolve({ status: res.statusCode, headers: res.headers, rawHeaders: res.rawHeaders, body: bytes,
						text: bytes.toString("utf8") });
				});
			});
			req.end(body);
		});
	}

	post(name, target, body, { headers = {}, ...more } = {}) {
		return this.request(name, target, { method: "POST", body, headers: { "content-type": "application/json", ...headers },
			...more });
	}

	connect(name) { return net.connect({ path: this.socketPath(name), allowHalfOpen: true }); }

	/** Sends bytes and resolves to all that comes until the gateway closes. */
	raw(name, bytes) { return readAll(this.connect(name), bytes); }

	/** CONNECT: resolves to {status, head, socket}: what follows is the tunnel's. */
	async tunnel(target, early = "") {
		const socket = this.connect("egress");
		socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n${early}`);
		let head = Buffer.alloc(0);
		for await (const part of socket.iterator({ destroyOnReturn: false })) {
			head = Buffer.concat([head, part]);
			const end = head.indexOf("\r\n\r\n");
			if (end < 0) continue;
			if (end + 4 < head.length) socket.unshift(head.subarray(end + 4));
			head = head.subarray(0, end + 4).toString("latin1");
			break;
		}
		return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head: String(head), socket };
	}

	/** Waits for an event that has these values. */
	event(wanted, deadline) {
		return waitFor(() => this.events.find((event) => Object.entries(wanted).every(([name, value]) =>
			value instanceof RegExp ? value.test(event[name]) : event[name] === value)),
		{ deadline, what: `an event ${JSON.stringify(wanted)}` });
	}
}

/** Sends bytes and resolves to all that the other side sends before it closes. */
export function readAll(socket, bytes, { end = false } = {}) {
	return new Promise((resolve, reject) => {
		let text = "";
		socket.setEncoding("latin1").on("data", (part) => { text += part; });
		socket.on("error", reject);
		socket.on("end", () => {
			socket.end();
			resolve(text);
		});
		if (bytes !== undefined) socket.write(bytes, "latin1");
		if (end) socket.end();
	});
}

/** A server of the test's own: {url, port, requests, connections, close()}. requests: {method, url, headers, body}, each
 *  when it is whole. handle(req, res, body) answers. */
export async function startUpstream(handle, { tls, createServer = http.createServer } = {}) {
	const requests = [], sockets = new Set();
	const server = createServer({ ...tls }, async (req, res) => {
		const parts = [];
		res.on("error", () => {});
		try {
			for await (const part of req) parts.push(part);
		} catch {
			return;
		}
		const body = Buffer.concat(parts);
		requests.push({ method: req.method, url: req.url, headers: req.headers, rawHeaders: req.rawHeaders, body });
		await handle(req, res, body);
	});
	let connections = 0;
	server.on("connection", (socket) => {
		connections++;
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
	});
	await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address();
	return { port, url: `${tls ? "https" : "http"}://127.0.0.1:${port}`, requests, sockets,
		get connections() { return connections; },
		close() {
			const closed = new Promise((resolve) => server.close(resolve));
			for (const socket of sockets) socket.destroy();
			return closed;
		} };
}

process.on("exit", () => { for (const gateway of running) gateway.kill(); });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(1));
