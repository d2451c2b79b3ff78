// What a service manager sees of craft-fcgi and craft-ws-bridge: sockets that it passes, and what it is told. No database is
// needed for that.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ROOT, waitFor } from "../harness/server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const base = mkdtempSync(path.join(tmpdir(), "craft-service-"));
const managers = [];
after(() => {
	managers.forEach((manager) => manager.end());
	rmSync(base, { recursive: true, force: true });
});

mkdirSync(path.join(base, "blobs"));
const key = "service-test-key";
writeFileSync(path.join(base, "conf"), `API_KEY=${key}\nENCRYPTION_KEY=${"0".repeat(64)}\nDATABASE_URL=host=${base} dbname=none\n` +
	`BLOB_DIR=${base}/blobs\nFCGI_WORKERS=1\nFCGI_UPLOAD_WORKERS=1\nFCGI_GITHUB_WORKERS=1\nWS_DRAIN_TIME=0\n`);

class Manager {
	constructor(name, program, sockets, { watchdog = 600_000 } = {}) {
		this.sockets = sockets.map((socket) => path.join(base, `${name}-${socket}`));
		this.lines = [];
		this.child = spawn("perl", [path.join(ROOT, "tests/harness/service_manager.pl"), String(watchdog), path.join(base, `${name}-notify`),
			...this.sockets, "--", path.join(BUILD, program), "--config", path.join(base, "conf")], { stdio: ["pipe", "pipe", "pipe"] });
		this.log = "";
		this.child.stderr.on("data", (data) => { this.log += data; });
		let rest = "";
		this.child.stdout.on("data", (data) => {
			const lines = `${rest}${data}`.split("\n");
			rest = lines.pop();
			this.lines.push(...lines);
		});
		managers.push(this);
	}

	order(word) { this.child.stdin.write(`${word}\n`); }

	count(line) { return this.lines.filter((one) => one === line).length; }

	told(text, n = 1) {
		return waitFor(() => this.count(`told ${text}`) >= n, { what: `${text} ${n} times; ${this.lines}; ${this.log}` });
	}

	get pid() { return Number(this.lines.findLast((line) => line.startsWith("started ")).split(" ")[1]); }

	end() { this.child.stdin.end(); }
}

/** Sends bytes to a socket; what came back until the other side closed it. */
function exchange(socket, bytes) {
	return new Promise((resolve, reject) => {
		const connection = net.connect(socket, () => connection.write(bytes));
		const parts = [];
		connection.on("data", (data) => parts.push(data)).on("error", reject).on("close", () => resolve(Buffer.concat(parts).toString()));
	});
}

/** One request in FastCGI's records. */
function fastcgi(uri) {
	const record = (type, content) => Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content]);
	const params = Object.entries({ REQUEST_METHOD: "GET", REQUEST_URI: uri, REMOTE_ADDR: "127.0.0.1", REQUEST_ID: "0123456789abcdef",
		HTTP_AUTHORIZATION: `Bearer ${key}` }).map(([name, value]) => Buffer.from(`${String.fromCharCode(name.length, value.length)}${name}${value}`));
	return Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])), record(4, Buffer.concat(params)), record(4, Buffer.alloc(0)), record(5, Buffer.alloc(0))]);
}

const upgrade = "GET /workspace/w HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

const daemons = [
	{ name: "craft-fcgi", program: "fcgi/craft-fcgi", sockets: ["quick", "upload", "github"], question: fastcgi("/nothing"), answer: /Status: 404/ },
	{ name: "craft-ws-bridge", program: "ws-bridge/craft-ws-bridge", sockets: ["ws"], question: upgrade, answer: /^HTTP\/1\.1 401 / },
];

for (const { name, program, sockets, question, answer } of daemons) {
	test(`${name}: serves on passed sockets, and tells what it does`, async () => {
		const manager = new Manager(name, program, sockets);
		manager.order("start");
		await manager.told("READY=1");
		for (const socket of manager.sockets) assert.match(await exchange(socket, question), answer, socket);
		await manager.told("WATCHDOG=1", 3);
		manager.order("TERM");
		await manager.told("STOPPING=1");
		await waitFor(() => manager.count("ended 0") === 1, { what: `the end; ${manager.lines}` });
		assert.equal(manager.count("told READY=1"), 1);
		assert.ok(manager.lines.indexOf("told STOPPING=1") > manager.lines.indexOf("told READY=1"));

		// Who comes now waits, and is served by the next.
		const waiting = manager.sockets.map((socket) => exchange(socket, question));
		manager.order("start");
		await manager.told("READY=1", 2);
		for (const text of await Promise.all(waiting)) assert.match(text, answer);
		manager.order("TERM");
		await waitFor(() => manager.count("ended 0") === 2, { what: `the end; ${manager.lines}` });
	});

	test(`${name}: no sign of life is sent by one that hangs`, async () => {
		const manager = new Manager(`${name}-hung`, program, sockets, { watchdog: 300_000 });
		manager.order("start");
		await manager.told("WATCHDOG=1");
		manager.order("STOP");
		// What was under way when it was stopped may still be read.
		await waitFor(() => /^State:\s+T/m.test(readFileSync(`/proc/${manager.pid}/status`, "utf8")), { what: "it stops" });
		await new Promise((done) => setTimeout(done, 200));
		const before = manager.count("told WATCHDOG=1");
		await new Promise((done) => setTimeout(done, 1000));
		assert.equal(manager.count("told WATCHDOG=1"), before);
		manager.order("CONT");
		await manager.told("WATCHDOG=1", before + 1);
		manager.order("TERM");
		await waitFor(() => manager.count("ended 0") === 1, { what: "the end" });
	});
}
