// Names: what may be one, and comes back as it was; what may not, in whatever form it is sent.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { Room, check, checkLogs, wire } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";

let server;
after(async () => {
	if (server) checkLogs(server);
	await server?.stop();
});
// Every name is tried without a key, too: more often than an address may in a minute.
server = await startServer({ env: { WRONG_KEY_RATE: "0" } });

const good = ["a b#?%&+é😀.png", "\\", "a\\..\\b", "..\\..\\x", "%2e%2e", "%00", "%", "100%", "+", "a+b", "...", "..a",
	"a..", ".hidden",
	" ", "  x ", "~", "-", "--help", "a;b=c&d", "'\"`$(x)`.txt", "<script>", "{}[]|^", "x".repeat(255),
		"é".repeat(127) + "x",
	"😀".repeat(63) + "abc", "\u00a0", "\u202egnp.exe", "\ufeff", "\u0085", "\ufffd", "\uffff", "sign", "files", "CON",
		"a:b", "a*?",
	"null", "undefined", "__proto__", "%2F", "'; drop table app.file; --", "incoming", "日本語.txt", "*", "👩‍👩‍👧‍👦"];
const shown = (name) => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);

for (const name of good)
	test(`the name ${shown(name)}`, async () => {
		const part = encodeURIComponent(name);
		const w = new Room(server);
		// As file, session and asset; and as workspace.
		for (const [room, target] of [[w, `s/attachments/${part}`], [w, `${part}/downloads/f`], [w.assets, part],
			[w.assets, `x/${part}/y`],
			[new Room(server, name), "s/attachments/f"]]) {
			const body = Buffer.from(room.base + target);
			const { json } = await room.put(target, body, { type: "text/plain" });
			if (target.endsWith(part)) assert.equal(json.name, name);
			await room.holds(target, body);
			const { url } = await room.sign(target);
			assert.ok((await server.request(url.slice(server.url.length), { key: null })).body.equals(body), url);
		}
		assert.deepEqual((await w.list("s/attachments")).map((file) => file.name), [name]);
		const kept = server.psql(`select session, name from report.files where workspace = '${w.slug}'
			order by session is null, session = 's' desc`);
		assert.deepEqual(kept.slice(0, 2), [["s", name], [name, "f"]]);
		await w.delete(`s/attachments/${part}`);
		assert.deepEqual((await w.delete(part)).json, { success: true, deleted: 1 });
		await w.assets.delete(part);
		await w.assets.get(part, {}, 404);
	});

test("one name in all its encodings", async () => {
	const w = new Room(server);
	const name = "a b+é.png";
	await w.put("s/attachments/a%20b+%C3%A9.png", "x");
	for (const form of ["a%20b%2b%c3%a9.png", "%61%20%62%2B%C3%a9%2Epng", "a%20b+%C3%A9%2epng"])
		await w.holds(`s/attachments/${form}`, Buffer.from("x"));
	// Bytes that should have been encoded are taken as they are.
	const answer = check(await wire(server, "GET", `${w.base}s/attachments/a%20b+é.png`), 200, "raw UTF-8");
	assert.equal(answer.text, "x");
	for (const other of ["a+b+é.png", "A b+é.png", "a b+é.PNG", "a%20b+é.png"])
		await w.get(`s/attachments/${encodeURIComponent(other)}`, {}, 404);
	assert.deepEqual((await w.list("s/attachments")).map((file) => file.name), [name]);
});

test("NFC and NFD twins are two files", async () => {
	const w = new Room(server);
	const twins = ["é.png", "e\u0301.png", "Å", "\u212b", "ﬁ", "fi", "ß", "ss", "ẞ"];
	for (const name of twins) await w.put(`s/attachments/${encodeURIComponent(name)}`, encodeURIComponent(name));
	for (const name of twins) await w.holds(`s/attachments/${encodeURIComponent(name)}`,
		Buffer.from(encodeURIComponent(name)));
	assert.equal((await w.list("s/attachments")).length, twins.length);
	for (const session of ["é", "e\u0301"]) await w.put(`${encodeURIComponent(session)}/downloads/f`, session);
	assert.deepEqual((await w.delete("%C3%A9")).json, { success: true, deleted: 1 });
	await w.holds("e%CC%81/downloads/f", Buffer.from("e\u0301"));
});

// ---- what may not be ----

// Refused wherever they stand. nginx resolves what it takes for dots and slashes before it chooses a location, so
// some of these are answered by other parts of the server, with 404.
const bad = ["a%2Fb", "a%2fb", "%2F", "%2f%2f", "%00", "a%00", "a%00b", "%0d%0aX-Injected:%201", "%0A", "a%0a", "%0D",
	"%09", "%01", "%1f", "%7f",
	"%ff", "a%ffb", "%c3", "%c3%28", "%c0%af", "%c0%ae%c0%ae", "%e0%80%af", "%ed%a0%80", "%ed%b0%80", "%f4%90%80%80",
		"%f8%88%80%80%80", "%80",
	"%", "a%", "%2", "%zz", "%u002f", "%g0", "x".repeat(256), "%C3%A9".repeat(128), "%78".repeat(256), "x".repeat(4096),
		"%00".repeat(255),
	"%2e%2e%2fx", "..%2fx", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
		"%5c%2f", "x%2F.."];
