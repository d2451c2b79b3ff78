// uploads.mjs: the tests of uploading, the same for both ways in which a body comes to the disk.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, test } from "node:test";
import { Room, Wire, blob, bytes, check, checkLogs, chunk, incoming, inSeconds, nothingIncoming, openDownload, readAll,
	sha256, wire } from "./files.mjs";
import { startServer, waitFor } from "./server.mjs";

const MAX = 100_000;
const base64 = (algorithm, data) => createHash(algorithm).update(data).digest("base64");

export async function uploadSuite(mode) {
	let server;
	after(async () => {
		if (server) checkLogs(server);
		await server?.stop();
	});
	// Only root may give the daemons a user other than nginx's; only this mode works then.
	const user = mode === "stream" && process.getuid() === 0 ? { CRAFT_DAEMON_USER: "daemon" } : {};
	server = await startServer({ env: { UPLOAD_MODE: mode, ...user } });
	afterEach(() => nothingIncoming(server));

	storing(server);
	refusing(server);
	interrupted(server);
	manyAtOnce(server);
	tooLarge(server);
}

// ---- what is stored ----

function storing(server) {
	test("201: the answer, the list, the database and the disk agree", async () => {
		const w = new Room(server);
		const body = bytes(12_345);
		const start = Date.now();
		const { json, headers } = await w.put("s1/attachments/photo.png", body, { type: "image/png" });
		assert.deepEqual(Object.keys(json), ["name", "size", "mimeType", "uploadedAt"]);
		assert.deepEqual({ ...json, uploadedAt: 0 }, { name: "photo.png", size: 12_345, mimeType: "image/png",
			uploadedAt: 0 });
		assert.ok(Number.isInteger(json.uploadedAt) && json.uploadedAt >= start - 1 && json.uploadedAt <= Date.now() + 1);
		assert.match(headers["content-type"], /^application\/json\b/);
		assert.deepEqual(await w.list("s1/attachments"), [json]);
		const [[row, id,
			times]] = server.psql(`select concat_ws(' ', session, type, name, size, mime_type, sha256), blob_id,
			created_at = uploaded_at and floor(extract(epoch from uploaded_at) * 1000) = ${json.uploadedAt}
			from report.files where workspace = '${w.slug}'`);
		assert.equal(row, `s1 attachments photo.png 12345 image/png ${sha256(body)}`);
		assert.equal(times, "t");
		assert.ok(blob(server, id).equals(body));
		const { headers: got } = await w.holds("s1/attachments/photo.png", body);
		assert.equal(got["last-modified"], new Date(Math.floor(json.uploadedAt / 1000) * 1000).toUTCString());
	});

	for (const size of [0, 1, 4095, 16_384, 16_385, 1_048_576, 1_048_577, 64 << 20])
		for (const framing of ["Content-Length", "Transfer-Encoding"])
			test(`a body of ${size} bytes with ${framing}`, async () => {
				const w = new Room(server);
				const body = bytes(size);
				const headers = framing === "Content-Length" ? {} : { "Transfer-Encoding": "chunked" };
				const { json } = await w.put("s/downloads/f", body, { headers, type: "video/mp4" });
				assert.equal(json.size, size);
				const { headers: got } = await w.holds("s/downloads/f", body);
				assert.equal(got["content-length"], String(size));
				assert.equal(server.psqlValue(`select sha256 from report.files where workspace = '${w.slug}'`),
					sha256(body));
			});

	test("chunks of all sizes, with extensions and a trailer", async () => {
		const w = new Room(server);
		const parts = [1, 2, 15, 16, 4096, 65_536, 1, 300_000].map((n) => bytes(n));
		const c = await Wire.open(server);
		await c.head("PUT", `${w.base}s/attachments/f`, { "Transfer-Encoding": "chunked" });
		for (const part of parts) await c.write(chunk(part));
		await c.write("5;name=value\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n");
		check(await c.answer(), 201, "chunks");
		c.close();
		await w.holds("s/attachments/f", Buffer.concat([...parts, Buffer.from("hello")]));
	});

	test("a body in single bytes, and none at all", async () => {
		const w = new Room(server);
		const c = await Wire.open(server);
		c.socket.setNoDelay(true);
		await c.head("PUT", `${w.base}s/attachments/f`, { "Content-Length": 50 });
		for (let i = 0; i < 50; i++) await c.write("x");
		assert.equal(check(await c.answer(), 201, "slow").json.size, 50);
		// On the same connection: neither length nor chunks is an empty body.
		await c.head("PUT", `${w.base}s/attachments/none`);
		assert.equal(check(await c.answer(), 201, "neither").json.size, 0);
		c.close();
	});

	test("the type is stored as it came; octet-stream when there is none", async () => {
		const w = new Room(server);
		for (const type of ["text/plain; charset=utf-8", "image/PNG", "application/vnd.x+json;a=\"b c\"", "x/y"]) {
			assert.equal((await w.put("s/attachments/f", "x", { type })).json.mimeType, type);
			assert.equal((await w.get("s/attachments/f")).headers["content-type"], type);
		}
		for (const type of [undefined, ""]) {
			assert.equal((await w.put("s/attachments/f", "x", { type })).json.mimeType, "application/octet-stream");
			assert.equal((await w.get("s/attachments/f")).headers["content-type"], "application/octet-stream");
		}
		// What can't go back into a header is refused or replaced.
		for (const type of [`text/${"x".repeat(5000)}`, "text/\xff", "text/a\tb"]) {
			await w.put("s/attachments/f", "x", { type, status: [201, 400] });
			await w.get("s/attachments/f");
		}
	});

	test("the key may stand in the query, and other queries don't matter", async () => {
		const w = new Room(server);
		await w.put(`s/attachments/f?x=1&apiKey=${server.apiKey}`, "x", { key: null });
		await w.holds("s/attachments/f?y", Buffer.from("x"));
	});

	test("replaced and deleted under a download that goes on", async () => {
		const w = new Room(server);
		const target = "s/attachments/f";
		const [old, next] = [bytes(32 << 20), bytes(5 << 20)];
		const first = (await w.put(target, old, { type: "a/a" })).json;
		const { etag } = (await w.head(target)).headers;
		assert.match(etag, /^"[\x21\x23-\x7e]+"$/);
		const beforeReplacing = await openDownload(server, w.base + target);
		const second = (await w.put(target, next, { type: "b/b" })).json;
		const now = await w.holds(target, next);
		assert.equal(now.headers["content-type"], "b/b");
		assert.notEqual(now.headers.etag, etag);
		assert.deepEqual(await w.list("s/attachments"), [second]);
		assert.ok(second.uploadedAt >= first.uploadedAt);
		const beforeDeleting = await openDownload(server, w.base + target);
		assert.deepEqual((await w.delete(target)).json, { success: true });
		await w.get(target, {}, 404);
		assert.ok((await readAll(beforeReplacing)).equals(old), "the old bytes");
		assert.ok((await readAll(beforeDeleting)).equals(next), "the deleted bytes");
		assert.deepEqual((await w.delete(target)).json, { success: true });
		// The same bytes again are another file to caches: uploaded at another time.
		await w.put(target, old, { type: "a/a" });
		assert.notEqual((await w.head(target)).headers.etag, etag);
	});
}

