// The gateway of a sandbox, its way to the rest of the network: which hosts, which addresses, and what passes.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { makeCertificates } from "../fakes/ca.mjs";
import { readAll, startGateway, startUpstream } from "../harness/gateway.mjs";
import { waitFor } from "../harness/server.mjs";

const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const work = mkdtempSync(path.join(tmpdir(), "gateway-egress-"));
chmodSync(work, 0o755);
const { key, cert } = await makeCertificates(work);

let handle = (req, res) => res.end("hello");
const plain = await startUpstream((...args) => handle(...args));
const secure = await startUpstream((req, res) => res.end("secret hello"), { tls: { key, cert }, createServer: https.createServer });
const model = await startUpstream((req, res) => res.end("model"));
const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => {}).pipe(socket));
await new Promise((resolve) => echo.listen(0, "127.0.0.1", resolve));
const echoPort = echo.address().port;
const gateway = await startGateway({ model: model.url, git: "http://127.0.0.1:9",
	egress: `127.0.0.1:${plain.port} localhost:${secure.port},127.0.0.1:${echoPort} localhost *.localhost *.invalid` });
after(async () => {
	await Promise.all([gateway.stop(), plain.close(), secure.close(), model.close(), new Promise((done) => echo.close(done))]);
	rmSync(work, { recursive: true, force: true });
});

async function refused(target, status = 403) {
	const { status: got, head, socket } = await gateway.tunnel(target);
	const text = await readAll(socket);
	assert.equal(got, status, `${target}: ${head}${text}`);
	assert.match(head, /content-type: text\/plain/i);
	return text;
}

// ---- which hosts ----

