// Signed URLs: what they open, for how long, and all that they don't; two keys during a rotation.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, bytes, check, checkLogs, inSeconds, signature, wire } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const KEY = "test-api-key-1", NEXT_KEY = "test-api-key-2-of-the-rotation";
const secrets = [KEY, NEXT_KEY];
let server;
after(async () => {
	if (server) checkLogs(server, secrets);
	await server?.stop();
});
server = await startServer({ env: { API_KEY: KEY } });

const w = new Room(server, "my-team");
const body = bytes(5000);
const NAME = "a b.png";
const FILE = "s1/attachments/a%20b.png", ICON = "statuses/icons/todo.svg";
await w.put(FILE, body, { type: "image/png" });
await w.put("s1/attachments/other.png", "other", { type: "image/png" });
await w.assets.put(ICON, body, { type: "image/svg+xml" });

// Decoded path → encoded one.
const encoded = (path) => `/${path.split("/").map(encodeURIComponent).join("/")}`;
const PATH = `files/my-team/s1/attachments/${NAME}`, ICON_PATH = `assets/my-team/${ICON}`;

function signed(path, exp = inSeconds(60), { key = KEY, text = path } = {}) {
	const sig = signature(key, text, exp);
	secrets.push(sig);
	return `${encoded(path)}?exp=${exp}&sig=${sig}`;
}

const ask = async (method, target, status, options = {}) =>
	check(await server.request(target, { method, key: null, ...options }), status, `${method} ${target}`, { method });

async function refused(target, methods = ["GET", "HEAD"], options = {}) {
	for (const method of methods) {
		const answer = await ask(method, target, 403, options);
		if (method !== "HEAD") assert.deepEqual(answer.json, { error: "Invalid or expired signature" }, target);
		for (const name of ["etag", "content-disposition", "last-modified"]) assert.equal(answer.headers[name],
			undefined, target);
	}
}

// ---- what they open ----

test("the protocol's vectors, which have expired", async () => {
	for (const [path, sig] of [
		[PATH, "4bf444b7c8933b35f8c142ad7bbddae36a171207a6a08374b37a301c314112b4"],
		[ICON_PATH, "b4996ec95bf067bdee3d79645dbc66ded20046f5f1d8816a6b617a06d0141520"],
	]) {
		assert.equal(signature(KEY, path, 1_767_225_600), sig);
		await refused(`${encoded(path)}?exp=1767225600&sig=${sig}`);
	}
});

test("GET, HEAD, Range and conditions without a key", async () => {
	for (const path of [PATH, ICON_PATH]) {
		const url = signed(path);
		const { headers, body: got } = await ask("GET", url, 200);
		assert.ok(got.equals(body));
		assert.equal(headers["cache-control"], "private, no-cache");
		assert.equal(headers["content-security-policy"], "sandbox; default-src 'none'");
		const head = await ask("HEAD", url, 200);
		assert.equal(head.headers["content-length"], "5000");
		const part = await ask("GET", url, 206, { headers: { Range: "bytes=100-199" } });
		assert.ok(part.body.equals(body.subarray(100, 200)));
		await ask("GET", url, 416, { headers: { Range: "bytes=5000-" } });
		await ask("GET", url, 304, { headers: { "If-None-Match": headers.etag } });
		// A browser's <img>; and its preflight.
		const image = await ask("GET", url, 200, { headers: { "Sec-Fetch-Dest": "image" } });
		assert.equal(image.headers["content-disposition"], undefined);
		await ask("OPTIONS", url, 204);
	}
	await ask("GET", signed("files/my-team/s1/attachments/nosuch"), 404);
	await ask("GET", signed("assets/my-team/nosuch"), 404);
});

test("the path counts as it is decoded, parameters in any order and beside others", async () => {
	const [path, exp, sig] = signed(PATH).split(/[?&]/);
	for (const target of [
		`${path}?${sig}&${exp}`,
		`${path}?x=1&${exp}&y&${sig}&z=exp`,
		`/files/my%2Dteam/%731/attachments/%61%20b%2Epng?${exp}&${sig}`,
		`${path}?${exp}&${sig}&apiKey=`,
		`${path}?${exp}&${sig}&expires=1&signature=2&SIG=3&Exp=4`,
	])
		assert.ok((await ask("GET", target, 200)).body.equals(body), target);
});