// ---- what is refused ----

// Of a file whose tag is T; of one that isn't there.
const preconditions = [
	[{ "If-Match": "T" }, 201, 412],
	[{ "If-Match": '"x", T ,"y"' }, 201, 412],
	[{ "If-Match": "*" }, 201, 412],
	[{ "If-Match": '"x"' }, 412, 412],
	[{ "If-Match": "W/T" }, 412, 412],
	[{ "If-Match": '""' }, 412, 412],
	[{ "If-None-Match": "*" }, 412, 201],
	[{ "If-None-Match": "T" }, 412, 201],
	[{ "If-None-Match": '"x"' }, 201, 201],
	[{ "If-Match": "T", "If-None-Match": "*" }, 412, 412],
];
// Of "hello".
const MD5 = base64("md5", "hello"), SHA = base64("sha256", "hello");
const digests = [
	[{ "Content-MD5": MD5 }, 201],
	[{ "Content-MD5": base64("md5", "other") }, 400],
	[{ "Content-MD5": "nonsense" }, 400],
	[{ "Content-MD5": SHA }, 400],
	[{ "Repr-Digest": `sha-256=:${SHA}:` }, 201],
	[{ "Repr-Digest": `md5=:${MD5}:, sha-256=:${SHA}:` }, 201],
	[{ "Repr-Digest": `sha-512=:${base64("sha512", "hello")}:` }, 201],
	[{ "Repr-Digest": `sha-256=:${base64("sha256", "other")}:` }, 400],
	[{ "Repr-Digest": `sha-256=:${MD5}:` }, 400],
	[{ "Repr-Digest": `sha-256=${SHA}` }, 400],
	[{ "Repr-Digest": "sha-256=:!!!:" }, 400],
	[{ "Repr-Digest": "sha-256" }, 400],
	[{ "Repr-Digest": `sha-256=:${SHA}:`, "Content-MD5": MD5 }, 201],
	[{ "Repr-Digest": `sha-256=:${SHA}:`, "Content-MD5": base64("md5", "other") }, 400],
];
const refusals = {
	"a wrong key": [{ key: "wrong" }, 401],
	"no key": [{ key: null }, 401],
	"a Content-Encoding": [{ headers: { "Content-Encoding": "gzip" } }, 415],
	"a Content-Range": [{ headers: { "Content-Range": "bytes 0-4/10" } }, 400],
};