const dots = [".", "..", "%2e", "%2E%2e", ".%2E", "%2e."];
const places = [["files", (x) => `w/s/attachments/${x}`], ["files", (x) => `w/${x}/attachments/f`], ["files",
	(x) => `${x}/s/attachments/f`],
	["files", (x) => `w/${x}`], ["files", (x) => `w/${x}/attachments`], ["files", (x) => `w/s/attachments/${x}/sign`],
	["assets", (x) => `w/${x}`], ["assets", (x) => `w/a/${x}/b`], ["assets", (x) => `${x}/a`], ["assets",
		(x) => `w/sign/${x}`]];

const rowCount = () => server.psqlValue("select count(*) from app.file");

async function refused(target, statuses, what) {
	for (const method of ["PUT", "GET", "HEAD", "DELETE", "POST"]) {
		const answer = await server.request(target, { method, ...(method[0] === "P" && { body: "{}" }) });
		check(answer, [...statuses, 405], `${method} ${what}`, { method });
		assert.equal(answer.headers["x-injected"], undefined, what);
		assert.doesNotMatch(answer.text, /[\x00-\x1f\x7f\ufffd]/, what);
		if (!["PUT", "GET"].includes(method)) continue;
		const stranger = await server.request(target, { method, key: null, ...(method[0] === "P" && { body: "{}" }) });
		check(stranger, [401, 400, 404, 405], `${method} ${what} without a key`, { method });
	}
}

for (const part of [...bad, ...dots])
	test(`no name: ${shown(part)}`, async () => {
		const before = rowCount();
		for (const [kind, place] of places) {
			const target = `/${kind}/${place(part)}`;
			const elsewhere = dots.includes(part) || part.includes("2e") || part.includes("..");
			await refused(target, elsewhere ? [400, 404] : [400], `${target.slice(0, 60)}`);
		}
		assert.equal(rowCount(), before);
	});

test("the refusal says what is wrong", async () => {
	const w = new Room(server);
	for (const [target, pattern] of [
		[`s/attachments/${"x".repeat(256)}`, /file name.*255/],
		["s/attachments/a%2Fb", /file name.*slash/],
		["s/attachments/a%0Ab", /file name.*control/],
		["s/attachments/%2e%2e", /file name.*\.\./],
		["a%2Fb/attachments/f", /session/i],
	])
		assert.match((await w.put(target, "x", { status: 400 })).json.error, pattern);
	assert.match((await new Room(server, "W/s").put("s/attachments/f", "x", { status: 400 })).json.error, /workspace/i);
});

test("the type", async () => {
	const w = new Room(server);
	await w.put("s/%61ttachments/f", "x");
	await w.holds("s/attachments/f", Buffer.from("x"));
	for (const type of ["Attachments", "ATTACHMENTS", "attachment", "attachments ", " attachments", "assets", "x",
		"long-responses", "Downloads",
		"é😀", "attachments\\", "%61ttachments", "sign", "null", "'", "attachments,downloads", "a\"b", "<script>",
		"x".repeat(255)])
		for (const [method, rest] of [["GET", ""], ["GET", "/f"], ["POST", "/f/sign"]]) {
			const target = `s/${encodeURIComponent(type)}${rest}`;
			const { json } = await w.ask(method, target, 400);
			assert.deepEqual(json,
				{ error: `Invalid file type: ${type}. Must be one of: attachments, downloads, long_responses` });
			if (rest !== "/f") continue;
			for (const other of ["PUT", "DELETE"]) assert.deepEqual((await w.ask(other, target, 400)).json, json);
			await w.head(target, {}, 400);
		}
	// Longer than any name may be.
	for (const type of ["x".repeat(4096), "%C3%A9".repeat(2000)])
		for (const method of ["PUT", "GET", "DELETE"]) await w.ask(method, `s/${type}/f`, 400);
	assert.equal((await w.list("s/attachments")).length, 1);
});

