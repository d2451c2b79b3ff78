// The gateway of a sandbox, its way to the model's API: what goes out with the key, and what comes back.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { startAnthropic } from "../fakes/anthropic.mjs";
import { makeCertificates } from "../fakes/ca.mjs";
import { readAll, startGateway, startUpstream } from "../harness/gateway.mjs";
import { waitFor } from "../harness/server.mjs";

const KEY = "sk-ant-api03-the-real-key-0123456789";
const OAUTH = "sk-ant-oat01-the-real-token-0123456789";
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
// Which the gateway's own user can read.
function directory() {
	const dir = mkdtempSync(path.join(tmpdir(), "gateway-test-"));
	chmodSync(dir, 0o755);
	return dir;
}
const work = directory();
const { caFile, ...tls } = await makeCertificates(work);

let handle;
const upstream = await startUpstream((...args) => handle(...args), { tls, createServer: https.createServer });
const gateway = await startGateway({ model: upstream.url, "model-ca": caFile });
after(async () => {
	await Promise.all([gateway.stop(), upstream.close()]);
	rmSync(work, { recursive: true, force: true });
});

const ok = (req, res) => {
	res.writeHead(200, { "content-type": "application/json" });
	res.end("{}");
};
// What a test makes the server answer; the last request as it came there.
async function ask(target = "/v1/messages", { answer = ok, body = "{}", ...more } = {}) {
	handle = answer;
	const before = upstream.requests.length;
	const response = await gateway.request("api", target, { method: "POST", body, ...more });
	return { ...response, seen: upstream.requests.slice(before), sent: upstream.requests.at(-1) };
}
const errorOf = ({ status, text }) => {
	const { type, error } = JSON.parse(text);
	assert.equal(type, "error");
	return [status, error.type];
};

// ---- the key ----

test("before there is a key: 401 in Anthropic's form, and the probes of an agent are answered", async () => {
	assert.deepEqual(errorOf(await ask()), [401, "authentication_error"]);
	for (const [method, target] of [["HEAD", "/"], ["GET", "/"], ["GET", "/health"]])
		assert.equal((await gateway.request("api", target, { method })).status, 200);
	assert.equal(upstream.requests.length, 0);
	await gateway.event({ kind: "api", allowed: false, host: "POST /v1/messages" });
});

