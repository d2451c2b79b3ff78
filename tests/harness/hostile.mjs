// hostile.mjs: what tests of hostile clients share: what the server's processes hold and spend, a client that behaves
// meanwhile, the counters in the log, and upgrades made by hand, also past nginx.
//
//   const others = await wellBehaved(server);
//   …                                                  // the attack
//   await others.done();                               // they went on, and all they were told is right
//   await counted(server, "craft-ws-bridge", "pings", 3);

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { childrenOf } from "./faults.mjs";
import { alive, waitFor } from "./server.mjs";
import { bridgeSocket, connect } from "./sync.mjs";

export const range = (n) => Array.from({ length: n }, (_, i) => i);

/** The processes of these names with their children: "nginx", "craft-fcgi", "craft-ws-bridge". */
export function processes(server, ...names) {
	return names.flatMap((name) => server.ready.pids[name]).flatMap((pid) => [pid, ...childrenOf(pid)]).filter(alive);
}

/** Bytes that they hold; a page of several counts in parts. */
export function memory(server, ...names) {
	return processes(server, ...names).reduce((sum, pid) => {
		try {
			return sum + Number(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").match(/^Pss:\s+(\d+) kB/m)[1]) * 1024;
		} catch {
			return sum; // it has just ended
		}
	}, 0);
}

/** Milliseconds of CPU that they have used so far. */
export function cpu(server, ...names) {
	return processes(server, ...names).reduce((sum, pid) => {
		const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
		return sum + (Number(fields[11]) + Number(fields[12])) * 10;
	}, 0);
}

/** The most that they hold while `work` goes on, beyond what they hold now. */
export async function growth(server, names, work) {
	const before = memory(server, ...names);
	let highest = before;
	const look = () => { highest = Math.max(highest, memory(server, ...names)); };
	const timer = setInterval(look, 50);
	try {
		await work();
		look();
	} finally {
		clearInterval(timer);
	}
	return highest - before;
}

/** Two clients of a workspace of their own: one changes something over and over, the other hears of it. done(): fails
 *  when an answer was wrong or late, when an event is missing, or when they stood still. */
export async function wellBehaved(server, options = {}) {
	const slug = `behaved-${process.pid}-${randomBytes(4).toString("hex")}`;
	const [writer, listener] = [await connect(server, slug, options), await connect(server, slug, options)];
	await writer.ok("session:create", { id: "s", n: -1 });
	let going = true, count = 0;
	const work = (async () => {
		for (; going; count++) {
			const data = await writer.ok("session:updateMeta", { sessionId: "s", updates: { n: count } });
			assert.equal(data.n, count);
		}
	})();
	// Its failure is told by done(), not by the end of the process.
	work.catch(() => {});
	return {
		slug,
		get count() { return count; },
		async done(least = 5) {
			await waitFor(() => count >= least || writer.closing, { deadline: 20_000, what: `${least} changes meanwhile` });
			going = false;
			await work;
			await listener.waitFor(count + 1);
			assert.deepEqual(listener.broadcasts.slice(1).map(({ event }) => event.data.n), range(count));
			await Promise.all([writer.close(), listener.close()]);
		},
		kill() {
			going = false;
			writer.kill();
			listener.kill();
		},
	};
}

/** The sums of all `limits:` lines of that program so far: {name: count}. */
export function counters(server, program) {
	const sums = {};
	for (const [, line] of server.logs(program).matchAll(/msg="limits:([^"]*)"/g)) {
		for (const [, name, n] of line.matchAll(/ (\w+)=(\d+)/g)) sums[name] = (sums[name] ?? 0) + Number(n);
	}
	return sums;
}

/** Waits until the counter has come to `least`; such lines come 10 s apart at least. */
export function counted(server, program, name, least) {
	return waitFor(() => (counters(server, program)[name] ?? 0) >= least,
		{ deadline: 25_000, every: 100, what: `${name}=${least} in the log, got ${JSON.stringify(counters(server, program))}` });
}

/** The head of an upgrade. */
export function upgradeHead(server, path, { key = server.apiKey, headers = {} } = {}) {
	const all = { Host: "h", Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", ...(key === null ? {} : { Authorization: `Bearer ${key}` }), ...headers };
	return `GET ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** A connection by hand. through: "nginx" (TLS) or "bridge" (its socket). What comes is in `text`; `closed` resolves at
 *  its end. */
export function dial(server, through = "nginx") {
	const socket = through === "nginx"
		? tls.connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false })
		: net.connect(bridgeSocket(server, 0));
	const line = { socket, text: "" };
	socket.setEncoding("latin1");
	socket.on("data", (data) => { line.text += data; });
	socket.on("error", () => {});
	line.closed = new Promise((resolve) => socket.once("close", resolve));
	line.ready = new Promise((resolve) => { socket.once(through === "nginx" ? "secureConnect" : "connect", resolve); line.closed.then(resolve); });
	return line;
}

/** Asks for an upgrade and resolves to the answer's {status, headers, body, line}. */
export async function ask(server, path, { through = "nginx", ...options } = {}) {
	const line = dial(server, through);
	await line.ready;
	line.socket.write(upgradeHead(server, path, options));
	await waitFor(() => /\r\n\r\n/.test(line.text), { what: "an answer", every: 2 });
	const [head, body] = line.text.split("\r\n\r\n");
	const headers = Object.fromEntries(head.split("\r\n").slice(1).map((one) => {
		const colon = one.indexOf(":");
		return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
	}));
	const status = Number(head.split(" ")[1]);
	if (status !== 101) line.socket.destroy();
	return { status, headers, body, line };
}
