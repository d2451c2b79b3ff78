// Files over HTTP/2: uploads whose end says nothing of whether they are whole, in both ways in which a body comes to the disk.

import assert from "node:assert/strict";
import http2 from "node:http2";
import { after, test } from "node:test";
import { Room, bytes, incoming, nothingIncoming, sha256 } from "../harness/files.mjs";
import { workersOf } from "../harness/faults.mjs";
import { launchChromium, noChromium } from "../harness/chromium.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const target = "s/attachments/f";
const { NGHTTP2_CANCEL } = http2.constants;

async function connect(server) {
	const session = http2.connect(server.url, { rejectUnauthorized: false });
	session.on("error", () => {});
	await new Promise((resolve, reject) => { session.once("connect", resolve); session.once("error", reject); });
	return session;
}

// A PUT whose body is to be written. answered: {status, headers, text}, or null when the stream broke.
function put(session, server, w, headers = {}, path = target) {
	const stream = session.request({ ":method": "PUT", ":path": w.base + path, authorization: `Bearer ${server.apiKey}`, ...headers });
	stream.on("error", () => {});
	stream.answered = new Promise((resolve) => {
		let head = null, text = "";
		stream.on("response", (got) => { head = got; });
		stream.setEncoding("utf8").on("data", (part) => { text += part; });
		stream.on("close", () => resolve(head && { status: head[":status"], headers: head, text }));
	});
	return stream;
}

// A page of the server's own origin. Only over HTTP/2 does Chromium send a body as it is made.
async function openPage(server) {
	const browser = await launchChromium();
	const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
	await page.goto(`${server.url}/`);
	await page.evaluate(() => {
		// Sends so many blocks, then ends the body, or breaks it off.
		globalThis.streamPut = async (url, key, blocks, how) => {
			const abort = new AbortController();
			let sent = 0;
			const body = new ReadableStream({ async pull(c) {
				if (sent++ < blocks) return c.enqueue(new Uint8Array(50_000).fill(97));
				if (how === "end") return c.close();
				await new Promise((done) => setTimeout(done, 100));
				return how === "abort" ? abort.abort() : c.error(new Error("no more"));
			} }, { highWaterMark: 0 });
			return fetch(url, { method: "PUT", body, duplex: "half", signal: abort.signal, headers: { Authorization: `Bearer ${key}` } })
				.then((r) => r.status, (e) => e.name);
		};
	});
	return { browser, page };
}

const running = [];
after(async () => {
	for (const { server, session } of running) {
		session?.destroy();
		await server.stop();
	}
});

// All of them before the first test: node would take the last one that it knows for the end.
const servers = await Promise.all(["file", "stream"].map((mode) => {
	const user = mode === "stream" && process.getuid() === 0 ? { CRAFT_DAEMON_USER: "daemon" } : {};
	return startServer({ env: { UPLOAD_MODE: mode, MAX_UPLOAD: "32M", ...user } });
}));

