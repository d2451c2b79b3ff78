// Downloads: ranges, conditional requests, the headers of each status, and that nothing stored can run as our origin.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, bytes, check, checkLogs } from "../harness/files.mjs";
import { ALLOWED, names } from "../harness/headers.mjs";
import { startServer } from "../harness/server.mjs";

const SIZE = 100_000;
const body = bytes(SIZE);
const FILE = "s/attachments/clip.mp4";
let server;
after(async () => {
	if (server) checkLogs(server);
	await server?.stop();
});
server = await startServer();

const w = new Room(server);
await w.put(FILE, body, { type: "video/mp4" });
const full = await w.get(FILE);
const tag = full.headers.etag;
const modified = full.headers["last-modified"];
const at = (seconds) => new Date(Date.parse(modified) + seconds * 1000);

// The date in the two obsolete formats of RFC 9110.
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
function obsolete(date) {
	const [, day, month, year, time] = date.toUTCString().match(/^\w+, (\d+) (\w+) (\d+) (\S+)/);
	return [`${days[date.getUTCDay()]}, ${day}-${month}-${year.slice(2)} ${time} GMT`,
		`${days[date.getUTCDay()].slice(0, 3)} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`];
}

// ---- headers ----

// What a client or a browser sees of the file with every status that speaks of it.
function checkHeaders({ status, headers }, what) {
	assert.equal(headers.etag, tag, what);
	assert.equal(headers["last-modified"], modified, what);
	assert.equal(headers["cache-control"], "private, no-cache", what);
	assert.equal(headers.vary, undefined, what);
	assert.equal(headers["content-encoding"], undefined, what);
	if (status === 304) return;
	// A 206 says it by itself; an answer of the worker's own has no ranges.
	assert.ok(!("accept-ranges" in headers) || headers["accept-ranges"] === "bytes", what);
	assert.equal(headers["content-security-policy"], "sandbox; default-src 'none'", what);
	assert.equal(headers["content-disposition"], undefined, what);
	assert.equal(headers["transfer-encoding"], undefined, what);
	if (!headers["content-type"].startsWith("multipart/")) assert.equal(headers["content-type"], "video/mp4", what);
}

test("headers of 200, and HEAD as GET", async () => {
	assert.match(tag, /^"[\x21\x23-\x7e]+"$/);
	assert.ok(Math.abs(Date.parse(modified) - Date.now()) < 60_000, modified);
	assert.ok(full.body.equals(body));
	checkHeaders(full, "GET");
	assert.equal(full.headers["accept-ranges"], "bytes");
	assert.equal(full.headers["content-length"], String(SIZE));
	const head = await w.head(FILE);
	assert.equal(head.body.length, 0);
	const comparable = ({ headers: { date, "x-request-id": id, ...rest } }) => rest;
	assert.deepEqual(comparable(head), comparable(full));
	assert.deepEqual(head.rawHeaders.filter((_, i) => i % 2 === 0), full.rawHeaders.filter((_, i) => i % 2 === 0));
});