test("a valid key beside a bad signature wins", async () => {
	for (const query of ["exp=1&sig=x", "exp=", "sig=", `exp=${inSeconds(9)}&sig=${"0".repeat(64)}`]) {
		await ask("GET", `${encoded(PATH)}?${query}`, 200, { key: KEY });
		await ask("GET", `${encoded(PATH)}?${query}&apiKey=${KEY}`, 200);
		await ask("GET", `/files/my-team/s1/attachments?${query}`, 200, { key: KEY });
		await ask("PUT", `/files/my-team/s1/attachments/new?${query}`, 201, { key: KEY, body: "x" });
		await ask("DELETE", `/files/my-team/s1/attachments/new?${query}`, 200, { key: KEY });
		await ask("GET", `${encoded(PATH)}?${query}`, [401, 403], { key: "wrong" });
	}
});

// ---- what they don't ----

test("expired, forged, of another file", async () => {
	const sig = signature(KEY, PATH, inSeconds(60));
	for (const target of [
		signed(PATH, inSeconds(-1)),
		signed(PATH, inSeconds(-1_000_000)),
		signed(PATH, 0),
		signed(PATH, 1),
		signed(PATH, inSeconds(60), { key: `${KEY}x` }),
		signed(PATH, inSeconds(60), { key: "" }),
		signed(PATH, inSeconds(60), { text: "files/my-team/s1/attachments/other.png" }),
		signed(PATH, inSeconds(60), { text: `/${PATH}` }),
		signed(PATH, inSeconds(60), { text: encoded(PATH).slice(1) }),
		signed(PATH, inSeconds(60), { text: ICON_PATH }),
		signed(ICON_PATH, inSeconds(60), { text: PATH }),
		signed(PATH, inSeconds(60), { text: "files/my-team/s1/attachments" }),
		signed(PATH).replace("a%20b", "other"),
		signed(PATH).replace("/s1/", "/s2/"),
		signed(PATH).replace("/my-team/", "/their-team/"),
		signed(PATH).replace("attachments", "downloads"),
		signed(PATH).replace(/exp=\d/, "exp=9"),
		signed(PATH).replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
		signed(PATH).slice(0, -1),
		`${signed(PATH)}0`,
		`${signed(PATH)}%00`,
		`${signed(PATH)}%20`,
		`${encoded(PATH)}?exp=${inSeconds(60)}&sig=${sig.slice(0, 63)}g`,
		`${encoded(PATH)}?exp=${inSeconds(60)}&sig=${Buffer.from(sig, "hex").toString("base64url")}`,
	])
		await refused(target);
	// One that holds a letter, so that there is another case of it.
	await refused(signed(PATH).replace(/[0-9a-f]+$/, (hex) => hex.toUpperCase()));
});

test("missing, empty, doubled and malformed parameters", async () => {
	const exp = inSeconds(60), sig = signature(KEY, PATH, exp);
	const query = [`exp=${exp}`, `sig=${sig}`, `exp=&sig=${sig}`, `sig=&exp=${exp}`, "exp=&sig=", "exp", "sig",
		"exp&sig",
		`exp=${exp}&sig=${sig}&sig=${sig}`, `exp=${exp}&sig=${sig}&sig=`, `sig=&exp=${exp}&sig=${sig}`,
		`exp=${exp}&exp=${exp}&sig=${sig}`, `exp=${exp}&exp=&sig=${sig}`, `exp&exp=${exp}&sig=${sig}`,
		`exp=%zz&sig=${sig}`, `exp=${exp}&sig=%zz`];
	for (const one of query) await refused(`${encoded(PATH)}?${one}`);
	// Signed as they stand, and as the number that they could be taken for.
	const hex = `0x${exp.toString(16)}`;
	for (const odd of [`+${exp}`, `-${exp}`, ` ${exp}`, `${exp} `, `\t${exp}`, `${exp}\n`, `%2B${exp}`, hex,
		hex.slice(2), `${exp}.0`,
		`${exp}e0`, `${exp}e2`, `${exp}0000000000`, "9".repeat(19), "9".repeat(20), "18446744073709551616",
			String(2n ** 64n + BigInt(exp)),
		"9".repeat(1000), `${exp},`, `${exp};`, `${exp}\u0000`, `\u0661${exp}`, "now", "NaN", "Infinity"])
		for (const sent of [sig, signature(KEY, PATH, odd), signature(KEY, PATH, decodeURIComponent(odd))])
			await refused(`${encoded(PATH)}?exp=${odd.includes("%") ? odd : encodeURIComponent(odd)}&sig=${sent}`,
				["GET"]);
});

