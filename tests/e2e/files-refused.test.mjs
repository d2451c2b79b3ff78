// The refusal of a big upload reaches usual clients as what it is, also those that look for it late, over HTTP/1.1 and HTTP/2.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { launchChromium, noChromium } from "../harness/chromium.mjs";
import { Room, Wire, bytes, check, chunk } from "../harness/files.mjs";
import { curl, nodeFetch } from "../harness/refused.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const SIZE = 48 << 20;
const target = "s/attachments/f";
const server = await startServer({ env: { MAX_UPLOAD: "64M", WORKSPACE_QUOTA: "32M" } });
after(() => server.stop());

async function room() {
	const w = new Room(server);
	await w.put(target, "as it was");
	return w;
}

// What is wrong with it, and the status. Streamed bodies are refused for their size only when it has come.
const refusals = [
	[{ key: "wrong" }, 401],
	[{ headers: { "If-None-Match": "*" } }, 412],
	[{ headers: { "If-Match": '"x"' } }, 412],
	[{ headers: { "Content-Encoding": "br" } }, 415],
	[{ headers: { "Content-MD5": "x" } }, 400],
	[{}, 413],
];

test("Node's fetch", { timeout: 300_000 }, async () => {
	const w = await room();
	for (const [options, status] of refusals)
		for (const streamed of [false, true]) {
			const seen = await nodeFetch(server, w.base + target, { size: SIZE, streamed, ...options });
			assert.equal(seen.status, status, `${JSON.stringify(options)} ${streamed}: ${JSON.stringify(seen)}`);
			assert.equal(typeof seen.json.error, "string");
			if (streamed && status !== 413) assert.ok(seen.sent < SIZE, `${status}: all of it was asked for`);
		}
	await w.holds(target, Buffer.from("as it was"));
});

test("curl, with and without Expect", { timeout: 300_000 }, async () => {
	const w = await room();
	for (const [options, status] of refusals)
		for (const streamed of [false, true])
			for (const [version, expect] of [["1.1", true], ["1.1", false], ["2", false]]) {
				const seen = await curl(server, w.base + target, { size: SIZE, streamed, version, expect, ...options });
				const what = `${JSON.stringify(options)} ${streamed} ${version} ${expect}: ${JSON.stringify(seen)}`;
				assert.equal(seen.status, status, what);
				assert.equal(typeof seen.json?.error, "string", what);
				assert.equal(seen.http, version, what);
				if (expect && !streamed) assert.equal(seen.sent, 0, what);
			}
	await w.holds(target, Buffer.from("as it was"));
});

test("Chromium over HTTP/2 and HTTP/1.1", { skip: noChromium, timeout: 300_000 }, async () => {
	const w = await room();
	for (const args of [[], ["--disable-http2"]]) {
		const browser = await launchChromium(...args);
		try {
			const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
			await page.goto(`${server.url}/`);
			for (const [{ key = server.apiKey, headers = {} }, status] of refusals) {
				if (headers["Content-Encoding"]) continue; // a page may send it, but not across origins
				const seen = await page.evaluate(([url, size, all]) => fetch(url, { method: "PUT", body: new Blob([new Uint8Array(size)]), headers: all })
					.then(async (r) => [r.status, typeof (await r.json()).error], (e) => [String(e)]),
				[server.url + w.base + target, SIZE, { Authorization: `Bearer ${key}`, ...headers }]);
				assert.deepEqual(seen, [status, "string"], `${JSON.stringify(headers)} ${args}`);
			}
		} finally {
			await browser.close();
		}
	}
	await w.holds(target, Buffer.from("as it was"));
});

test("a client that is busy and sends on without looking", { timeout: 120_000 }, async () => {
	const w = await room();
	const cases = [
		[401, { Authorization: "Bearer wrong", "Content-Length": SIZE }],
		[401, { Authorization: "Bearer wrong", "Transfer-Encoding": "chunked" }],
		[400, { "Content-Length": SIZE, "Content-MD5": "x" }],
		[400, { "Transfer-Encoding": "chunked", "Content-MD5": "x" }],
		[412, { "Content-Length": 1 << 20, "If-None-Match": "*" }],
		[413, { "Content-Length": SIZE }],
		[413, { "Content-Length": 1 << 30 }],
	];
	await Promise.all(cases.map(async ([status, headers]) => {
		const c = await Wire.open(server);
		const part = (n) => (headers["Content-Length"] ? bytes(n) : chunk(bytes(n)));
		c.socket.pause();
		await c.head("PUT", w.base + target, headers);
		await c.write(part(10_000));
		// As long as it takes to encrypt a big body on a busy machine; nginx's own patience is 5 s.
		await new Promise((done) => setTimeout(done, 7000));
		await c.write(part(100_000));
		await new Promise((done) => setTimeout(done, 200));
		await c.write(part(100_000));
		c.socket.resume();
		check(await c.answer(), status, JSON.stringify(headers));
		c.close();
	}));
	await w.holds(target, Buffer.from("as it was"));
});
