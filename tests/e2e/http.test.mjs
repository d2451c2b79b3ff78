// What holds for every request: the key in all its forms, CORS, methods, errors that are JSON whoever makes them,
// request ids, and no key in any log. The key has characters that must be encoded in a query.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { after, test } from "node:test";
import { ALLOWED, EXPOSED, names } from "../harness/headers.mjs";
import { backstop } from "../harness/pace.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const KEY = `k+%41/=&?#;"\\~${randomBytes(12).toString("hex")}`;
let server;
after(() => server?.stop());
server = await startServer({ env: { API_KEY: KEY } });

const query = (key) => `apiKey=${encodeURIComponent(key)}`;
const where = "/workspace/http/sessions";

function checkCors(answer, what) {
	assert.equal(answer.headers["access-control-allow-origin"], "*", what);
	assert.deepEqual(names(answer.headers["access-control-expose-headers"]), EXPOSED, what);
	assert.match(answer.headers["x-request-id"] ?? "", /^[\w-]{8,64}$/, what);
	for (const name of ["access-control-allow-origin", "x-request-id", "access-control-expose-headers", "content-type"])
		assert.ok(answer.rawHeaders.filter((h, i) => i % 2 === 0 && h.toLowerCase() === name).length <= 1, `${what}: ${name} twice`);
}

function checkError(answer, status, what) {
	assert.ok([status].flat().includes(answer.status), `${what}: ${answer.status} instead of ${status}: ${answer.text.slice(0, 200)}`);
	checkCors(answer, what);
	assert.match(answer.headers["content-type"] ?? "", /^application\/json\b/, what);
	const { error } = answer.json;
	assert.equal(typeof error, "string", what);
	assert.ok(error.length > 3, what);
	assert.doesNotMatch(answer.text, /nginx|<html|SELECT|libpq|\/usr\/|\.c:\d/i, what);
}

// Bytes of one's own over TLS, for what node's client would not send; resolves with the answer as text.
function bytes(data) {
	return new Promise((resolve, reject) => {
		const socket = tls.connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
		let text = "";
		socket.setEncoding("latin1");
		socket.setTimeout(backstop(10_000), () => socket.destroy(new Error(`no end of the answer: ${text.slice(0, 200)}`)));
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.on("end", () => resolve(text));
		socket.on("error", (error) => (text ? resolve(text) : reject(error)));
		// Not end(): the server may answer a half-closed connection with a reset.
		socket.write(data);
	});
}

function parse(text) {
	const [head, ...rest] = text.split("\r\n\r\n");
	const [first, ...lines] = head.split("\r\n");
	const rawHeaders = lines.flatMap((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
	const headers = {};
	for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i].toLowerCase()] = rawHeaders[i + 1];
	const body = rest
		.join("\r\n\r\n")
		.replace(/^[0-9a-f]+\r\n/i, "")
		.replace(/\r\n0\r\n\r\n$/, "");
	return {
		status: Number(first.split(" ")[1]),
		headers,
		rawHeaders,
		text: body,
		get json() {
			return JSON.parse(body);
		},
	};
}

test("GET / in all its forms", async () => {
	const ok = { status: "ok", service: "craft-agent-cloud" };
	for (const [path, options] of [
		["/", { key: null }],
		["/", {}],
		[`/?${query(KEY)}`, { key: null }],
		["/?", { key: null }],
		["/?x=1", { key: null }],
	]) {
		const answer = await server.request(path, options);
		assert.equal(answer.status, 200, path);
		assert.deepEqual(answer.json, ok);
		assert.match(answer.headers["content-type"], /^application\/json\b/);
		checkCors(answer, path);
	}
	for (const [path, options] of [
		["/", { key: "wrong" }],
		["/?apiKey=wrong", { key: null }],
		["/", { key: KEY.slice(0, -1) }],
		[`/?${query(`${KEY}x`)}`, { key: null }],
		[`/?${query(KEY)}`, { key: "wrong" }],
	])
		checkError(await server.request(path, options), 401, path);
	const head = await server.request("/", { method: "HEAD", key: null });
	assert.equal(head.status, 200);
	assert.equal(head.body.length, 0);
	checkError(await server.request("/", { method: "POST", body: {} }), 405, "POST /");
});

const right = {
	"a Bearer header": [where, { headers: { Authorization: `Bearer ${KEY}` } }],
	"bearer in small letters": [where, { headers: { Authorization: `bearer ${KEY}` } }],
	"BEARER in capitals": [where, { headers: { Authorization: `BEARER ${KEY}` } }],
	"the header's name in any case": [where, { headers: { aUTHORIZATION: `BeArEr ${KEY}` }, key: null }],
	"the query": [`${where}?${query(KEY)}`, { key: null }],
	"the query among others": [`${where}?x=1&${query(KEY)}&y=2`, { key: null }],
	"the query with every byte encoded": [
		`${where}?apiKey=${[...Buffer.from(KEY)].map((b) => `%${b.toString(16)}`).join("")}`,
		{ key: null },
	],
	"a right header beside a wrong query": [`${where}?apiKey=wrong`, { headers: { Authorization: `Bearer ${KEY}` } }],
};
for (const [name, [path, options]] of Object.entries(right))
	test(`the key is taken from ${name}`, async () => {
		const answer = await server.request(path, options);
		assert.equal(answer.status, 200, answer.text);
		assert.deepEqual(answer.json, []);
		checkCors(answer, name);
	});

const wrong = {
	nothing: [where, { key: null }],
	"an empty header": [where, { headers: { Authorization: "" } }],
	"a scheme without a key": [where, { headers: { Authorization: "Bearer" } }],
	"a scheme and a blank": [where, { headers: { Authorization: "Bearer " } }],
	"the key without a scheme": [where, { headers: { Authorization: KEY } }],
	"another scheme": [where, { headers: { Authorization: `Basic ${KEY}` } }],
	"a scheme that begins alike": [where, { headers: { Authorization: `Bearers ${KEY}` } }],
	"a key cut short": [where, { key: KEY.slice(0, -1) }],
	"a key with more": [where, { key: `${KEY}x` }],
	"the key twice": [where, { key: `${KEY} ${KEY}` }],
	"the key in another case": [where, { key: KEY.toUpperCase() }],
	"an overlong key": [where, { key: KEY.repeat(100) }],
	"a key of other bytes": [where, { headers: { Authorization: "Bearer \xff\xfe\x80" } }],
	"an empty query": [`${where}?apiKey=`, { key: null }],
	"a query without value": [`${where}?apiKey`, { key: null }],
	"a wrong query": [`${where}?apiKey=wrong`, { key: null }],
	"an overlong query": [`${where}?apiKey=${"x".repeat(6000)}`, { key: null }],
	"another parameter": [`${where}?xapiKey=${encodeURIComponent(KEY)}`, { key: null }],
	"another case of the parameter": [`${where}?APIKEY=${encodeURIComponent(KEY)}`, { key: null }],
	"a query encoded twice": [`${where}?apiKey=${encodeURIComponent(encodeURIComponent(KEY))}`, { key: null }],
	"a wrong header beside a right query": [`${where}?${query(KEY)}`, { key: "wrong" }],
	"a key with a NUL behind": [`${where}?${query(KEY)}%00`, { key: null }],
};
for (const [name, [path, options]] of Object.entries(wrong)) {
	test(`401 for ${name}`, async () => {
		const answer = await server.request(path, options);
		checkError(answer, 401, name);
		assert.deepEqual(answer.json, { error: "Unauthorized" });
	});

	test(`401 before the upgrade for ${name}`, async () => {
		const headers = {
			Connection: "Upgrade",
			Upgrade: "websocket",
			"Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			...options.headers,
		};
		const answer = await server.request(path.replace("/sessions", ""), { ...options, headers, agent: false });
		checkError(answer, 401, name);
		assert.deepEqual(answer.json, { error: "Unauthorized" });
	});
}

test("WebSockets with the key in the header and in the query", async () => {
	for (const options of [{ auth: "header" }, { auth: "query" }, { auth: "none", headers: { Authorization: `bEARER ${KEY}` } }]) {
		const client = await connect(server, "http", options);
		assert.equal((await client.call("nosuch", {})).error, "Unknown message type: nosuch");
		await client.close();
	}
});

test("everything below /workspace/ needs the key, whatever it is", async () => {
	for (const path of [
		"",
		"/",
		"/nosuch",
		"/sessions",
		"/sessions/x",
		"/sessions/x/plans/y",
		"/sources/x",
		"/projects/a/b",
		"/sandbox/sessions",
		"/sessions/%zz",
	])
		for (const method of ["GET", "POST", "PUT", "DELETE"]) {
			const answer = await server.request(`/workspace/http${path}`, { method, key: null });
			// What nginx itself can't parse it may refuse before the key is looked at.
			checkError(answer, path.includes("%zz") ? [400, 401] : 401, `${method} ${path}`);
		}
	for (const action of ["new-chat", "flag-session", "nosuch"])
		checkError(await server.request(`/workspace/http/actions/${action}`, { method: "POST", body: {}, key: "wrong" }), 401, action);
	assert.equal(server.psqlValue("select count(*) from app.session"), "0");
});

test("OPTIONS anywhere: the preflight", async () => {
	for (const path of [
		"/",
		where,
		"/workspace/http",
		"/workspace/http/actions/new-chat",
		"/nosuch",
		"/workspace/a%2Fb/sessions/x",
		"/files/a/b/attachments/c",
		"/oauth/github",
		"/api/sandbox/check",
	])
		for (const headers of [
			{},
			{ Origin: "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization" },
		]) {
			const answer = await server.request(path, { method: "OPTIONS", key: null, headers });
			assert.equal(answer.status, 204, path);
			assert.equal(answer.body.length, 0);
			checkCors(answer, path);
			const list = (name) => answer.headers[name]?.split(/, */).sort();
			assert.deepEqual(list("access-control-allow-methods"), ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"], path);
			assert.deepEqual(list("access-control-allow-headers"), ALLOWED, path);
			assert.equal(answer.headers["access-control-max-age"], "86400");
		}
});

const allowed = {
	"/sessions": "GET, HEAD",
	"/sessions/x": "GET, HEAD",
	"/sessions/x/plans": "GET, HEAD",
	"/sessions/x/plans/y": "GET, HEAD",
	"/sources": "GET, HEAD",
	"/sources/x": "GET, HEAD",
	"/statuses": "GET, HEAD",
	"/labels": "GET, HEAD",
	"/skills": "GET, HEAD",
	"/projects": "GET, HEAD",
	"/projects/a%2Fb": "GET, HEAD",
	"/projects/a/b/credential": "DELETE",
	"/sandbox/sessions": "GET, HEAD",
	"/sandbox/sessions/x": "GET, HEAD",
	"/actions/new-chat": "POST",
	"/actions/flag-session": "POST",
	"/actions/unflag-session": "POST",
	"/actions/rename-session": "POST",
	"/actions/delete-session": "POST",
};
for (const [path, list] of Object.entries(allowed))
	test(`methods of ${path}: ${list}`, async () => {
		for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "FOO"].filter((m) => !list.split(", ").includes(m))) {
			const answer = await server.request(`/workspace/http${path}`, {
				method,
				...(["GET", "DELETE"].includes(method) ? {} : { body: {} }),
			});
			checkError(answer, 405, `${method} ${path}`);
			const allow = answer.headers.allow
				?.split(/, */)
				.filter((m) => m !== "OPTIONS")
				.sort();
			assert.deepEqual(allow, list.split(", ").sort(), `${method} ${path}`);
		}
	});

test("a plain GET of the WebSocket's path", async () => {
	const answer = await server.request("/workspace/http");
	checkError(answer, 426, "GET /workspace/http");
	assert.deepEqual(answer.json, { error: "WebSocket upgrade required" });
});

test("upgrades that are no WebSocket, or of another version", async () => {
	const good = {
		Connection: "Upgrade",
		Upgrade: "websocket",
		"Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	};
	for (const [name, headers] of [
		["h2c", { ...good, Upgrade: "h2c" }],
		["version 8", { ...good, "Sec-WebSocket-Version": "8" }],
		["no key", { ...good, "Sec-WebSocket-Key": "" }],
		["a short key", { ...good, "Sec-WebSocket-Key": "AAAA" }],
	]) {
		const answer = await server.request("/workspace/http", { headers, agent: false });
		checkError(answer, [400, 426], name);
		if (name === "version 8") assert.equal(answer.headers["sec-websocket-version"], "13");
	}
	for (const path of ["/workspace/http/sessions", "/workspace/http/nosuch", "/workspace/", "/workspace/http/sessions/x"]) {
		const answer = await server.request(path, { headers: good, agent: false });
		assert.ok(answer.status >= 400 && answer.status < 500, `an upgrade of ${path}: ${answer.status}`);
		checkError(answer, answer.status, path);
	}
});

test("a body that is too big", async () => {
	// Only the head and the first bytes are sent: the refusal must not wait for the rest.
	const head = `POST /workspace/http/actions/new-chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\nConnection: close\r\n\r\n{"name":"`;
	checkError(parse(await bytes(head)), 413, "content-length 999999999");
});

