// files.mjs: what the tests of files and assets share: a workspace's requests, each answer checked for what holds
// for all of them; HTTP byte by byte; the directory of blobs.
//
//   const w = new Room(server);                                    // a workspace of its own
//   await w.put("s1/attachments/a%20b.png", bytes(1000), { type: "image/png" });
//   const { headers, body } = await w.get("s1/attachments/a%20b.png", { headers: { Range: "bytes=0-9" } });

import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import tls from "node:tls";
import { EXPOSED, names } from "./headers.mjs";
import { paced } from "./pace.mjs";
import { waitFor } from "./server.mjs";

const DEADLINE = 20_000;
let counter = 0;

/** n bytes that no compression shortens and that no other seed has. */
export function bytes(n, seed = ++counter) {
	const key = createHash("md5").update(`${process.pid} ${seed}`).digest();
	return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(n));
}

export const sha256 = (data, encoding = "hex") => createHash("sha256").update(data).digest(encoding);

/** The signature of a path (decoded, without the leading slash). */
export const signature = (key, file, exp) => createHmac("sha256", key).update(`${file}:${exp}`).digest("hex");

export const inSeconds = (n) => Math.floor(Date.now() / 1000) + n;

/** How often the header is there. */
export const count = (answer, name) =>
	answer.rawHeaders.filter((h, i) => i % 2 === 0 && h.toLowerCase() === name.toLowerCase()).length;

/** What every answer has, whoever makes it. status: the expected one, or several. */
export function check(answer, status, what, { method = "GET" } = {}) {
	const where = `${what}: ${answer.status} ${answer.status >= 400 ? answer.text.slice(0, 200) : ""}`;
	assert.ok([status].flat().includes(answer.status), `${where} instead of ${status}`);
	assert.equal(answer.headers["access-control-allow-origin"], "*", where);
	assert.match(answer.headers["x-request-id"] ?? "", /^[\w-]{8,64}$/, where);
	assert.equal(answer.headers["x-content-type-options"], "nosniff", where);
	assert.deepEqual(names(answer.headers["access-control-expose-headers"]), EXPOSED, where);
	assert.equal(answer.headers["cross-origin-resource-policy"], "cross-origin", where);
	for (const name of Object.keys(answer.headers)) assert.equal(count(answer, name), 1, `${name} twice: ${where}`);
	if (answer.status < 400) return answer;
	assert.match(answer.headers["content-type"] ?? "", /^application\/json\b/, where);
	assert.equal(answer.headers["www-authenticate"] !== undefined, answer.status === 401, `WWW-Authenticate: ${where}`);
	if (method === "HEAD") {
		assert.equal(answer.body.length, 0, where);
		return answer;
	}
	assert.deepEqual(Object.keys(answer.json), ["error"], where);
	assert.ok(typeof answer.json.error === "string" && answer.json.error.length > 3, where);
	assert.doesNotMatch(answer.text, /nginx|<html|select |libpq|blobs|incoming|\.c:\d/i, where);
	return answer;
}

/** A workspace, by default one that no other test uses. Paths are those behind it, percent-encoded. */
export class Room {
	constructor(server, slug = `w-${process.pid}-${++counter}`, kind = "files") {
		Object.assign(this, { server, slug, kind, base: `/${kind}/${encodeURIComponent(slug)}/` });
	}

	/** The same workspace's assets. */
	get assets() { return new Room(this.server, this.slug, "assets"); }

	/** A request whose answer must have that status. */
	async ask(method, target, status, options = {}) {
		const answer = await this.server.request(this.base + target, { method, ...options });
		return check(answer, status, `${method} ${this.base}${target.slice(0, 100)}`, { method });
	}

	get(target, options, status = 200) { return this.ask("GET", target, status, options); }
	head(target, options, status = 200) { return this.ask("HEAD", target, status, options); }
	delete(target, options, status = 200) { return this.ask("DELETE", target, status, options); }

	put(target, body, { type, headers = {}, status = 201, ...options } = {}) {
		if (type !== undefined) headers = { "Content-Type": type, ...headers };
		return this.ask("PUT", target, status, { body, headers, ...options });
	}

