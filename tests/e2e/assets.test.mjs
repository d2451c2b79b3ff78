// Assets: files of a whole workspace, called by a path.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, bytes, check, checkLogs, inSeconds, signature, wire } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";

let server;
after(async () => {
	if (server) checkLogs(server);
	await server?.stop();
});
server = await startServer();

test("PUT, GET, HEAD, DELETE with nested paths", async () => {
	const w = new Room(server);
	const { assets } = w;
	const kept = {};
	for (const target of ["statuses/icons/todo.svg", "todo.svg", "statuses", "statuses/icons", "a/b/c/d/e/f/g/h",
		"sign", "sign/x", "x/sign",
		"attachments/f", "s/attachments/f"]) {
		kept[target] = bytes(500);
		const { json } = await assets.put(target, kept[target], { type: "image/svg+xml" });
		assert.deepEqual(json, { name: target, size: 500, mimeType: "image/svg+xml" });
	}
	for (const [target, body] of Object.entries(kept)) {
		const { headers } = await assets.holds(target, body);
		assert.equal(headers["content-type"], "image/svg+xml");
		assert.equal(headers["cache-control"], "private, no-cache");
		assert.equal(headers["content-security-policy"], "sandbox; default-src 'none'");
		assert.match(headers["content-disposition"], /^attachment\b.*filename\*=UTF-8''/);
		assert.match(headers.etag, /^"/);
		const head = await assets.head(target);
		for (const name of ["content-length", "etag", "content-type", "last-modified", "content-disposition"])
			assert.equal(head.headers[name], headers[name], name);
		const part = await assets.get(target, { headers: { Range: "bytes=-5" } }, 206);
		assert.ok(part.body.equals(body.subarray(-5)));
		await assets.get(target, { headers: { "If-None-Match": headers.etag } }, 304);
	}
	const [[files,
		sessions]] = server.psql(`select count(*), count(session) from report.files where workspace = '${w.slug}'`);
	assert.deepEqual([files, sessions], ["10", "0"]);
	// They are not files.
	assert.deepEqual(await w.list("s/attachments"), []);
	await w.get("s/attachments/f", {}, 404);
	for (const target of Object.keys(kept)) {
		assert.deepEqual((await assets.delete(target)).json, { success: true });
		assert.deepEqual((await assets.delete(target)).json, { success: true });
		assert.deepEqual((await assets.get(target, {}, 404)).json, { error: "Asset not found" });
		await assets.head(target, {}, 404);
	}
});

test("replacing, preconditions, digests, refusals", async () => {
	const { assets } = new Room(server);
	await assets.put("a/b", "one", { headers: { "If-None-Match": "*" } });
	await assets.put("a/b", "two", { headers: { "If-None-Match": "*" }, status: 412 });
	const { headers } = await assets.holds("a/b", Buffer.from("one"));
	await assets.put("a/b", "two", { headers: { "If-Match": '"x"' }, status: 412 });
	await assets.put("a/b", "two", { headers: { "If-Match": headers.etag } });
	await assets.delete("a/b", { headers: { "If-Match": headers.etag } }, 412);
	await assets.put("a/b", "six", { headers: { "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==" }, status: 400 });
	await assets.put("a/b", "six", { headers: { "Content-Encoding": "gzip" }, status: 415 });
	await assets.put("a/b", "six", { key: "wrong", status: 401 });
	await assets.holds("a/b", Buffer.from("two"));
	const expect = { "Expect": "100-continue", "Content-Length": 5 };
	for (const [target, more, status] of [["a/b", { Authorization: null }, 401], ["a%2Fb", {}, 400], ["a/b",
		{ "Content-Length": 2 ** 40 }, 413]])
		check(await wire(server, "PUT", assets.base + target, { headers: { ...expect, ...more } }), status, target);
	await assets.put("empty", "");
	await assets.holds("empty", Buffer.alloc(0));
});

test("paths of 1,024 bytes, parts of 255", async () => {
	const { assets } = new Room(server);
	const longest = `${"x".repeat(255)}/`.repeat(4).slice(0, -1);
	assert.equal(longest.length, 1023);
	for (const target of ["x".repeat(255), longest, `${longest.slice(0, 1019)}/abcd`, `${"x/".repeat(511)}ab`,
		`${"%C3%A9".repeat(127)}a/${"%F0%9F%98%80".repeat(63)}`])
		assert.equal((await assets.put(target, "x")).json.name, decodeURIComponent(target));
	for (const target of ["x".repeat(256), `${"x".repeat(256)}/a`, `a/${"x".repeat(256)}`,
		`${longest.slice(0, 1019)}/abcde`, `${"x/".repeat(512)}a`,
		"%C3%A9".repeat(128), `${`${"%C3%A9".repeat(127)}/`.repeat(4)}abcdefgh`])
		for (const method of ["PUT", "GET", "DELETE"]) await assets.ask(method, target, 400,
			method === "PUT" ? { body: "x" } : {});
});

test("parts that are none", async () => {
	const { assets } = new Room(server);
	for (const target of ["a%2Fb", "a/%2F/b", "%2F", "a//b", "/a", "a/", "a/b//", "a/%00/b", "a/%0a", "%ff", "a/%7f/b",
		"a/%c0%af"])
		for (const method of ["PUT", "GET", "DELETE", "HEAD"])
			await assets.ask(method, target, 400, method === "PUT" ? { body: "x" } : {});
	for (const target of ["a/../b", "..", ".", "a/.", "a/%2e%2e/b", "%2e", "a/./b", "a/..%2fb"])
		for (const method of ["PUT", "GET", "DELETE", "HEAD"])
			await assets.ask(method, target, [400, 404], method === "PUT" ? { body: "x" } : {});
	assert.equal(server.psqlValue(`select count(*) from report.files where workspace = '${assets.slug}'`), "0");
	for (const target of ["", "?x"]) for (const method of ["GET", "PUT", "DELETE"])
		await assets.ask(method, target, [400, 404, 405], method === "PUT" ? { body: "x" } : {});
});

test("signed URLs of assets open them without a key, and nothing else", async () => {
	const w = new Room(server, `team ${process.pid}`);
	const { assets } = w;
	await assets.put("icons/a%20b.svg", "<svg/>", { type: "image/svg+xml" });
	await assets.put("icons/other.svg", "<svg/>", { type: "image/svg+xml" });
	const { url } = await assets.sign("icons/a%20b.svg", { expiresIn: 60 });
	const target = url.slice(server.url.length);
	const path = `assets/${w.slug}/icons/a b.svg`;
	const [, sent, exp, sig] = target.match(/^(\/[^?]+)\?exp=(\d+)&sig=([0-9a-f]{64})$/);
	assert.equal(decodeURIComponent(sent), `/${path}`);
	assert.equal(sig, signature(server.apiKey, path, exp));
	const image = check(await server.request(target, { key: null, headers: { "Sec-Fetch-Dest": "image" } }), 200,
		"an image");
	assert.equal(image.text, "<svg/>");
	assert.equal(image.headers["content-disposition"], undefined);
	check(await server.request(target, { key: null, method: "HEAD" }), 200, "HEAD", { method: "HEAD" });
	for (const [method, odd] of [["GET", target.replace("a%20b", "other")], ["DELETE", target], ["PUT", target],
		["POST", target.replace("/icons", "/sign/icons")],
		["GET", target.replace("/a%20b.svg", "")], ["GET", target.replace("/assets/", "/files/")],
		["GET",
			`/assets/team%20${process.pid}/icons/a%20b.svg?exp=${inSeconds(-1)}&sig=${signature(server.apiKey, path, inSeconds(-1))}`]])
		check(await server.request(odd, { method, key: null }), 403, `${method} ${odd}`);
	await assets.holds("icons/a%20b.svg", Buffer.from("<svg/>"));
});