test("other methods, lists and everything else need the key", async () => {
	for (const path of [PATH, ICON_PATH]) {
		await refused(signed(path), ["PUT", "POST", "DELETE"]);
		await refused(signed(path), ["PUT"], { body: "x", agent: false });
		// With signatures over what is really asked for.
		const sign = path === PATH ? `${PATH}/sign` : "assets/my-team/sign/statuses/icons/todo.svg";
		await refused(signed(sign), ["POST"]);
		await refused(signed(sign, inSeconds(60), { text: path }), ["POST"]);
	}
	const put = await wire(server, "PUT", signed(PATH), { headers: { "Authorization": null, "Content-Length": 9,
		"Expect": "100-continue" } });
	check(put, 403, "no 100 either");
	for (const list of ["files/my-team/s1/attachments", "files/my-team/s1", "files/my-team", "assets/my-team", "files",
		"assets"])
		for (const text of [list, `${list}/`])
			for (const target of [signed(list, inSeconds(60), { text }), signed(list, inSeconds(60),
				{ text }).replace("?", "/?")])
				for (const method of ["GET", "HEAD", "DELETE"])
					// Signed as it stands, an asset without a name is a malformed request.
					await ask(method, target, list.includes("/") ? [400, 403] : [401, 403, 404]);
	assert.equal((await w.list("s1/attachments")).length, 2);
	for (const target of ["/workspace/my-team/sessions", "/workspace/my-team/labels"])
		await ask("GET", signed(target.slice(1)), 401);
	await w.holds(FILE, body);
	await w.assets.holds(ICON, body);
});

// ---- the endpoint ----

test("POST …/sign: the URL opens the file", async () => {
	const names = [NAME, "a b#?%&+é😀.png", "%2e%2e", "sign", "\\", "'\"<>`{}|^.png", "e\u0301"];
	for (const [room, prefix, kind] of [[w, "s1/downloads", "files"], [w.assets, "deep/er", "assets"]])
		for (const name of names) {
			const target = `${prefix}/${encodeURIComponent(name)}`;
			await room.put(target, name, { type: "text/plain" });
			const answer = await room.sign(target);
			assert.deepEqual(Object.keys(answer), ["url", "expiresAt"]);
			const { url, expiresAt } = answer;
			assert.match(url, /^[\x21-\x7e]+$/);
			const { origin, pathname, searchParams } = new URL(url);
			assert.equal(origin, server.url);
			const path = `${kind}/my-team/${prefix}/${name}`;
			assert.equal(decodeURIComponent(pathname), `/${path}`);
			assert.deepEqual([...searchParams.keys()], ["exp", "sig"]);
			assert.equal(searchParams.get("sig"), signature(KEY, path, searchParams.get("exp")));
			assert.equal(expiresAt, Number(searchParams.get("exp")) * 1000);
			secrets.push(searchParams.get("sig"));
			for (const method of ["GET", "HEAD"]) await ask(method, url.slice(origin.length), 200);
			assert.equal((await ask("GET", url.slice(origin.length), 200)).text, name);
		}
});

test("expiresIn: 900 by default, else whole seconds from 1 to 604800", async () => {
	const good = [[undefined, 900], ["", 900], ["{}", 900], ['{"x":1}', 900], ['{"expiresIn":1}', 1],
		[' {"expiresIn" : 900 } ', 900],
		['{"expiresIn":604800}', 604_800]];
	for (const [room, target] of [[w, FILE], [w.assets, ICON]]) {
		for (const [sent, seconds] of good) {
			// The kernel's clock for seconds is a tick behind.
			const before = inSeconds(seconds) - 1;
			const { expiresAt } = await room.sign(target, sent);
			assert.ok(expiresAt >= before * 1000 && expiresAt <= inSeconds(seconds) * 1000,
				`${sent}: ${expiresAt - Date.now()}`);
			assert.equal(expiresAt % 1000, 0);
		}
		const to = room.kind === "assets" ? `sign/${target}` : `${target}/sign`;
		for (const value of ["0", "604801", "1.5", '"9"', "null", "-1", "true", "[]", "{}", "1e300", "9".repeat(30),
			'"900"', "-0.5"])
			await room.ask("POST", to, 400, { body: `{"expiresIn":${value}}` });
		for (const text of ["{", "[]", "null", "900", '"x"', "{expiresIn:1}", '{"expiresIn":1}}', Buffer.from([0x22,
			0xff, 0x22]), "{}x", "[".repeat(1000)])
			await room.ask("POST", to, 400, { body: text });
	}
	// One of a second is good now, and soon no more.
	const { url, expiresAt } = await w.sign(FILE, { expiresIn: 1 });
	const target = url.slice(server.url.length);
	for (;;) {
		const before = Date.now();
		const { status } = await ask("GET", target, [200, 403]);
		if (status === 403) break;
		// It is good to the end of that second, and a tick longer.
		assert.ok(before < expiresAt + 1100, "it did not expire");
	}
	assert.ok(Date.now() >= expiresAt - 1000, "it expired too early");
	await refused(target);
});