	/** POST …/sign: the parsed answer. */
	async sign(target, body) {
		const to = this.kind === "assets" ? `sign/${target}` : `${target}/sign`;
		return (await this.ask("POST", to, 200, { body })).json;
	}

	async list(target) { return (await this.get(target)).json; }

	/** The file holds just these bytes. */
	async holds(target, body, what = target) {
		const answer = await this.get(target);
		assert.ok(answer.body.equals(body),
			`${what}: ${answer.body.length} bytes, other than the ${body.length} expected`);
		return answer;
	}

	/** n rows without bytes, made by the database alone: NAME1 … NAMEn with as many digits as n has. */
	fill(session, type, name, n) {
		this.server.psql(`select count(p.status) from generate_series(1, ${n}) as n, api.file_put('${this.slug}', '${session}',
			'${type}', '${name}' || lpad(n::text, ${String(n).length}, '0'), gen_random_uuid(), n, 'text/plain',
			sha256('x'), null, null, 0) as p`);
	}
}

/** A GET whose body nobody reads yet: node's response. */
export function openDownload(server, target) {
	return new Promise((resolve, reject) => {
		https.get({ host: "127.0.0.1", port: server.port, path: target, agent: false, rejectUnauthorized: false,
			headers: { Authorization: `Bearer ${server.apiKey}` } }, resolve).on("error", reject);
	});
}

export async function readAll(response) {
	const parts = [];
	for await (const part of response) parts.push(part);
	return Buffer.concat(parts);
}

// What a process has open below a directory, without a name there: {name, size}.
function nameless(pid, dir) {
	try {
		return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
			const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
			if (!link.startsWith(dir) || !link.endsWith(" (deleted)")) return [];
			return [{ name: path.basename(link).split(" ")[0], size: statSync(`/proc/${pid}/fd/${fd}`).size }];
		});
	} catch {
		return [];
	}
}

// nginx's own directory of bodies, which it takes their names from at once.
function inNginx(server) {
	const dir = path.join(server.dir, "nginx/tmp/body");
	const master = server.ready.pids.nginx[0];
	const children = readFileSync(`/proc/${master}/task/${master}/children`, "utf8").split(" ").filter(Boolean);
	return children.flatMap((pid) => nameless(pid, dir));
}

/** The uploads under way, as {name, size}. */
export function incoming(server) {
	const dir = path.join(server.dir, "blobs", "incoming");
	const named = readdirSync(dir, { recursive: true,
		withFileTypes: true }).filter((entry) => entry.isFile()).flatMap((entry) => {
		const file = path.join(entry.parentPath ?? entry.path, entry.name);
		const size = statSync(file, { throwIfNoEntry: false })?.size;
		return size === undefined ? [] : [{ name: entry.name, size }];
	});
	try {
		return [...named, ...inNginx(server)];
	} catch {
		return named; // nginx is gone
	}
}

export const nothingIncoming = (server) =>
	waitFor(() => incoming(server).length === 0, { what: "incoming/ to be empty" });

/** A blob's bytes on the disk. */
export const blob = (server, id) => readFileSync(path.join(server.dir, "blobs", id.slice(0, 2), id));

/** No log holds a signature, nor one of the given texts. Before server.stop(). */
export function checkLogs(server, secrets = []) {
	const logs = server.logs();
	for (const secret of ["sig=", ...secrets])
		assert.ok(!logs.includes(secret), logs.split("\n").find((line) => line.includes(secret))?.slice(0, 300));
}

/** One TLS connection, for requests that no library makes. */
export class Wire {
	#data = Buffer.alloc(0);
	#over = false;
	#wake = new Set();