test("a host that isn't listed is refused with a text that says what to do, and reported", async () => {
	const text = await refused("example.com:443");
	assert.match(text, /^example\.com:443 can't be reached: .*limited.*SANDBOX_EGRESS/);
	await gateway.event({ kind: "egress", allowed: false, host: "example.com:443", reason: /SANDBOX_EGRESS/ });
	const absolute = await gateway.request("egress", "http://example.com/x");
	assert.equal(absolute.status, 403);
	assert.match(absolute.text, /^example\.com:80 can't be reached/);
	for (const target of ["EXAMPLE.com.:443", "localhost.example.com:443", "invalid:443", "xlocalhost:80", `127.0.0.1:${model.port + 1}`,
		"127.0.0.1:22", `127.0.0.2:${plain.port}`, `[::1]:${plain.port}`, `localhost:${plain.port}`])
		await refused(target);
});

test("no request, no answer: nonsense is 400", async () => {
	for (const target of ["example.com", "example.com:0", "example.com:65536", ":443", "a b:80", "user@example.com:80", "[::1:80",
		"[127.0.0.1]:80", "[::1%25lo]:80", "ex%61mple.com:443", "a..b:80", "example.com:443/x", "example.com:4 43"])
		assert.match(await gateway.raw("egress", `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 400 /, target);
	for (const target of ["/", "/etc/passwd", "https://example.com/", "ftp://example.com/", "http:///x", "http://user:pw@example.com/",
		"*", "http://"])
		assert.match(await gateway.raw("egress", `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 400 /, target);
	assert.match(await gateway.raw("egress", "CONNECT localhost:80 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
		/^HTTP\/1\.1 400 /);
});

test("metadata and private addresses are refused in every notation", async () => {
	const targets = ["169.254.169.254:80", "169.254.169.254:443", "2852039166:80", "0xa9fea9fe:80", "0xa9.254.169.254:80",
		"0251.0376.0251.0376:80", "169.254.43518:80", "[::ffff:169.254.169.254]:80", "[::ffff:a9fe:a9fe]:80", "[fd00:ec2::254]:80",
		"[64:ff9b::a9fe:a9fe]:80", "[2002:a9fe:a9fe::]:80", "100.100.100.200:80", "127.0.0.1:80", "0x7f.1:80", "2130706433:80",
		"127.1:443", "0:80", "0.0.0.0:80", "[::]:80", "[::1]:80", "[::127.0.0.1]:80", "10.0.0.1:80", "192.168.1.1:443", "172.16.0.1:80",
		"100.64.0.1:80", "[fe80::1]:80", "[fc00::1]:80", "224.0.0.1:80", "255.255.255.255:80"];
	for (const target of targets) await refused(target);
});

test("a name that leads to a private address is refused, unless it is listed with its port", async () => {
	// "localhost" and "*.localhost" are listed, but not with these ports.
	const text = await refused("localhost:80");
	assert.match(text, /^localhost:80 can't be reached: it leads to (127\.0\.0\.1|::1), .*SANDBOX_EGRESS/);
	await gateway.event({ kind: "egress", allowed: false, host: "localhost:80" });
	assert.equal((await gateway.request("egress", "http://LOCALHOST./")).status, 403);
	const { status, socket } = await gateway.tunnel(`localhost:${secure.port}`);
	assert.equal(status, 200);
	socket.destroy();
});

test("a listed address is one address in all its notations", async () => {
	const { port } = plain;
	for (const host of ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]"]) {
		const { status, socket } = await gateway.tunnel(`${host}:${port}`);
		assert.equal(status, 200, host);
		socket.destroy();
	}
	await gateway.event({ kind: "egress", allowed: true, host: `127.0.0.1:${port}` });
});

test("the model's API and the git host are reached by their own sockets only", async () => {
	const reserved = await startGateway({ model: model.url, git: "https://git.localhost", egress: "*.localhost *.localhost:8443" });
	try {
		const { port } = model;
		const ask = async (target) => {
			const { status, head, socket } = await reserved.tunnel(target);
			const text = await readAll(socket);
			assert.equal(status, 403, `${target}: ${head}${text}`);
			assert.match(text, /can't be reached this way: .*model's API.*git host.*3129.*git reaches/, target);
		};
		for (const target of [`127.0.0.1:${port}`, `127.1:${port}`, `2130706433:${port}`, `0x7f.0.0.1:${port}`, `[::ffff:127.0.0.1]:${port}`,
			"127.0.0.1:443", "git.localhost:443", "GIT.LocalHost:443", "git.localhost.:443", "git.localhost:80", "git.localhost:22",
			"git.localhost:8443"])
			await ask(target);
		for (const url of [`http://127.0.0.1:${port}/v1/models`, "http://git.localhost/a/b", "HTTP://GIT.LOCALHOST.:443/"]) {
			const answer = await reserved.request("egress", url);
			assert.equal(answer.status, 403, url);
			assert.match(answer.text, /can't be reached this way/, url);
		}
		for (const odd of ["git.localhost。:443", "git%2elocalhost:443", "ｇｉｔ.localhost:443", "x@git.localhost:443"])
			assert.match(await reserved.raw("egress", `CONNECT ${Buffer.from(odd).toString("latin1")} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 400 /, odd);
		await reserved.event({ kind: "egress", allowed: false, host: "git.localhost:443", reason: /this way/ });
		// With an empty list, too.
		const empty = await startGateway({ model: model.url, git: "https://git.localhost" });
		try {
			const { status } = await empty.tunnel(`127.0.0.1:${port}`);
			assert.equal(status, 403);
		} finally {
			await empty.stop();
		}
	} finally {
		await reserved.stop();
	}
});

test("an operator who names such a host with its port has it", async () => {
	const named = await startGateway({ model: model.url, egress: `127.0.0.1:${model.port}` });
	try {
		const { status, socket } = await named.tunnel(`127.0.0.1:${model.port}`);
		assert.equal(status, 200);
		socket.destroy();
		const other = await named.tunnel("127.0.0.1:9");
		assert.equal(other.status, 403);
		other.socket.destroy();
		assert.match(named.errors, /level=warn .*SANDBOX_EGRESS names 127\.0\.0\.1: /);
		named.errors = named.errors.replace(/^.*level=warn .*SANDBOX_EGRESS names.*\n/m, "");
	} finally {
		await named.stop();
	}
});

test("a name that isn't there is 502", async () => {
	assert.match(await refused("no-such-name.invalid:443", 502), /no such name/);
});

// ---- tunnels ----

test("TLS through a tunnel", async () => {
	const { socket } = await gateway.tunnel(`localhost:${secure.port}`);
	const inside = tls.connect({ socket, servername: "localhost", ca: undefined, rejectUnauthorized: false });
	const text = await readAll(inside, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	assert.match(text, /secret hello$/);
});

test("CONNECT of HTTP/1.0 without a Host will do", async () => {
	const socket = gateway.connect("egress");
	const text = await readAll(socket, `CONNECT 127.0.0.1:${echoPort} HTTP/1.0\r\n\r\nhello`, { end: true });
	assert.match(text, /^HTTP\/1\.1 200 .*\r\n\r\nhello$/);
});

test("all bytes pass both ways, those sent with the request too, and each side's end", async () => {
	const bytes = randomBytes(8 << 20);
	const { status, socket } = await gateway.tunnel(`127.0.0.1:${echoPort}`, "early");
	assert.equal(status, 200);
	const parts = [];
	socket.on("data", (part) => parts.push(part));
	const ended = new Promise((resolve) => socket.on("end", resolve));
	socket.end(bytes);
	await ended;
	const all = Buffer.concat(parts);
	assert.equal(all.subarray(0, 5).toString(), "early");
	assert.equal(sha(all.subarray(5)), sha(bytes));
});

test("64 tunnels at once; a client that goes away ends its tunnel", async () => {
	const tunnels = await Promise.all(Array.from({ length: 64 }, () => gateway.tunnel(`127.0.0.1:${echoPort}`)));
	await Promise.all(tunnels.map(async ({ socket }, i) => {
		const text = await readAll(socket, `tunnel ${i}`, { end: true });
		assert.equal(text, `tunnel ${i}`);
	}));
	const { socket } = await gateway.tunnel(`127.0.0.1:${echoPort}`);
	socket.destroy();
	const count = () => new Promise((resolve) => echo.getConnections((error, n) => resolve(n)));
	await waitFor(async () => (await count()) === 0);
});

// ---- requests in absolute form ----

test("a plain request is passed on in origin form, for one time", async () => {
	handle = (req, res) => res.writeHead(201, { "x-answer": "yes" }).end(`${req.method} ${req.url}`);
	const { status, headers, text } = await gateway.request("egress", `http://127.0.0.1:${plain.port}/a/b?c=d`, { headers: {
		host: "other.example", "proxy-authorization": "Basic eDp5", "proxy-connection": "keep-alive", connection: "x-hop, keep-alive",
		"x-hop": "1", te: "trailers", upgrade: "h2c", authorization: "Bearer own", cookie: "a=b" } });
	assert.deepEqual([status, headers["x-answer"], text], [201, "yes", "GET /a/b?c=d"]);
	const { method, headers: { ...sent } } = plain.requests.at(-1);
	assert.equal(method, "GET");
	assert.deepEqual(sent, { host: `127.0.0.1:${plain.port}`, authorization: "Bearer own", cookie: "a=b", connection: "close" });
	assert.equal((await gateway.request("egress", `http://127.0.0.1:${plain.port}?q`)).text, "GET /?q");
	assert.equal((await gateway.request("egress", `HTTP://127.0.0.1:${plain.port}`)).text, "GET /");
});

test("bodies of both framings are passed on", async () => {
	handle = (req, res, body) => res.end(sha(body));
	const body = randomBytes(3 << 20);
	for (const headers of [{ "content-length": body.length }, { "transfer-encoding": "chunked" }]) {
		const answer = await gateway.request("egress", `http://127.0.0.1:${plain.port}/`, { method: "PUT", body, headers });
		assert.equal(answer.text, sha(body));
	}
});

test("smuggled requests are refused, and what follows a request is not passed on", async () => {
	const before = plain.requests.length;
	const target = `http://127.0.0.1:${plain.port}/`;
	for (const head of ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
		"X: a\r\n b\r\n", "X : a\r\n", "X: a\nY: b\r\n", "Transfer-Encoding: xchunked\r\n"]) {
		const text = await gateway.raw("egress", `POST ${target} HTTP/1.1\r\nHost: x\r\n${head}\r\n5\r\nhello\r\n0\r\n\r\n`);
		assert.match(text, /^HTTP\/1\.1 400 /, head);
	}
	assert.equal(plain.requests.length, before);
	handle = (req, res) => res.end("one");
	const text = await gateway.raw("egress", `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\nGET ${target}second HTTP/1.1\r\nHost: x\r\n\r\n`);
	assert.equal(text.match(/HTTP\/1\.1/g).length, 1);
	assert.equal(plain.requests.length, before + 1);
	// A body that is cut is no request.
	const socket = gateway.connect("egress");
	await readAll(socket, `POST ${target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, { end: true });
	assert.equal(plain.requests.length, before + 1);
});

// ---- the configuration ----

test("a list that can't be understood stops the start, and says why", async () => {
	for (const egress of ["a b:x", "http://example.com", "*", "*.", "*example.org", "a:70000", "[::1", "exa mple/ x"])
		await assert.rejects(startGateway({ egress }), /SANDBOX_EGRESS: '.*' is no host/, egress);
	await assert.rejects(startGateway({ model: "ftp://x" }), /ANTHROPIC_BASE_URL/);
	await assert.rejects(startGateway({ git: "http://" }), /GITHUB_URL/);
	await assert.rejects(startGateway({ run: "/nonexistent" }), /cannot make sockets/);
});