test("POST …/sign of what can't be signed", async () => {
	assert.deepEqual((await w.ask("POST", "s1/attachments/nosuch/sign", 404)).json, { error: "File not found" });
	assert.deepEqual((await w.assets.ask("POST", "sign/nosuch", 404)).json, { error: "Asset not found" });
	await w.ask("POST", "s1/photos/a%20b.png/sign", 400);
	await w.ask("POST", "s1/attachments/a%2Fb/sign", 400);
	await w.ask("POST", "s1/attachments/sign", [404, 405]);
	await w.assets.ask("POST", "sign", [404, 405]);
	await w.assets.ask("POST", ICON, [404, 405]);
	for (const to of [`${FILE}/sign`, "s1/attachments/nosuch/sign"]) await w.ask("POST", to, 401, { key: null });
});

test("scheme and host are the request's, or PUBLIC_URL's", async () => {
	const sign = (host) => w.ask("POST", `${FILE}/sign`, 200, { headers: { Host: host } });
	for (const host of ["files.example", "files.example:8443", "[::1]:8443"])
		assert.ok((await sign(host)).json.url.startsWith(`https://${host}/files/my-team/`), host);
	// No Host at all: a URL all the same, or 400.
	const headers = { Host: null, Authorization: `Bearer ${KEY}` };
	const hostless = check(await wire(server, "POST", `${w.base}${FILE}/sign`, { headers, version: "1.0" }), [200, 400],
		"no Host");
	if (hostless.status === 200) assert.match(hostless.json.url, /^https:\/\/[\w.:[\]-]+\/files\//);
	await server.restart({ env: { PUBLIC_URL: "https://public.example:444" } });
	for (const host of ["files.example", "127.0.0.1"]) {
		const { url } = (await sign(host)).json;
		assert.ok(url.startsWith("https://public.example:444/files/my-team/s1/attachments/a%20b.png?exp="), url);
		await ask("GET", url.slice("https://public.example:444".length), 200);
	}
});

// ---- rotation ----

// Last: the server has another key from here on.
test("two keys during a rotation", async () => {
	const before = [signed(PATH, inSeconds(600)), signed(ICON_PATH, inSeconds(600))];
	await server.restart({ env: { API_KEY: NEXT_KEY, API_KEY_PREVIOUS: KEY } });
	for (const target of [...before, signed(PATH, inSeconds(60), { key: NEXT_KEY }), signed(ICON_PATH, inSeconds(60),
		{ key: NEXT_KEY })])
		assert.ok((await ask("GET", target, 200)).body.equals(body));
	for (const key of [KEY, NEXT_KEY]) {
		await w.get("s1/attachments", { key });
		await w.put("s1/attachments/rotated", key, { key });
		await ask("GET", `/workspace/my-team/sessions?apiKey=${key}`, 200);
		assert.equal((await ask("GET", "/", 200, { key })).json.status, "ok");
		for (const auth of ["header", "query"]) {
			const client = await connect(server, "my-team", { apiKey: key, auth });
			await client.ok("labels:save", { by: key });
			await client.close();
		}
		const { url } = (await w.ask("POST", `${FILE}/sign`, 200, { key })).json;
		const { searchParams } = new URL(url);
		assert.equal(searchParams.get("sig"), signature(NEXT_KEY, PATH, searchParams.get("exp")),
			"signed with the new key");
	}
	for (const key of ["", "x", `${KEY}${NEXT_KEY}`, KEY.slice(0, -1), NEXT_KEY.slice(0, -1), `${KEY} ${NEXT_KEY}`]) {
		await w.get("s1/attachments", { key }, 401);
		await refused(signed(PATH, inSeconds(60), { key }), ["GET"]);
	}
	await refused(signed(PATH, inSeconds(-1), { key: KEY }));
});