	constructor(socket) {
		this.socket = socket;
		socket.on("data", (part) => this.#event(() => { this.#data = Buffer.concat([this.#data, part]); }));
		// What a broken connection means shows in what was read before it.
		socket.on("error", () => {});
		for (const event of ["end", "close"]) socket.on(event, () => this.#event(() => { this.#over = true; }));
	}

	static open(server) {
		return new Promise((resolve, reject) => {
			const socket = tls.connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
			socket.once("secureConnect", () => resolve(Object.assign(new Wire(socket), { server })));
			socket.once("error", reject);
		});
	}

	#event(change) {
		change();
		for (const wake of this.#wake) wake();
	}

	write(data) { return new Promise((done) => this.socket.write(data, done)); }
	close() { this.socket.destroy(); }

	/** A request's head; headers: over the usual ones, null leaves one out. */
	head(method, target, headers = {}, version = "1.1") {
		const all = { Host: `127.0.0.1:${this.server.port}`, Authorization: `Bearer ${this.server.apiKey}`,
			...headers };
		const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name,
			value]) => `${name}: ${value}\r\n`);
		return this.write(`${method} ${target} HTTP/${version}\r\n${lines.join("")}\r\n`);
	}

	/** The next answer, 1xx too. */
	async answer(method = "GET") {
		const end = await this.#until(() => this.#data.indexOf("\r\n\r\n") + 1, "an answer's head") - 1;
		const [first, ...lines] = this.#take(end).toString("latin1").split("\r\n");
		this.#take(4);
		const rawHeaders = lines.flatMap((line) => [line.slice(0, line.indexOf(":")),
			line.slice(line.indexOf(":") + 1).trim()]);
		const headers = {};
		for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i].toLowerCase()] = rawHeaders[i + 1];
		const status = Number(first.split(" ")[1]);
		const none = method === "HEAD" || status < 200 || status === 204 || status === 304;
		const body = none ? Buffer.alloc(0) : await this.#body(headers);
		return { status, headers, rawHeaders, body, text: body.toString(),
			get json() { return JSON.parse(this.text); } };
	}

	async #body(headers) {
		if (/chunked/i.test(headers["transfer-encoding"] ?? "")) {
			const parts = [];
			for (;;) {
				const end = await this.#until(() => this.#data.indexOf("\r\n") + 1, "a chunk") - 1;
				const size = parseInt(this.#take(end + 2).toString("latin1"), 16);
				await this.#until(() => this.#data.length >= size + 2, "a chunk's end");
				parts.push(this.#take(size));
				this.#take(2);
				if (size === 0) return Buffer.concat(parts);
			}
		}
		const length = Number(headers["content-length"]);
		await this.#until(() => this.#data.length >= length, "a body");
		return this.#take(length);
	}

	#take(n) {
		const part = this.#data.subarray(0, n);
		this.#data = this.#data.subarray(n);
		return part;
	}

	/** Until the server has closed the connection. */
	closed() { return this.#until(() => this.#over, "the end of the connection"); }
	#until(cond, what) {
		return new Promise((resolve, reject) => {
			const done = (settle, value) => {
				timer.clear();
				this.#wake.delete(look);
				settle(value);
			};
			const look = () => {
				const value = cond();
				if (value) done(resolve, value);
				else if (this.#over) done(reject,
					new Error(`the connection ended before ${what}: ${this.#data.toString("latin1")}`));
			};
			const timer = paced(DEADLINE, (patience) => done(reject, new Error(`waited ${patience} in vain for ${what}`)));
			this.#wake.add(look);
			look();
		});
	}
}

/** One request over a connection of its own. */
export async function wire(server, method, target, { headers, body, version } = {}) {
	const w = await Wire.open(server);
	try {
		await w.head(method, target, { Connection: "close", ...headers }, version);
		if (body !== undefined) await w.write(body);
		return await w.answer(method);
	} finally {
		w.close();
	}
}

export const chunk = (data) => Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), Buffer.from(data),
	Buffer.from("\r\n")]);

/** Asks whether the body of a PUT may come: `first` is 100 or the refusal. The connection, on which it may be sent. */
export async function askToSend(server, w, name, headers) {
	const c = await Wire.open(server);
	await c.head("PUT", `${w.base}s/attachments/${name}`, { Expect: "100-continue", ...headers });
	c.first = await c.answer();
	return c;
}