test("blobs are never compressed, whatever their type", async () => {
	const text = Buffer.from("na ".repeat(50_000));
	for (const type of ["application/json", "text/markdown", "text/plain", "text/html", "text/css", "image/svg+xml"]) {
		await w.put("s/downloads/text", text, { type });
		for (const method of ["GET", "HEAD"])
			for (const condition of [{}, { "If-Match": "*" }, { "If-Unmodified-Since": "x" }]) {
				const { headers, body: got } = await w.ask(method, "s/downloads/text", 200,
					{ headers: { "Accept-Encoding": "gzip, br", ...condition } });
				assert.equal(headers["content-encoding"], undefined, type);
				assert.equal(headers["content-length"], String(text.length), type);
				assert.match(headers.etag, /^"/, type);
				if (method === "GET") assert.ok(got.equals(text), type);
			}
	}
});

test("404, 405 and 401", async () => {
	for (const target of ["s/attachments/clip", "s/attachments/CLIP.mp4", "s/downloads/clip.mp4",
		"t/attachments/clip.mp4"]) {
		const { json, headers } = await w.get(target, {}, 404);
		assert.deepEqual(json, { error: "File not found" });
		for (const name of ["etag", "last-modified", "content-disposition",
			"accept-ranges"]) assert.equal(headers[name], undefined, name);
		await w.head(target, {}, 404);
		await w.get(target, { headers: { Range: "bytes=0-9" } }, 404);
		await w.get(target, { headers: { "If-None-Match": "*" } }, 404);
	}
	assert.deepEqual((await new Room(server).get(FILE, {}, 404)).json, { error: "File not found" });
	for (const [target, methods, allowed] of [
		[FILE, ["POST", "PATCH", "FOO"], "DELETE, GET, HEAD, PUT"],
		[`${FILE}/sign`, ["GET", "PUT", "DELETE", "HEAD"], "POST"],
		["s/attachments", ["PUT", "POST", "DELETE"], "GET, HEAD"],
		["s", ["GET", "PUT", "POST"], "DELETE"],
	])
		for (const method of methods) {
			const { headers } = await w.ask(method, target, 405, method[0] === "P" ? { body: "x" } : {});
			assert.equal(headers.allow.split(/, */).filter((m) => m !== "OPTIONS").sort().join(", "), allowed,
				`${method} ${target}`);
		}
	for (const target of [FILE, `${FILE}/sign`, "s/attachments", "s", "", "s/attachments/clip.mp4/x/y"])
		for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE"])
			for (const key of [null, "wrong"]) {
				const { headers } = await w.ask(method, target, 401, { key });
				assert.match(headers["www-authenticate"], /^Bearer\b/);
			}
	for (const target of ["", "s/attachments/clip.mp4/x/y", "s/attachments/clip.mp4/x"]) await w.get(target, {}, [400,
		404]);
	await w.holds(FILE, body);
});

test("OPTIONS needs no key and no file", async () => {
	for (const target of [FILE, "s/attachments", "s/attachments/a%20b.svg/sign", "s/nosuchtype/x"]) {
		const { headers } = await w.ask("OPTIONS", target, 204, { key: null, headers: { Origin: "https://app.example",
			"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type" } });
		assert.equal(headers["access-control-allow-methods"], "GET, POST, PUT, DELETE, HEAD, OPTIONS");
		assert.deepEqual(names(headers["access-control-allow-headers"]), ALLOWED);
		assert.equal(headers["access-control-max-age"], "86400");
	}
});

// ---- Range ----

// The answer: first and last byte, "all" for 200, 416. What RFC 9110 leaves open has several.
const ranges = [
	["bytes=0-99", [0, 99]],
	["bytes=0-0", [0, 0]],
	["bytes=99990-", [99_990, 99_999]],
	["bytes=0-", [0, 99_999]],
	["bytes=-1", [99_999, 99_999]],
	["bytes=-10", [99_990, 99_999]],
	["bytes=-200000", [0, 99_999], "all"],
	["bytes=50-999999999999", [50, 99_999]],
	["bytes=99999-99999", [99_999, 99_999]],
	["bytes=65535-65536", [65_535, 65_536]],
	["bytes=100000-", 416],
	["bytes=100000-100001", 416],
	["bytes=-0", 416],
	["bytes=5-2", 416, "all"],
	["bytes=x", 416, "all"],
	["bytes=99999999999999999999999-", 416, "all"],
	["items=0-5", "all"],
	["", "all"],
];
// With conditions that hold the range is honoured all the same.
const holding = [{}, { "If-Match": tag }, { "If-Match": "*" }, { "If-Unmodified-Since": modified }, { "If-None-Match": '"other"' }];
for (const [range, ...allowed] of ranges)
	for (const condition of holding) test(`Range: ${range} ${Object.entries(condition)}`, async () => {
		const statuses = allowed.map((one) => (one === "all" ? 200 : one === 416 ? 416 : 206));
		const answer = await w.get(FILE, { headers: { ...condition, Range: range } }, statuses);
		if (answer.status === 416) {
			assert.equal(answer.headers["content-range"], `bytes */${SIZE}`);
			assert.equal(answer.headers["content-disposition"], undefined);
			return;
		}
		checkHeaders(answer, range);
		const [first, last] = answer.status === 200 ? [0, SIZE - 1] : allowed[0];
		assert.equal(answer.headers["content-range"],
			answer.status === 206 ? `bytes ${first}-${last}/${SIZE}` : undefined);
		assert.equal(answer.headers["content-length"], String(last - first + 1));
		assert.ok(answer.body.equals(body.subarray(first, last + 1)));
		const head = await w.head(FILE, { headers: { ...condition, Range: range } }, [200, 206]);
		checkHeaders(head, "HEAD");
	});

test("several ranges: all, or multipart", async () => {
	const answer = await w.get(FILE, { headers: { Range: "bytes=0-9,50000-50009,-5" } }, [200, 206]);
	checkHeaders(answer, "several");
	if (answer.status === 200) return assert.ok(answer.body.equals(body));
	assert.match(answer.headers["content-type"], /^multipart\/byteranges; *boundary=/);
	for (const part of [[0, 10], [50_000, 50_010], [SIZE - 5,
		SIZE]]) assert.ok(answer.body.includes(body.subarray(...part)));
});

test("a thousand overlapping ranges don't multiply the file", async () => {
	const many = `bytes=${Array.from({ length: 1000 }, () => "0-").join(",")}`;
	const answer = await w.get(FILE, { headers: { Range: many } }, [200, 206, 416]);
	assert.ok(answer.body.length <= 2 * SIZE, `${answer.body.length} bytes`);
});

test("ranges of an empty file", async () => {
	await w.put("s/attachments/empty", "", { type: "a/a" });
	for (const range of ["bytes=0-", "bytes=0-0", "bytes=-5"]) {
		const answer = await w.get("s/attachments/empty", { headers: { Range: range } }, [200, 416]);
		if (answer.status === 416) assert.equal(answer.headers["content-range"], "bytes */0");
		else assert.equal(answer.headers["content-length"], "0");
	}
});

test("If-Range", async () => {
	for (const [given, status] of [
		[tag, 206],
		['"other"', 200],
		[`W/${tag}`, 200],
		[tag.slice(1, -1), 200],
		[modified, 206],
		[at(-1).toUTCString(), 200],
		[at(-86_400).toUTCString(), 200],
		[at(86_400).toUTCString(), 200],
		["nonsense", 200],
	]) {
		for (const condition of holding) {
			const answer = await w.get(FILE, { headers: { ...condition, "Range": "bytes=10-19", "If-Range": given } }, status);
			checkHeaders(answer, given);
			assert.ok(answer.body.equals(status === 206 ? body.subarray(10, 20) : body), given);
		}
		// Without Range it says nothing; and beyond the end the whole file comes if it is another one.
		await w.get(FILE, { headers: { "If-Range": given } }, 200);
		await w.get(FILE, { headers: { "Range": "bytes=100000-", "If-Range": given } }, status === 206 ? 416 : 200);
	}
});

// ---- conditional requests ----

const past = at(-60).toUTCString(), future = at(60).toUTCString();
const conditions = [
	...[tag, `W/${tag}`, "*", `"other", ${tag}`, `W/"x",${tag} , "y"`, ` ${tag} `, `"a,b", W/${tag}`]
		.map((given) => [{ "If-None-Match": given }, 304]),
	...['"other"', tag.slice(1, -1), `"x${tag.slice(1)}`, '""', "", '"*"', `"${tag.slice(1, -1)}, x"`]
		.map((given) => [{ "If-None-Match": given }, 200]),
	...[modified, future, ...obsolete(at(0)), ...obsolete(at(60))].map((given) => [{ "If-Modified-Since": given },
		304]),
	...[past, ...obsolete(at(-60)), "nonsense", "", "0", `${modified}x`].map((given) => [{ "If-Modified-Since": given },
		200]),
	// If-None-Match decides alone.
	[{ "If-None-Match": '"other"', "If-Modified-Since": future }, 200],
	[{ "If-None-Match": tag, "If-Modified-Since": past }, 304],
	...[tag, "*", `"other", ${tag}`, `"a,b",${tag}`].map((given) => [{ "If-Match": given }, 200]),
	...['"other"', `W/${tag}`, '""', `"${tag.slice(1, -1)}x"`].map((given) => [{ "If-Match": given }, 412]),
	...[modified, future, ...obsolete(at(0)), "nonsense"].map((given) => [{ "If-Unmodified-Since": given }, 200]),
	...[past, ...obsolete(at(-60))].map((given) => [{ "If-Unmodified-Since": given }, 412]),
	// If-Match decides alone; what failed there is not asked for If-None-Match.
	[{ "If-Match": tag, "If-Unmodified-Since": past }, 200],
	[{ "If-Match": '"other"', "If-Unmodified-Since": future }, 412],
	[{ "If-Match": '"other"', "If-None-Match": tag }, 412],
	[{ "If-Match": tag, "If-None-Match": tag }, 304],
	[{ "If-Match": tag, "If-None-Match": '"other"' }, 200],
	[{ "If-Unmodified-Since": modified, "If-Modified-Since": modified }, 304],
];
for (const [headers, status] of conditions)
	test(`${JSON.stringify(headers)} → ${status}`, async () => {
		for (const method of ["GET", "HEAD"]) {
			const answer = await w.ask(method, FILE, status, { headers });
			assert.equal(answer.headers["content-range"], undefined);
			if (status !== 412) checkHeaders(answer, method);
			if (status === 304) assert.equal(answer.body.length, 0);
			if (status === 200 && method === "GET") assert.ok(answer.body.equals(body));
		}
		const ranged = await w.get(FILE, { headers: { ...headers, Range: "bytes=5-9" } }, status === 200 ? 206 : status);
		if (status === 200) assert.ok(ranged.body.equals(body.subarray(5, 10)));
	});

// ---- Content-Disposition ----

const active = ["text/html", "TEXT/HTML", "text/html; charset=utf-8", "text/html;x", "application/xhtml+xml",
	"Application/XHTML+xml",
	"image/svg+xml", "IMAGE/SVG+XML", "image/svg+xml; charset=utf-8", "text/xml", "application/xml",
		"application/atom+xml",
	"application/rss+xml", "application/mathml+xml", "text/xsl", "application/xslt+xml", "text/javascript",
		"application/javascript",
	"Application/X-JavaScript", "application/ecmascript", "text/ecmascript", "text/jscript"];
const passive = ["image/png", "image/jpeg", "application/pdf", "video/mp4", "audio/mpeg", "text/plain",
	"text/plain; charset=utf-8",
	"application/octet-stream", "application/zip", "application/json"];

const NAME = `é😀 "q\\u'o%te";a.html`;
const HOSTILE = `s/downloads/${encodeURIComponent(NAME)}`;

function checkAttachment(value, what) {
	const [, plain,
		encoded] = value?.match(/^attachment; *filename="((?:[^"\\]|\\.)*)"; *filename\*=UTF-8''([\w.~!#$&+^`|%-]+)$/) ?? [];
	assert.ok(encoded, `${what}: ${value}`);
	assert.equal(decodeURIComponent(encoded), NAME, what);
	assert.match(plain, /^[\x20-\x7e]+$/, what);
}