function refusing(server) {
	// The file w/s/attachments/f that nothing may change, and what tells that nothing did.
	async function guarded(body = Buffer.from("as it was")) {
		const w = new Room(server);
		await w.put("s/attachments/f", body, { type: "a/a" });
		const { headers } = await w.get("s/attachments/f");
		return { w, tag: headers.etag, intact: async (what) => {
			const now = await w.holds("s/attachments/f", body, what);
			for (const name of ["etag", "last-modified", "content-type"]) assert.equal(now.headers[name], headers[name],
				what);
			assert.equal((await w.list("s/attachments")).length, 1, what);
		} };
	}

	test("preconditions of PUT", async () => {
		for (const [given, there, missing] of preconditions) {
			const { w, tag, intact } = await guarded();
			const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.replace("T",
				tag)]));
			await w.put("s/attachments/new", "new", { headers, status: missing });
			await w.get("s/attachments/new", {}, missing === 201 ? 200 : 404);
			await w.delete("s/attachments/new");
			await w.put("s/attachments/f", "new", { headers, status: there });
			if (there === 412) await intact(JSON.stringify(headers));
			else await w.holds("s/attachments/f", Buffer.from("new"));
		}
	});

	test("preconditions of DELETE", async () => {
		const { w, tag, intact } = await guarded();
		for (const value of ['"x"', `W/${tag}`, '"x","y"']) {
			await w.delete("s/attachments/f", { headers: { "If-Match": value } }, 412);
			await intact(value);
		}
		for (const value of ["*", tag])
			await w.delete("s/attachments/missing", { headers: { "If-Match": value } }, 412);
		await w.delete("s/attachments/f", { headers: { "If-Match": `"x", ${tag}` } });
		await w.get("s/attachments/f", {}, 404);
	});

	test("digests", async () => {
		for (const [headers, status] of digests) {
			const { w, intact } = await guarded();
			const answer = await w.put("s/attachments/f", "hello", { headers, status });
			if (status === 201) await w.holds("s/attachments/f", Buffer.from("hello"));
			else {
				await intact(JSON.stringify(headers));
				assert.match(answer.json.error, /Content-MD5|Repr-Digest/);
			}
		}
	});

	test("keys, encodings, ranges", async () => {
		for (const [what, [options, status]] of Object.entries(refusals)) {
			const { w, intact } = await guarded();
			const { headers } = await w.put("s/attachments/f", bytes(50_000), { ...options, status, agent: false });
			if (status === 401) assert.match(headers["www-authenticate"], /^Bearer\b/);
			await intact(what);
		}
	});

	test("Expect: 100-continue", async () => {
		const { w, intact } = await guarded();
		const path = `${w.base}s/attachments/f`;
		const expect = { Expect: "100-continue", "Content-Length": 5 };
		for (const [what, target, headers, status] of [
			["a wrong key", path, { Authorization: "Bearer wrong" }, 401],
			["no key", path, { Authorization: null }, 401],
			["a wrong type", `${w.base}s/photos/f`, {}, 400],
			["a wrong name", `${w.base}s/attachments/a%2Fb`, {}, 400],
			["too large", path, { "Content-Length": 2 ** 40 }, 413],
			["a Content-Encoding", path, { "Content-Encoding": "br" }, 415],
			["a malformed digest", path, { "Content-MD5": "x" }, 400],
			["a signature", `${path}?exp=${inSeconds(60)}&sig=${"0".repeat(64)}`, { Authorization: null }, 403],
		]) {
			// No body ever comes, so the answer did not wait for it.
			check(await wire(server, "PUT", target, { headers: { ...expect, ...headers } }), status, what);
			await intact(what);
		}
		const c = await Wire.open(server);
		await c.head("PUT", path, expect);
		assert.equal((await c.answer()).status, 100);
		await c.write("hello");
		check(await c.answer(), 201, "after 100");
		c.close();
		await w.holds("s/attachments/f", Buffer.from("hello"));
	});

	test("other bodies take the same way: those of sign, and where none belongs", async () => {
		const { w, intact } = await guarded();
		const path = `${w.base}s/attachments/f`;
		const json = Buffer.from('{"expiresIn":5}');
		const chunked = { "Transfer-Encoding": "chunked" };
		for (const [what, headers, body, status, target] of [
			["a length", { "Content-Length": json.length }, json, 200],
			["chunks", chunked, Buffer.concat([chunk(json.subarray(0, 3)), chunk(json.subarray(3)), chunk("")]), 200],
			["no JSON", { "Content-Length": 1 }, "x", 400],
			["no JSON in chunks", chunked, Buffer.concat([chunk(bytes(100)), chunk("")]), 400],
			["too large", { "Content-Length": 2 ** 30 }, "{", 413],
			["too large in chunks", chunked, Buffer.concat([chunk(Buffer.alloc(4 << 20, " ")), chunk("")]), 413],
			["no such type", { "Content-Length": json.length }, json, 400, path.replace("attachments", "x")],
			["no such file", { "Content-Length": json.length }, json, 404, `${path}x`],
		]) {
			const at = inSeconds(4);
			const answer = check(await wire(server, "POST", `${target ?? path}/sign`, { headers, body }), status, what);
			if (status === 200) assert.ok(answer.json.expiresAt >= at * 1000 && answer.json.expiresAt <= inSeconds(5) * 1000, what);
		}
		for (const method of ["GET", "HEAD", "DELETE", "PATCH"])
			for (const [headers, body] of [[{ "Content-Length": 5 }, "hello"], [chunked, Buffer.concat([chunk("hello"),
				chunk("")])]]) {
				const other = method === "DELETE" ? `${path}x` : path;
				check(await wire(server, method, other, { headers, body }), method === "PATCH" ? 405 : 200,
					`${method} with a body`,
					{ method });
				const stranger = { ...headers, Authorization: "Bearer wrong", Expect: "100-continue" };
				check(await wire(server, method, other, { headers: stranger }), 401, `${method} of a stranger`,
					{ method });
			}
		await intact("bodies");
	});

	test("the body of a refused upload is not taken for a request", async () => {
		const { w, intact } = await guarded();
		const smuggled = `DELETE ${w.base}s/attachments/f HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.apiKey}\r\n\r\n`;
		for (const [headers, body] of [
			[{ "Content-Length": smuggled.length }, smuggled],
			[{ "Transfer-Encoding": "chunked" }, Buffer.concat([chunk(smuggled), chunk("")])],
		]) {
			const c = await Wire.open(server);
			await c.head("PUT", `${w.base}s/attachments/f`, { Authorization: "Bearer wrong", ...headers });
			await c.write(body);
			await c.head("GET", `${w.base}s/nosuchtype`);
			check(await c.answer(), 401, "refused");
			// Either it is closed, or the next answer is the GET's.
			const next = await c.answer().catch(() => null);
			if (next) check(next, 400, "the second request");
			c.close();
			await intact("smuggled");
		}
	});
}

