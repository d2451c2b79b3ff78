// page.mjs: how long a page waits that loads many sessions over a line of long latency, by HTTP/1.1 as browsers use it (six
// connections) and by HTTP/2 (one). The line is a relay in this process, which hands on what comes after half of the latency,
// each way; how wide it is isn't bounded.
//
//   node bench/page.mjs ORIGIN KEY-FILE SLUG COUNT LATENCY-MS      prints "MS1 MS2": by HTTP/1.1 and by HTTP/2
//
// ORIGIN: https://127.0.0.1:PORT. KEY-FILE: the line "Authorization: Bearer KEY". The sessions are p1, p2 … of workspace SLUG.

import { readFileSync } from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";

const [origin, keyFile, slug, countText, latencyText] = process.argv.slice(2);
const { port } = new URL(origin), count = Number(countText), half = Number(latencyText) / 2;
const Authorization = readFileSync(keyFile, "utf8").split("\n")[0].replace(/^Authorization: /, "");
const targets = Array.from({ length: count }, (_, i) => `/workspace/${slug}/sessions/p${i + 1}`);

/** Hands on what comes from one to the other, and its end, after half of the latency; in order. */
function delayed(from, to) {
	from.on("data", (data) => setTimeout(() => to.writable && to.write(data), half));
	from.on("end", () => setTimeout(() => to.end(), half));
	from.on("error", () => to.destroy());
}

const relay = net.createServer({ allowHalfOpen: true }, (client) => {
	// A connection takes a round trip of its own before the first byte goes out.
	setTimeout(() => {
		const server = net.connect({ host: "127.0.0.1", port: Number(port), allowHalfOpen: true });
		delayed(client, server);
		delayed(server, client);
	}, 2 * half);
});
await new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve));
const far = { host: "127.0.0.1", port: relay.address().port, rejectUnauthorized: false };

function check(status, target) {
	if (status !== 200) throw new Error(`${target}: ${status}`);
}

async function byHttp1() {
	const agent = new https.Agent({ keepAlive: true, maxSockets: 6 });
	await Promise.all(targets.map((path) => new Promise((resolve, reject) => {
		https.get({ ...far, agent, path, headers: { Authorization } }, (res) => {
			check(res.statusCode, path);
			res.resume().on("end", resolve).on("error", reject);
		}).on("error", reject);
	})));
	agent.destroy();
}

async function byHttp2() {
	const session = http2.connect(`https://127.0.0.1:${far.port}`, { rejectUnauthorized: false });
	await new Promise((resolve, reject) => session.once("remoteSettings", resolve).once("error", reject));
	// As Chromium's: with node's 64 KB each of them would wait for a round trip.
	session.setLocalWindowSize(15 << 20);
	await Promise.all(targets.map((path) => new Promise((resolve, reject) => {
		const stream = session.request({ ":path": path, authorization: Authorization });
		stream.on("response", (headers) => check(headers[":status"], path));
		stream.resume().on("end", resolve).on("error", reject);
	})));
	session.destroy();
}

async function timed(work) {
	const began = performance.now();
	await work();
	return (performance.now() - began).toFixed(0);
}

console.log(`${await timed(byHttp1)} ${await timed(byHttp2)}`);
relay.close();
process.exit(0);