test("empty parts and slashes that come doubled", async () => {
	const w = new Room(server);
	await w.put("s/attachments/f", "x");
	await w.assets.put("a/b", "x");
	const before = rowCount();
	for (const target of [`/files//s/attachments/f`, `/files/${w.slug}//attachments/f`, `/files/${w.slug}//assets/f`,
		`/files/${w.slug}/s//f`,
		`/files/${w.slug}/s/attachments//f`, `/files/${w.slug}/s/attachments/f/`, `/files/${w.slug}/s/attachments//`,
			`//files/${w.slug}/s/attachments/f`,
		`/files//${w.slug}/s/attachments/f`, `/files/${w.slug}//s/attachments/f`, `/files/${w.slug}/`,
			`/files/${w.slug}//`, "/files/", "/files//",
		`/assets/${w.slug}//a/b`, `/assets/${w.slug}/a//b`, `/assets/${w.slug}/a/b/`, `/assets//a/b`,
			`/assets/${w.slug}/`, `/assets/${w.slug}//`,
		`//assets/${w.slug}/a/b`, `/assets/${w.slug}/sign//a`, `/assets/${w.slug}/sign/`, "/assets/", "/assets//"])
		await refused(target, [400, 404], target);
	assert.equal(rowCount(), before);
	await w.holds("s/attachments/f", Buffer.from("x"));
});

test("dots that climb", async () => {
	const w = new Room(server);
	await w.put("s/attachments/f", "x");
	const before = rowCount();
	for (const target of [`/files/${w.slug}/s/attachments/../attachments/f`, `/files/${w.slug}/s/./attachments/f`,
		`/files/../files/${w.slug}/s/attachments/f`,
		`/x/../files/${w.slug}/s/attachments/f`, `/assets/../files/${w.slug}/s/attachments/f`,
			`/files/${w.slug}/s/attachments/%2e%2e/attachments/f`,
		"/files/../../etc/passwd", "/files/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
			`/files/${w.slug}/s/attachments/../../../../../../etc/passwd`,
		"/files/..%5c..%5cetc/s/attachments/%2e%2e", "/workspace/../files/w/s/attachments/f",
			`/files/${w.slug}/s/attachments/f/..`,
		"/_craft_blob/../../etc/passwd", "/files/w/s/attachments/..;/f/x/y"])
		await refused(target, [400, 404], target);
	assert.equal(rowCount(), before);
});

test("locations of our own are not to be reached from outside", async () => {
	const w = new Room(server);
	await w.put("s/attachments/f", "x");
	const id = server.psqlValue(`select blob_id from report.files where workspace = '${w.slug}'`);
	const dir = path.join(server.dir, "nginx");
	const text = readdirSync(dir).filter((name) => name.endsWith(".conf")).map((name) => readFileSync(path.join(dir,
		name), "utf8")).join("");
	const locations = [...text.matchAll(/location [=~^* ]*(\/_\w+)/g)].map(([, location]) => location);
	assert.ok(locations.length > 0);
	for (const place of [...new Set(locations), "/blobs", "/incoming"])
		for (const rest of ["", "/", `/${id}`, `/${id.slice(0, 2)}/${id}`, `/incoming/x`])
			for (const key of [null, server.apiKey])
				check(await server.request(place + rest, { key }), [400, 401, 403, 404], place + rest);
	const { body } = await w.get("s/attachments/f", { headers: { "X-Accel-Redirect": "/etc/passwd",
		"X-Request-Body-File": "/etc/passwd" } });
	assert.equal(body.toString(), "x");
});

test("targets in absolute form", async () => {
	const w = new Room(server);
	const body = "in absolute form";
	const target = `https://127.0.0.1:${server.port}${w.base}s/attachments/a%20b`;
	check(await wire(server, "PUT", target, { headers: { "Content-Length": body.length }, body }), 201, "PUT");
	assert.equal(check(await wire(server, "GET", target), 200, "GET").text, body);
	await w.holds("s/attachments/a%20b", Buffer.from(body));
	for (const [odd, statuses] of [[`https://127.0.0.1:${server.port}${w.base}s/attachments/%2e%2e`, [400, 404]],
		[`https://x${w.base}s/attachments/a%2Fb`, [400]],
		[`${w.base.slice(1)}s/attachments/f`, [400]], ["https://x", [400, 404, 405]], ["*", [400, 404, 405]]])
		check(await wire(server, "PUT", odd, { headers: { "Content-Length": 1 }, body: "x" }), statuses, odd);
	assert.equal((await w.list("s/attachments")).length, 1);
});

test("parameters that nginx sets can't be sent as headers", async () => {
	const w = new Room(server);
	await w.put("s/attachments/f", "kept");
	for (const headers of [{ "Craft-Upload": "check" }, { "Request-Body-File": "/etc/passwd" },
		{ "X-Request-Body-File": "/etc/passwd" }, { "Proxy": "x" },
		{ "X-Original-URI": "/" }, { "X-HTTP-Method-Override": "DELETE" }])
		await w.holds("s/attachments/f", Buffer.from("kept")).then(() => w.put("s/attachments/g", "mine", { headers }))
			.then(() => w.holds("s/attachments/g", Buffer.from("mine")));
	await w.holds("s/attachments/f", Buffer.from("kept"));
});