// ---- bodies that end early ----

const half = bytes(4 << 20);
const cuts = {
	"Content-Length, connection gone": [{ "Content-Length": 2 * half.length }, half, (c) => c.close()],
	"Content-Length, half-closed": [{ "Content-Length": 2 * half.length }, half, (c) => c.socket.end()],
	"one byte missing": [{ "Content-Length": half.length + 1 }, half, (c) => c.socket.end()],
	"chunked, connection gone": [{ "Transfer-Encoding": "chunked" }, chunk(half), (c) => c.close()],
	"chunked, half-closed": [{ "Transfer-Encoding": "chunked" }, chunk(half), (c) => c.socket.end()],
	"inside a chunk": [{ "Transfer-Encoding": "chunked" }, chunk(half).subarray(0, -100), (c) => c.socket.end()],
	"a chunk of no length": [{ "Transfer-Encoding": "chunked" }, chunk(half), async (c) => {
		await c.write("nonsense\r\n");
		const answer = await c.answer().catch(() => null);
		if (answer) check(answer, 400, "nonsense");
	}],
};

function interrupted(server) {
	for (const [what, [headers, body, cut]] of Object.entries(cuts))
		test(`a body that ends early: ${what}`, async () => {
			const w = new Room(server);
			const old = bytes(1000);
			const { json } = await w.put("s/attachments/f", old);
			for (const name of ["f", "new"]) {
				const c = await Wire.open(server);
				await c.head("PUT", `${w.base}s/attachments/${name}`, headers);
				c.write(body);
				await waitFor(() => incoming(server)[0]?.size > 1 << 20, { what: "the upload to be under way" });
				await cut(c);
				await nothingIncoming(server);
				c.close();
				await w.holds("s/attachments/f", old);
			}
			assert.deepEqual(await w.list("s/attachments"), [json]);
		});

	test("a head without a body, and a connection that goes before the answer", async () => {
		const w = new Room(server);
		const c = await Wire.open(server);
		await c.head("PUT", `${w.base}s/attachments/f`, { "Content-Length": 5 });
		c.close();
		const d = await Wire.open(server);
		await d.head("PUT", `${w.base}s/attachments/g`, { "Content-Length": 5 });
		await d.write("hello");
		d.close();
		// Nobody knows whether that one came in whole; but no half of it did.
		const answer = await w.get("s/attachments/g", {}, [200, 404]);
		if (answer.status === 200) assert.equal(answer.text, "hello");
		await w.get("s/attachments/f", {}, 404);
	});
}