for (const type of active)
	test(`${type} is an attachment`, async () => {
		await w.put(HOSTILE, "<script>alert(1)</script>", { type });
		for (const [dest, attached] of [[undefined, true], ["document", true], ["iframe", true], ["frame", true],
			["embed", true],
			["object", true], ["nonsense", true], ["image", false], ["empty", false]])
			for (const method of ["GET", "HEAD"])
				for (const range of [undefined, "bytes=0-3"]) {
					const { headers } = await w.ask(method, HOSTILE, [200, 206], { headers: {
						...(dest && { "Sec-Fetch-Dest": dest }), ...(range && { Range: range }) } });
					const what = `${method} ${dest} ${range}`;
					assert.match(headers.vary ?? "", /(^|, *)Sec-Fetch-Dest\b/i, what);
					if (attached) checkAttachment(headers["content-disposition"], what);
					else assert.equal(headers["content-disposition"], undefined, what);
					assert.equal(headers["content-security-policy"], "sandbox; default-src 'none'", what);
					assert.equal(headers["content-type"], type, what);
				}
	});

test("304 has the Vary of 200", async () => {
	await w.put(HOSTILE, "x", { type: "text/html" });
	const { headers } = await w.get(HOSTILE, { headers: { "If-None-Match": "*" } }, 304);
	assert.match(headers.vary ?? "", /Sec-Fetch-Dest/i);
});