test("the key takes the place of everything that the client says about itself", async () => {
	gateway.key(KEY);
	await waitFor(async () => (await ask()).status === 200);
	const { sent } = await ask("/v1/messages?beta=true", { headers: { "x-api-key": "placeholder", authorization: "Bearer placeholder",
		"proxy-authorization": "Basic eDp5", cookie: "a=b", te: "trailers", connection: "keep-alive, x-hop", "x-hop": "1",
		"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "user-agent": "claude-cli/2", "x-empty": "" } });
	assert.equal(sent.url, "/v1/messages?beta=true");
	const { host, "content-length": length, ...rest } = sent.headers;
	assert.deepEqual(rest, { "x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "a,b",
		"user-agent": "claude-cli/2", "x-empty": "" });
	assert.equal(host, `127.0.0.1:${upstream.port}`);
	assert.equal(length, "2");
});

test("an OAuth token is a Bearer, and its beta is added to the client's", async () => {
	gateway.oauth(OAUTH);
	await waitFor(async () => (await ask()).sent.headers.authorization);
	const beta = async (headers) => {
		const { sent } = await ask("/v1/messages", { headers });
		assert.equal(sent.headers.authorization, `Bearer ${OAUTH}`);
		assert.equal(sent.headers["x-api-key"], undefined);
		return sent.headers["anthropic-beta"];
	};
	assert.equal(await beta({ "x-api-key": "placeholder" }), "oauth-2025-04-20");
	assert.equal(await beta({ "anthropic-beta": "a, b" }), "a, b,oauth-2025-04-20");
	assert.equal(await beta({ "anthropic-beta": "x,oauth-2025-04-20" }), "x,oauth-2025-04-20");
	gateway.key(KEY);
	await waitFor(async () => (await ask()).sent.headers["x-api-key"] === KEY);
});

test("only the requests that an agent needs are passed on", async () => {
	for (const target of ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/count_tokens?beta=true"])
		assert.equal((await ask(target)).status, 200, target);
	for (const target of ["/v1/models", "/v1/models?limit=5", "/v1/models/claude-opus-4-8"])
		assert.equal((await ask(target, { method: "GET", body: "" })).status, 200, target);
	const refused = [["POST", "/v1/files"], ["GET", "/v1/messages"], ["DELETE", "/v1/models/x"], ["POST", "/v1/messages/batches"],
		["POST", "/v1/messages/"], ["POST", "/v1/messages/../files"], ["POST", "//v1/messages"], ["POST", "/v1/complete"],
		["GET", "/v1/models/.."], ["GET", "/v1/models/a/b"], ["GET", "/v1/models/%2e%2e"], ["POST", "/v1/messages%2f..%2ffiles"],
		["OPTIONS", "/v1/messages"], ["GET", "/v1/organizations/api_keys"], ["PUT", "/v1/messages"]];
	const before = upstream.requests.length;
	for (const [method, target] of refused) {
		const answer = await gateway.request("api", target, { method });
		assert.deepEqual(errorOf(answer), [403, "permission_error"], `${method} ${target}`);
	}
	assert.match(await gateway.raw("api", `POST http://127.0.0.1:${upstream.port}/v1/messages HTTP/1.1\r\nHost: x\r\n` +
		"Connection: close\r\nContent-Length: 0\r\n\r\n"), /^HTTP\/1\.1 403 /);
	assert.equal(upstream.requests.length, before);
	await gateway.event({ kind: "api", allowed: false, host: "POST /v1/files" });
});

test("the answer comes with its status and headers, without cookies and without the key", async () => {
	const { status, headers, text } = await ask("/v1/messages", { answer: (req, res) => {
		res.writeHead(429, { "content-type": "application/json", "retry-after": "7", "request-id": "req_1",
			"anthropic-ratelimit-requests-remaining": "0", "x-should-retry": "true", "set-cookie": "a=b",
			"x-echo": `<${req.headers["x-api-key"]}>`, connection: "close", "keep-alive": "timeout=5", "www-authenticate": "Basic" });
		res.end('{"type":"error"}');
	} });
	assert.equal(status, 429);
	assert.equal(text, '{"type":"error"}');
	const { date, "transfer-encoding": coding, connection, "keep-alive": keepAlive, ...rest } = headers;
	assert.deepEqual(rest, { "content-type": "application/json", "retry-after": "7", "request-id": "req_1",
		"anthropic-ratelimit-requests-remaining": "0", "x-should-retry": "true", "x-echo": "<***>" });
	assert.notEqual(connection, "close");
	await gateway.event({ kind: "api", allowed: true, reason: /429/ });
	const gone = await ask("/v1/messages", { answer: (req, res) => res.writeHead(204).end() });
	assert.deepEqual([gone.status, gone.text], [204, ""]);
	const packed = await ask("/v1/messages", { headers: { "accept-encoding": "gzip" }, answer: (req, res) =>
		res.writeHead(200, { "content-encoding": req.headers["accept-encoding"] }).end(gzipSync("hello")) });
	assert.equal(packed.headers["content-encoding"], "gzip");
	assert.deepEqual(packed.body, gzipSync("hello"));
});

test("a redirection is not followed", async () => {
	const { status, seen } = await ask("/v1/messages", { answer: (req, res) =>
		res.writeHead(307, { location: `${upstream.url}/v1/messages?again` }).end() });
	assert.equal(status, 307);
	assert.equal(seen.length, 1);
});

// ---- streams ----

test("a stream comes line by line, as it is made", async () => {
	let next;
	handle = async (req, res) => {
		res.writeHead(200, { "content-type": "text/event-stream" });
		for (let i = 0; i < 20; i++) {
			const read = new Promise((resolve) => { next = resolve; });
			res.write(`data: ${i}\n\n`);
			await read;
		}
		res.end();
	};
	const lines = [];
	await new Promise((resolve, reject) => {
		const req = http.request({ socketPath: gateway.socketPath("api"), path: "/v1/messages", method: "POST" }, (res) => {
			res.setEncoding("utf8").on("data", (text) => {
				lines.push(text);
				next();
			});
			res.on("end", resolve).on("error", reject);
		});
		req.on("error", reject).end("{}");
	});
	assert.deepEqual(lines, Array.from({ length: 20 }, (_, i) => `data: ${i}\n\n`));
});

test("a stream that is cut is cut for the client, too", async () => {
	for (const headers of [{}, { "content-length": "1000" }]) {
		const asked = ask("/v1/messages", { answer: (req, res) => {
			res.writeHead(200, { "content-type": "text/event-stream", ...headers });
			res.write("data: 1\n\n", () => setImmediate(() => res.destroy()));
		} });
		await assert.rejects(asked, { code: "ECONNRESET" });
	}
	await gateway.event({ kind: "api", allowed: true, reason: /cut/ });
});

test("a client that goes away takes its request with it", async () => {
	let closed = false, begun = false;
	handle = (req, res) => {
		begun = true;
		res.on("close", () => { closed = true; });
	};
	const req = http.request({ socketPath: gateway.socketPath("api"), path: "/v1/messages", method: "POST" });
	req.on("error", () => {}).end("{}");
	await waitFor(() => begun);
	req.destroy();
	await waitFor(() => closed, { deadline: 3000 });
});

// ---- requests ----

test("bodies arrive as they are: long, chunked, empty, after 100-continue", async () => {
	const big = randomBytes(20 << 20);
	assert.equal(sha((await ask("/v1/messages", { body: big })).sent.body), sha(big));
	const chunked = await ask("/v1/messages", { body: big, headers: { "transfer-encoding": "chunked" } });
	assert.equal(sha(chunked.sent.body), sha(big));
	assert.equal(chunked.sent.headers["transfer-encoding"], "chunked");
	const empty = await ask("/v1/messages", { body: "" });
	assert.deepEqual([empty.status, empty.sent.body.length], [200, 0]);
	handle = ok;
	const socket = gateway.connect("api");
	const all = readAll(socket, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" +
		"Connection: close\r\n\r\n");
	const begin = await new Promise((resolve) => socket.once("data", resolve));
	assert.equal(begin, "HTTP/1.1 100 Continue\r\n\r\n");
	socket.write("abc");
	assert.match(await all, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
	assert.equal(upstream.requests.at(-1).body.toString(), "abc");
	assert.equal(upstream.requests.at(-1).headers.expect, undefined);
});

test("more than 64 MB is 413, however it is sent", async () => {
	const before = upstream.requests.length;
	const length = await gateway.raw("api", `POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: ${(64 << 20) + 1}\r\n\r\n`);
	assert.match(length, /^HTTP\/1\.1 413 [\s\S]*request_too_large/);
	const part = Buffer.alloc(1 << 20, "x");
	const socket = gateway.connect("api");
	const answer = readAll(socket, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (let i = 0; i < 65; i++) {
		socket.write("100000\r\n");
		socket.write(part);
		socket.write("\r\n");
	}
	assert.match(await answer, /^HTTP\/1\.1 413 [\s\S]*request_too_large/);
	assert.equal(upstream.requests.length, before);
});

test("requests on one connection, sent at once, are answered in order", async () => {
	handle = (req, res, body) => res.writeHead(200).end(`<${body}>`);
	const one = (body, more = "") => `POST /v1/messages HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
	const text = await gateway.raw("api", one("first") + one("second") + "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" +
		one("last", "Connection: close\r\n") + one("never"));
	assert.deepEqual(text.match(/HTTP\/1\.1 \d+|<\w+>/g), ["HTTP/1.1 200", "<first>", "HTTP/1.1 200", "<second>", "HTTP/1.1 403",
		"HTTP/1.1 200", "<last>"]);
});

test("connections to the server are used again", async () => {
	await ask();
	const before = upstream.connections;
	for (let i = 0; i < 5; i++) assert.equal((await ask()).status, 200);
	assert.equal(upstream.connections, before);
	// By another client's connection too, once the one before has given it back, which may be after the answer.
	await waitFor(async () => {
		const opened = upstream.connections;
		assert.equal((await ask("/v1/messages", { agent: false })).status, 200);
		return upstream.connections === opened;
	});
});

test("a used connection that turns out to be closed is no failure", async () => {
	const body = randomBytes(300_000).toString("hex");
	assert.equal((await ask()).status, 200);
	let drops = 1;
	const { status, seen } = await ask("/v1/messages", { body, answer: (req, res) => (drops-- > 0 ? req.socket.destroy() : ok(req, res)) });
	assert.equal(status, 200);
	assert.deepEqual(seen.map(({ body: sent }) => sent.toString() === body), [true, true]);
	// One that was never used before doesn't get a second chance.
	for (const socket of upstream.sockets) socket.destroy();
	await waitFor(() => upstream.sockets.size === 0);
	assert.equal((await ask("/v1/messages", { body, answer: (req) => req.socket.destroy() })).status, 502);
});

test("what two readers could read differently is refused, and ends the connection", async () => {
	const before = upstream.requests.length;
	const heads = {
		"length and coding": "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"two lengths": "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
		"list of lengths": "Host: x\r\nContent-Length: 5, 5\r\n",
		"sign": "Host: x\r\nContent-Length: +5\r\n",
		"other coding": "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
		"two codings": "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"blank before the colon": "Host: x\r\nContent-Length : 5\r\n",
		"folded line": "Host: x\r\nX: a\r\n b\r\n",
		"bare feed": "Host: x\nContent-Length: 5\r\n",
		"bare return": "Host: x\rX: 5\r\n",
		"NUL": "Host: x\r\nX: a\0b\r\n",
		"no host": "X: y\r\n",
		"two hosts": "Host: x\r\nHost: y\r\n",
		"no colon": "Host: x\r\nnonsense\r\n",
	};
	for (const [name, head] of Object.entries(heads)) {
		const body = name === "length and coding" ? "0\r\n\r\n" : "hello";
		const text = await gateway.raw("api", `POST /v1/messages HTTP/1.1\r\n${head}\r\n${body}GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n`);
		assert.match(text, /^HTTP\/1\.1 400 /, name);
		assert.equal(text.match(/HTTP\/1\.1/g).length, 1, name);
	}
	const lines = ["POST /v1/messages HTTP/1.1 x", "POST  /v1/messages HTTP/1.1", "POST /v1/messages HTTP/2.0", "POST /v1/mess ages HTTP/1.1",
		"P@ST /v1/messages HTTP/1.1", "POST /v1/messages#x HTTP/1.1"];
	for (const line of lines)
		assert.match(await gateway.raw("api", `${line}\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 400 /, line);
	assert.match(await gateway.raw("api", "POST /v1/messages HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), /^HTTP\/1\.1 505 /);
	assert.match(await gateway.raw("api", `POST /v1/messages HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(70000)}\r\n\r\n`),
		/^HTTP\/1\.1 431 /);
	for (const coding of ["x\r\n", "5\r\nhelloX\r\n", "5hello", "0x5\r\nhello\r\n0\r\n\r\n", "-1\r\n", "5\nhello\n0\n\n"]) {
		const text = await gateway.raw("api", `POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${coding}`);
		assert.match(text, /^HTTP\/1\.1 400 /, coding);
	}
	assert.equal(upstream.requests.length, before);
});

// ---- when things go wrong ----

test("a server that is down, or isn't who it says, is 502 with a sentence", async (t) => {
	const other = directory();
	const { caFile: wrong } = await makeCertificates(other);
	const cases = [[{ model: "http://127.0.0.1:1" }, /connect to server/], [{ model: upstream.url, "model-ca": wrong }, /certificate/],
		[{ model: upstream.url.replace("https", "http") }, /./], [{ model: "https://no-such-name.invalid" }, /resolve/]];
	for (const [settings, expected] of cases) {
		const broken = await startGateway(settings);
		t.after(() => broken.kill());
		broken.key(KEY);
		const answer = await waitFor(async () => {
			const response = await broken.post("api", "/v1/messages", "{}");
			return response.status !== 401 && response;
		});
		assert.deepEqual(errorOf(answer), [502, "api_error"], answer.text);
		assert.match(answer.text, expected);
		assert.ok(!answer.text.includes(KEY));
		await broken.event({ kind: "api", allowed: true, reason: /reached/ });
		await broken.stop();
	}
	rmSync(other, { recursive: true, force: true });
});

test("a slow head is given up, a slow client doesn't hold others up", async (t) => {
	const quick = await startGateway({ model: upstream.url, "model-ca": caFile, "head-timeout": 300 });
	t.after(() => quick.kill());
	quick.key(KEY);
	const slow = quick.connect("api");
	const text = readAll(slow, "POST /v1/messages HTTP/1.1\r\n");
	const drip = setInterval(() => slow.write("X: y\r\n"), 50);
	slow.on("error", () => {});
	assert.match(await text, /^HTTP\/1\.1 408 /);
	clearInterval(drip);
	assert.equal(await quick.raw("egress", ""), "");
	await quick.stop();
});

test("64 at once are all served; beyond 128 connections it says 503", async () => {
	handle = (req, res, body) => res.writeHead(200).end(body);
	const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
	const bodies = Array.from({ length: 256 }, () => randomBytes(3000).toString("hex"));
	const answers = await Promise.all(bodies.map((body) => gateway.post("api", "/v1/messages", body, { agent })));
	assert.deepEqual(answers.map(({ text }) => text), bodies);
	agent.destroy();
	const idle = Array.from({ length: 140 }, () => gateway.connect("api").on("error", () => {}));
	const refused = await Promise.race(idle.map((socket) => new Promise((resolve) =>
		socket.setEncoding("latin1").once("data", resolve))));
	assert.match(refused, /^HTTP\/1\.1 503 /);
	assert.match(await gateway.raw("egress", "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
	for (const socket of idle) socket.destroy();
	await waitFor(async () => (await ask("/v1/messages", { agent: false }).catch(() => ({}))).status === 200);
});

test("with a fake of the Messages API: key and token are taken, streams are whole", async (t) => {
	const anthropic = await startAnthropic({ tls: true });
	const real = await startGateway({ model: anthropic.url, "model-ca": anthropic.caFile });
	t.after(() => real.kill());
	const body = JSON.stringify({ model: "claude-opus-4-8", max_tokens: 100, stream: true,
		messages: [{ role: "user", content: "hello" }] });
	const send = () => real.post("api", "/v1/messages", body, { headers: { "anthropic-version": "2023-06-01",
		"x-api-key": "placeholder" } });
	anthropic.script([{ text: "Hello to you." }]);
	for (const [give, secret] of [["key", anthropic.keys.add()], ["oauth", anthropic.keys.addOAuth()]]) {
		real[give](secret);
		await waitFor(async () => (await send()).status === 200);
		const answer = await send();
		assert.match(answer.text, /event: message_stop/);
		assert.equal(anthropic.requests().at(-1).key, secret);
	}
	real.key("sk-ant-wrong");
	await waitFor(async () => (await send()).status === 401);
	await Promise.all([real.stop(), anthropic.close()]);
});