// ---- many at once ----

function manyAtOnce(server) {
	const target = "s/attachments/f";
	const bodies = Array.from({ length: 100 }, (_, i) => bytes(100_000 + i));
	const whole = new Set(bodies.map((body) => sha256(body)));

	test("100 parallel uploads to one name: one of them wins whole", async () => {
		const w = new Room(server);
		let over = false;
		const uploads = Promise.all(bodies.map((body, i) => w.put(target, body, { type: `x/${i}` })));
		uploads.finally(() => { over = true; }).catch(() => {});
		while (!over) {
			const { status, body } = await w.get(target, {}, [200, 404]);
			assert.ok(status === 404 || whole.has(sha256(body)), "a mix of two");
		}
		await uploads;
		const { headers, body } = await w.get(target);
		const winner = bodies.findIndex((one) => one.equals(body));
		assert.notEqual(winner, -1, "none of them won whole");
		assert.equal(headers["content-type"], `x/${winner}`);
		const list = await w.list("s/attachments");
		assert.deepEqual(list.map(({ size, mimeType }) => [size, mimeType]), [[body.length, `x/${winner}`]]);
		assert.equal(server.psqlValue(`select sha256 from report.files where workspace = '${w.slug}'`), sha256(body));
	});

	test("100 parallel uploads with If-None-Match: *, or If-Match: one of them wins", async () => {
		const w = new Room(server);
		let condition = { "If-None-Match": "*" };
		for (let round = 0; round < 2; round++) {
			const answers = await Promise.all(bodies.map((body) =>
				w.put(target, body, { headers: condition, status: [201, 412] })));
			const winners = answers.flatMap(({ status }, i) => (status === 201 ? [i] : []));
			assert.equal(winners.length, 1, `winners: ${winners}`);
			const { headers } = await w.holds(target, bodies[winners[0]]);
			condition = { "If-Match": headers.etag };
		}
	});

	test("uploads and deletions to one name", async () => {
		const w = new Room(server);
		await Promise.all(bodies.flatMap((body) => [w.put(target, body), w.delete(target)]));
		const { status, body } = await w.get(target, {}, [200, 404]);
		assert.ok(status === 404 || whole.has(sha256(body)), "a mix of two");
		assert.equal((await w.list("s/attachments")).length, status === 200 ? 1 : 0);
	});
}