test("what can't run is no attachment", async () => {
	for (const type of passive) {
		await w.put(HOSTILE, "x", { type });
		for (const dest of [{}, { "Sec-Fetch-Dest": "document" }, { "Sec-Fetch-Dest": "image" }]) {
			const { headers } = await w.get(HOSTILE, { headers: dest });
			assert.equal(headers["content-disposition"], undefined, type);
			// The page that a browser makes of a video or a sound has to load it.
			const media = /^(video|audio)/.test(type) && dest["Sec-Fetch-Dest"] === "document";
			assert.equal(headers["content-security-policy"], "sandbox; default-src 'none'" + (media ? "; media-src 'self'; style-src 'unsafe-inline'" : ""), type);
			assert.equal(headers.vary, dest["Sec-Fetch-Dest"] && "Sec-Fetch-Dest", type);
			const charset = type === "text/plain" && dest["Sec-Fetch-Dest"] === "document" ? "; charset=utf-8" : "";
			assert.equal(headers["content-type"], type + charset, type);
		}
	}
});

test("many requests over one connection, errors among them", async () => {
	for (let i = 0; i < 20; i++) {
		await w.holds(FILE, body);
		await w.get("s/attachments/nosuch", {}, 404);
		await w.get(FILE, { headers: { Range: "bytes=100000-" } }, 416);
		await w.put(`s/attachments/f${i}`, "x");
		check(await server.request("/files/", { key: null }), 401, "/files/");
	}
});