for (const [i, mode] of ["file", "stream"].entries()) {
	const server = servers[i];
	const on = { server, session: null };
	running.push(on);
	// nginx closes what was idle for a minute.
	const connected = async () => {
		if (!on.session || on.session.closed || on.session.destroyed) on.session = await connect(server);
		return on.session;
	};

	test(`${mode}: the server speaks HTTP/2, and HTTP/1.1 with who doesn't`, async () => {
		const session = await connected();
		assert.equal(session.alpnProtocol, "h2");
		const { status } = await server.request("/", {});
		assert.equal(status, 200);
	});

	test(`${mode}: a body that is ended and then broken off leaves the old file`, async () => {
		const session = await connected();
		const w = new Room(server);
		await w.put(target, "as it was");
		const { etag } = (await w.head(target)).headers;
		for (const [i, part] of [bytes(0), bytes(10), bytes(70_000), bytes(3 << 20)].entries())
			for (const gap of [0, 30, 200]) {
				const stream = put(session, server, w);
				if (part.length) await new Promise((done) => stream.write(part, done));
				await new Promise((done) => stream.end(done));
				if (gap) await new Promise((done) => setTimeout(done, gap));
				stream.close(NGHTTP2_CANCEL);
				assert.equal(await stream.answered, null, `part ${i} after ${gap} ms`);
			}
		await nothingIncoming(server);
		// One that nobody broke off began after them: what the workers had in hand is dealt with when it is answered.
		for (let i = 0; i < 8; i++) {
			const other = put(session, server, w, {}, `s/attachments/other${i}`);
			other.end("x");
			assert.equal((await other.answered).status, 201);
		}
		assert.equal((await w.holds(target, Buffer.from("as it was"))).headers.etag, etag);
		assert.equal((await w.list("s/attachments")).length, 9);
	});

	test(`${mode}: whole ones are stored: with a length, with a digest, with neither`, async () => {
		const session = await connected();
		const w = new Room(server);
		for (const size of [0, 1, 100_000, 5 << 20]) {
			const body = bytes(size);
			for (const headers of [{ "content-length": size }, { "repr-digest": `sha-256=:${sha256(body, "base64")}:` }, {}]) {
				const stream = put(session, server, w, headers);
				stream.end(body);
				const answer = await stream.answered;
				assert.equal(answer?.status, 201, `${size} ${JSON.stringify(headers)}: ${answer?.text}`);
				assert.equal(JSON.parse(answer.text).size, size);
				await w.holds(target, body);
			}
		}
	});

	test(`${mode}: those that are waited for wait side by side`, async () => {
		const session = await connected();
		const w = new Room(server);
		const send = async (name) => {
			const stream = put(session, server, w, {}, `s/downloads/${name}`);
			stream.end("x");
			assert.equal((await stream.answered)?.status, 201);
		};
		const timed = async (work) => {
			const began = Date.now();
			await work();
			return Date.now() - began;
		};
		const one = await timed(() => send("one"));
		const many = await timed(() => Promise.all(Array.from({ length: 60 }, (_, i) => send(i))));
		assert.equal((await w.list("s/downloads")).length, 61);
		// One after the other, four workers would have taken 15 times as long.
		assert.ok(many < 8 * one, `${many} ms, one takes ${one}`);
	});

	test(`${mode}: a length that doesn't fit, and one that is too large`, async () => {
		const session = await connected();
		const w = new Room(server);
		await w.put(target, "as it was");
		const short = put(session, server, w, { "content-length": 10 });
		short.end("12345");
		const answer = await short.answered;
		assert.ok(answer === null || answer.status === 400, `${answer?.status}`);
		const large = put(session, server, w, { "content-length": 64 << 20 });
		assert.equal((await large.answered).status, 413);
		await w.holds(target, Buffer.from("as it was"));
	});

	test(`${mode}: Chromium's streamed uploads: whole, aborted, failed`, { skip: noChromium }, async () => {
		const w = new Room(server);
		const { browser, page } = await openPage(server);
		const send = (blocks, how) => page.evaluate(([url, key, n, end]) => streamPut(url, key, n, end),
			[server.url + w.base + target, server.apiKey, blocks, how]);
		try {
			assert.equal(await send(3, "end"), 201);
			const old = Buffer.alloc(150_000, "a");
			const { etag } = (await w.holds(target, old)).headers;
			for (let i = 0; i < 5; i++)
				for (const how of ["abort", "error"]) assert.equal(typeof await send(i, how), "string", how);
			await nothingIncoming(server);
			assert.equal(await send(0, "end"), 201);
			assert.notEqual((await w.holds(target, Buffer.alloc(0))).headers.etag, etag);
			assert.equal(Number(server.psqlValue(`select changes from app.file_usage u join app.workspace w on w.id = u.workspace_id
				where w.slug = '${w.slug}'`)), 2, "something else was stored in between");
		} finally {
			await browser.close();
		}
	});

	test(`${mode}: a WebSocket of a browser goes beside it`, { skip: noChromium }, async () => {
		const { browser, page } = await openPage(server);
		try {
			const said = await page.evaluate((url) => new Promise((resolve) => {
				const ws = new WebSocket(url);
				ws.onopen = () => ws.send('{"type":"ping"}');
				ws.onmessage = ({ data }) => resolve(data);
				ws.onerror = () => resolve("error");
			}), `wss://127.0.0.1:${server.port}/workspace/w?apiKey=${server.apiKey}`);
			assert.match(said, /^\{"type":"/);
		} finally {
			await browser.close();
		}
	});

	test(`${mode}: a worker that is told to leave ends those that wait first`, async () => {
		const session = await connected();
		const w = new Room(server);
		const streams = Array.from({ length: 6 }, (_, i) => {
			const stream = put(session, server, w, {}, `s/downloads/${i}`);
			stream.end("x");
			return stream.answered;
		});
		await waitFor(() => incoming(server).length === 0);
		for (const pid of workersOf(server, true)) process.kill(pid, "SIGTERM");
		for (const answer of await Promise.all(streams)) assert.ok([201, 502].includes(answer?.status), answer?.text);
		for (let i = 0; i < 6; i++) await w.get(`s/downloads/${i}`, {}, [200, 404]);
	});
}