test("headers and URLs that are too long", async () => {
	for (const [name, head] of [
		["a header of 64 KB", `GET ${where} HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(65536)}\r\nConnection: close\r\n\r\n`],
		[
			"an Authorization of 64 KB",
			`GET ${where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${"x".repeat(65536)}\r\nConnection: close\r\n\r\n`,
		],
		["a URL of 64 KB", `GET ${where}?${"x".repeat(65536)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
		[
			"64 KB of small headers",
			`GET ${where} HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 2000 }, (_, i) => `X-${i}: ${"y".repeat(24)}\r\n`).join("")}Connection: close\r\n\r\n`,
		],
	])
		checkError(parse(await bytes(head)), [400, 414, 431], name);
});

test("what is no HTTP", async () => {
	for (const [name, head] of [
		["no such syntax", "hello\r\n\r\n"],
		["no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"],
		["a length that is no number", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\nConnection: close\r\n\r\n"],
		["a NUL in the path", "GET /workspace/a%00b/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
		["a path above the root", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
	]) {
		const text = await bytes(head);
		// HTTP/0.9 answers have no head at all; nothing to check but that nobody else is spoken of.
		if (text.startsWith("HTTP/")) checkError(parse(text), [400, 404, 405], name);
	}
	const plain = await new Promise((resolve, reject) => {
		const socket = net.connect(server.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
		let text = "";
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.on("end", () => resolve(text));
		socket.on("error", reject);
	});
	checkError(parse(plain), 400, "plain HTTP on the TLS port");
});

test("a request's id is in the logs of all who handled it", async () => {
	const ids = new Map([["nginx", (await server.request(where)).headers["x-request-id"]]]);
	ids.set("craft-fcgi", (await server.request("/workspace/http/sessions/%ff")).headers["x-request-id"]);
	const all = server.logs();
	for (const [who, id] of ids) assert.ok(all.includes(id), `the id given out by ${who} is in no log`);
});

test("no key is in any log", async () => {
	for (const path of [
		`${where}?${query(KEY)}`,
		`/?${query(KEY)}`,
		`/nosuch?${query(KEY)}`,
		`${where}/%zz?${query(KEY)}`,
		`/workspace/http?${query(KEY)}`,
		`${where}?x=${"y".repeat(9000)}&${query(KEY)}`,
	])
		await server.request(path, { key: null });
	const client = await connect(server, "http", { auth: "query" });
	await client.send("not json");
	await client.close();
	const all = server.logs();
	const secret = KEY.slice(KEY.indexOf("~") + 1);
	assert.ok(all.includes("/workspace/http/sessions"), "nothing is logged at all");
	for (const line of all.split("\n")) assert.ok(!line.includes(secret), `a log line holds the key: ${line.slice(0, 300)}`);
});
