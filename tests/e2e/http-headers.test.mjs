// Headers for pages of other origins, and what their browser keeps: what the server honours passes the preflight, what it says
// can be read, and nothing that changed, is gone or was read with another key is shown from the HTTP cache.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { FilesPage, session, skip, slug } from "../harness/files_page.mjs";
import { ALLOWED, EXPOSED } from "../harness/headers.mjs";
import { ROOT, waitFor } from "../harness/server.mjs";

let files;
let a;
let server;

after(async () => {
	await files?.close();
	await files?.server.stop();
});

if (!skip) {
	files = await FilesPage.open();
	({ page: a, server } = files);
}

const at = (name, type = "attachments") => `/files/${[slug, session, type, name].map(encodeURIComponent).join("/")}`;
// By a client that this browser knows nothing of.
const other = async (method, target, options = {}) => {
	const answer = await server.request(target, { method, ...options });
	assert.ok(answer.status < 300, `${method} ${target}: ${answer.status} ${answer.text}`);
	return answer;
};

test("the lists have what clients use, and the code reads nothing past the table", () => {
	for (const name of ["Authorization", "Content-Type", "Range", "If-None-Match", "If-Match", "If-Range", "If-Modified-Since",
		"If-Unmodified-Since", "Repr-Digest", "Content-Digest", "Content-MD5", "Cache-Control", "X-Requested-With"])
		assert.ok(ALLOWED.includes(name), name);
	for (const name of ["ETag", "Content-Range", "Content-Disposition", "Last-Modified", "Accept-Ranges", "Link", "Retry-After", "X-Request-Id"])
		assert.ok(EXPOSED.includes(name), name);
	const dir = path.join(ROOT, "fcgi");
	for (const file of readdirSync(dir).filter((name) => name.endsWith(".c") && name !== "http_header.c")) {
		const text = readFileSync(path.join(dir, file), "utf8");
		assert.doesNotMatch(text, /"HTTP_[A-Z]/, `${file} reads a header that is in no row of fcgi/http_header.c`);
		assert.doesNotMatch(text, /response_header\(\w+, "/, `${file} sends a header that is in no row of fcgi/http_header.c`);
	}
});

test("each header passes a real preflight, on every kind of URL", { skip }, async () => {
	await other("PUT", at("a.txt"), { body: "abc", headers: { "Content-Type": "text/plain" } });
	const values = { "Content-Type": "text/plain", "Content-Encoding": "identity", "Content-Range": "bytes 0-2/3", Range: "bytes=0-1",
		"Content-Digest": "md5=:AA==:", "If-Modified-Since": "x", "If-Unmodified-Since": "x", "If-Range": '"x"', "If-Match": "*", "If-None-Match": '"x"' };
	const failed = await a.evaluate(async ({ targets, names, given, url, apiKey }) => {
		const out = [];
		for (const target of targets)
			for (const name of names) {
				const headers = { Authorization: `Bearer ${apiKey}`, "X-Requested-With": "XMLHttpRequest", [name]: given[name] ?? "x" };
				if (name === "Authorization") headers[name] = `Bearer ${apiKey}`;
				await fetch(url + target, { headers }).catch((error) => out.push(`${name} ${target}: ${error.message}`));
			}
		return out;
	}, { targets: [at("a.txt"), "/workspace/w/sessions", "/api/sandbox/w/s/status", "/"], names: ALLOWED, given: values, url: server.url, apiKey: server.apiKey });
	assert.deepEqual(failed, []);
	const refused = await a.evaluate(([url, key]) => fetch(url, { headers: { "X-Unknown": "1", Authorization: key } }).then(() => "passed", () => "refused"),
		[server.url + at("a.txt"), `Bearer ${server.apiKey}`]);
	assert.equal(refused, "refused", "preflights count");
});

test("what an answer says can be read by the page", { skip }, async () => {
	await other("PUT", at("b.html"), { body: "abc", headers: { "Content-Type": "text/html" } });
	const read = (target, headers = {}, method = "GET") => a.evaluate(async ([url, sent, how, key]) => {
		const answer = await fetch(url, { method: how, headers: { Authorization: `Bearer ${key}`, ...sent }, cache: "no-store" });
		return Object.fromEntries([...answer.headers].map(([name, value]) => [name, value]));
	}, [server.url + target, headers, method, server.apiKey]);
	const whole = await read(at("a.txt"));
	for (const name of ["etag", "last-modified", "accept-ranges", "x-request-id", "content-length"]) assert.ok(whole[name], name);
	assert.equal((await read(at("a.txt"), { Range: "bytes=0-0" }))["content-range"], "bytes 0-0/3");
	assert.match((await read(`/files/${encodeURIComponent(slug)}/${encodeURIComponent(session)}/attachments?limit=1`)).link ?? "", /rel="next"/);
	assert.match((await read(at("a.txt"), {}, "POST")).allow ?? "", /GET/);
	assert.match((await read(at("a.txt"), { Authorization: "Bearer wrong" }))["www-authenticate"] ?? "", /Bearer/);
});

// A fetch as pages make it, with the HTTP cache in use.
const fetched = (url, key = server.apiKey) => a.evaluate(async ([address, sent]) => {
	const answer = await fetch(address, { headers: sent ? { Authorization: `Bearer ${sent}` } : {} });
	return [answer.status, await answer.text()];
}, [url, key]);

test("the HTTP cache shows nothing that was replaced, deleted or is not this key's", { skip }, async () => {
	for (const target of [at("kept.txt"), `/assets/${encodeURIComponent(slug)}/kept.txt`]) {
		const url = server.url + target;
		const put = (body) => other("PUT", target, { body, headers: { "Content-Type": "text/plain" } });
		await put("first");
		assert.deepEqual(await fetched(url), [200, "first"]);
		await put("second");
		assert.deepEqual(await fetched(url), [200, "second"], `${target} after PUT`);
		assert.deepEqual(await fetched(url), [200, "second"], "and again, from the cache");
		assert.equal((await fetched(url, "wrong"))[0], 401, `${target} with a wrong key`);
		assert.equal((await fetched(url, null))[0], 401, `${target} without a key`);
		assert.deepEqual(await fetched(url), [200, "second"]);
		await other("DELETE", target);
		assert.equal((await fetched(url))[0], 404, `${target} after DELETE`);
		await put("third");
		assert.deepEqual(await fetched(url), [200, "third"], "nor the 404");
	}
});

test("nor by signed URLs", { skip }, async () => {
	const put = (body) => other("PUT", at("signed.txt"), { body, headers: { "Content-Type": "text/plain" } });
	await put("first");
	const { url } = (await other("POST", `${at("signed.txt")}/sign`)).json;
	assert.deepEqual(await fetched(url, null), [200, "first"]);
	await put("second");
	assert.deepEqual(await fetched(url, null), [200, "second"]);
	await other("DELETE", at("signed.txt"));
	assert.equal((await fetched(url, null))[0], 404);
});

test("lists and sessions are asked for each time, and an unchanged one costs no bytes", { skip }, async () => {
	const url = `${server.url}/workspace/cached/sessions`;
	assert.deepEqual(await fetched(url), [200, "[]"]);
	const { id } = (await other("POST", "/workspace/cached/actions/new-chat")).json;
	assert.equal(JSON.parse((await fetched(url))[1])[0].id, id);
	assert.equal(JSON.parse((await fetched(url))[1])[0].id, id);
	// Else the cache is off, and the tests above prove nothing.
	await waitFor(() => /"GET \/workspace\/cached\/sessions HTTP[^"]*" 304/.test(server.logs()), { what: "a 304 in nginx's log" });
	assert.equal((await fetched(url, "wrong"))[0], 401);
	const one = `${url}/${id}`;
	assert.equal((await fetched(one))[0], 200);
	await other("POST", "/workspace/cached/actions/delete-session", { body: { sessionId: id } });
	assert.deepEqual([await fetched(url), (await fetched(one))[0]], [[200, "[]"], 404]);
});

test("every answer says how it may be kept", { skip }, async () => {
	for (const [method, target, options, want] of [
		["GET", "/", {}, "no-store"],
		["GET", "/workspace/w/sessions", {}, "private, no-cache"],
		["GET", "/workspace/w/projects", {}, "private, no-cache"],
		["GET", "/workspace/w/sandbox/sessions", {}, "private, no-cache"],
		["GET", "/workspace/w/sessions/none", {}, "no-store"],
		["GET", "/workspace/w/sessions", { key: "wrong" }, "no-store"],
		["GET", at("none"), {}, "no-store"],
		["GET", at("a.txt"), {}, "private, no-cache"],
		["GET", at("a.txt"), { headers: { "If-Match": "*" } }, "private, no-cache"],
		["GET", at("a.txt"), { headers: { Range: "bytes=9-" } }, "private, no-cache"],
		["POST", `${at("a.txt")}/sign`, {}, "no-store"],
		["POST", at("a.txt"), {}, "no-store"],
		["PUT", at("a.txt", "photos"), { body: "x" }, "no-store"],
		["PUT", at("a.txt"), { body: "x", key: "wrong" }, "no-store"],
		["GET", "/nothing/here", {}, "no-store"],
	]) {
		const answer = await server.request(target, { method, ...options });
		assert.equal(answer.headers["cache-control"], want, `${method} ${target}: ${answer.status}`);
	}
});

test("the browser is closed", { skip }, async () => {
	const { faults } = a;
	await files.close();
	assert.deepEqual(faults, []);
});