// ---- MAX_UPLOAD ----

// Last: it starts the server anew.
function tooLarge(server) {
	test(`MAX_UPLOAD=${MAX}`, async (t) => {
		await server.restart({ env: { MAX_UPLOAD: String(MAX) } });
		const w = new Room(server);
		const target = "s/attachments/f";
		const most = bytes(MAX);
		const chunked = { "Transfer-Encoding": "chunked" };

		await t.test("up to it", async () => {
			for (const headers of [{}, chunked]) {
				await w.put(target, most, { headers });
				await w.holds(target, most);
			}
		});
		await t.test("a declared length beyond it: 413 at once", async () => {
			for (const length of [MAX + 1, 2 ** 31, 2 ** 40, "9223372036854775807"]) {
				const answer = check(await wire(server, "PUT", w.base + target,
					{ headers: { "Content-Length": length } }), 413, length);
				assert.match(answer.json.error, new RegExp(String(MAX)));
			}
			check(await wire(server, "PUT", w.base + target, { headers: { "Content-Length": "9".repeat(40) } }), [400,
				413], "overflow");
			// Nor is a stranger's read.
			const stranger = { Authorization: "Bearer wrong", "Content-Length": MAX + 1 };
			check(await wire(server, "PUT", w.base + target, { headers: stranger }), [401, 413], "wrong key");
		});
		await t.test("one byte too many in chunks", async () => {
			const body = Buffer.concat([chunk(most), chunk("x"), chunk("")]);
			check(await wire(server, "PUT", w.base + target, { headers: chunked, body }), 413, "one byte more");
		});
		await t.test("chunks without end: 413 before they end", async () => {
			const c = await Wire.open(server);
			await c.head("PUT", w.base + target, chunked);
			const answer = c.answer();
			let sent = 0, over = false;
			answer.finally(() => { over = true; }).catch(() => {});
			while (!over && sent < 500 << 20) {
				await Promise.race([c.write(chunk(bytes(1 << 20, 1))), answer]);
				sent += 1 << 20;
			}
			check(await answer, 413, "endless chunks");
			c.close();
		});
		await nothingIncoming(server);
		await w.holds(target, most);
		assert.equal((await w.list("s/attachments")).length, 1);
	});
}
