// The snippet inside somebody else's server{}, which has its own locations, headers, error pages and TLS:
// both go on working, every answer of ours is JSON with CORS, and no key reaches that site's logs.

import assert from "node:assert/strict";
import { chmodSync, chownSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { ALLOWED, names } from "../harness/headers.mjs";
import { ask, freePort, installSnippet, startNginx } from "../harness/nginx.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const KEY = "the-key-that-may-not-show-0123456789";
const auth = { Authorization: `Bearer ${KEY}` };
const keyed = (target) => `${target}${target.includes("?") ? "&" : "?"}apiKey=${KEY}`;
const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
	"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" };

let server, snippet, stuckSnippet, stuck, site, port, barePort, stuckPort;

before(async () => {
	server = await startServer({ env: { API_KEY: KEY } });
	const sockets = [
		["/run/craft-agent-cloud/fcgi.sock", `${server.runDir}/fcgi.sock`],
		["/run/craft-agent-cloud/fcgi-upload.sock", `${server.runDir}/fcgi-upload.sock`],
		["/run/craft-agent-cloud/fcgi-github.sock", `${server.runDir}/fcgi-github.sock`],
		["/run/craft-agent-cloud/ws.sock", `${server.runDir}/ws-1.sock`],
		// By a link, as state directories often are.
		["/var/lib/craft-agent-cloud/blobs", linkTo(server.dir, `${server.dir}/blobs`)],
	];
	snippet = installSnippet(sockets);
	// Behind this one nobody ever answers, and nginx waits for a moment only.
	const stuckSocket = path.join(snippet.dir, "s.sock");
	stuck = net.createServer(() => {}).listen(stuckSocket);
	await new Promise((listening) => stuck.on("listening", listening));
	chmodSync(stuckSocket, 0o777);
	stuckSnippet = installSnippet([
		["/run/craft-agent-cloud/fcgi.sock", stuckSocket], ["/run/craft-agent-cloud/ws.sock", stuckSocket],
		["/run/craft-agent-cloud/fcgi-upload.sock", stuckSocket], sockets[4], ["fastcgi_read_timeout 60s", "fastcgi_read_timeout 300ms"], ["proxy_read_timeout 3600s", "proxy_read_timeout 300ms"],
	]);
	[port, barePort, stuckPort] = [await freePort(), await freePort(), await freePort()];
	site = await startNginx(port, siteConfiguration);
});

after(async () => {
	await site?.stop();
	stuck?.close();
	snippet?.remove();
	stuckSnippet?.remove();
	await server?.stop();
});

function linkTo(dir, target) {
	const link = path.join(dir, "link");
	symlinkSync(target, link);
	return link;
}

// What a site could have at http and server level, much of it inherited by locations that don't object.
function siteConfiguration(dir) {
	writeFileSync(`${dir}/html/index.html`, "the site's front page");
	writeFileSync(`${dir}/html/page.html`, "a page of the site");
	writeFileSync(`${dir}/html/sorry.html`, "the site is sorry");
	const common = `
		ssl_certificate ${server.dir}/tls/cert.pem;
		ssl_certificate_key ${server.dir}/tls/key.pem;
		root ${dir}/html;
		error_page 400 404 413 502 504 /sorry.html;
		add_header X-Site yes always;
		expires 1h;
		charset utf-8;
		client_max_body_size 10k;
		fastcgi_intercept_errors on;
		proxy_intercept_errors on;
		proxy_set_header X-From-Site yes;
		fastcgi_param FROM_SITE yes;
		auth_basic "the site's own";
		auth_basic_user_file ${dir}/html/page.html;
		location ~ \\.php$ { auth_basic off; return 200 "php of the site"; }
		location / { auth_basic off; try_files $uri $uri/ =404; }
		location = /sorry.html { auth_basic off; }`;
	return `
${process.getuid() === 0 ? "user www-data;" : ""}
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/log/error.log notice;
events { }
http {
	types { text/html html; }
	${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/tmp/${name};`).join(" ")}
	access_log ${dir}/log/access.log combined;
	include "${snippet.dir}/craft-agent-cloud-http.conf";
	server {
		listen 127.0.0.1:${port} ssl;
		include "${snippet.dir}/craft-agent-cloud-server-errors.conf";
		${common}
		include "${snippet.dir}/craft-agent-cloud.conf";
		location /limited/ { limit_req zone=craft_requests; auth_basic off; try_files $uri =404; }
	}
	server {
		listen 127.0.0.1:${barePort} ssl;
		${common}
		limit_req zone=craft_requests burst=1000 nodelay;
		limit_conn craft_connections 3;
		include "${snippet.dir}/craft-agent-cloud-paths.conf";
	}
	server {
		listen 127.0.0.1:${stuckPort} ssl;
		${common}
		include "${stuckSnippet.dir}/craft-agent-cloud.conf";
	}
}`;
}

function checkOurs(answer, status, what) {
	assert.equal(answer.status, status, `${what}: ${answer.text}`);
	assert.equal(answer.headers["access-control-allow-origin"], "*", what);
	assert.match(answer.headers["x-request-id"], /^[0-9a-f]{32}$/, what);
	assert.equal(answer.headers["x-site"], undefined, `${what}: the site's header`);
	if (status >= 400) {
		assert.match(answer.headers["content-type"], /^application\/json/, what);
		assert.equal(typeof JSON.parse(answer.text).error, "string", what);
	}
}

// Bytes of one's own in a plain connection to the TLS port, or anything that node's client refuses to send.
function rawStatus(text, tlsPort = port) {
	return new Promise((resolve, reject) => {
		import("node:tls").then(({ connect }) => {
			const socket = connect({ port: tlsPort, host: "127.0.0.1", rejectUnauthorized: false });
			let answer = "";
			socket.setEncoding("latin1").on("data", (part) => { answer += part; });
			socket.on("close", () => resolve(answer)).on("error", (error) => (answer ? resolve(answer) : reject(error)));
			socket.write(text);
		});
	});
}

test("the site's own pages are as before", async () => {
	const page = await ask(port, "/page.html");
	assert.equal(page.status, 200);
	assert.equal(page.text, "a page of the site");
	assert.equal(page.headers["x-site"], "yes");
	assert.equal(page.headers["access-control-allow-origin"], undefined);
	assert.equal((await ask(port, "/x/y.php")).text, "php of the site");
	const missing = await ask(port, "/missing");
	assert.equal(missing.status, 404);
	assert.equal(missing.text, "the site is sorry");
	assert.equal((await ask(port, "/workspaces")).text, "the site is sorry");
	assert.equal((await ask(port, "/page.html", { method: "OPTIONS" })).status, 405);
	assert.equal((await ask(barePort, "/")).text, "the site's front page");
});

test("REST works below the site", async () => {
	const root = await ask(port, "/");
	checkOurs(root, 200, "/");
	assert.equal(JSON.parse(root.text).service, "craft-agent-cloud");
	const sessions = await ask(port, "/workspace/w/sessions", { headers: auth });
	checkOurs(sessions, 200, "sessions");
	assert.equal(sessions.text, "[]");
	assert.equal(sessions.headers.expires, undefined, "the site's expires");
	checkOurs(await ask(port, "/workspace/w/sessions"), 401, "no key");
	checkOurs(await ask(port, "/workspace/w/sessions/a.php", { headers: auth }), 404, "the site's regular expression");
	checkOurs(await ask(port, keyed("/workspace/w/nothing/here")), 404, "unknown path");
	checkOurs(await ask(port, "/workspace", { headers: auth }), 404, "/workspace is no redirect");
	const large = await ask(port, keyed("/workspace/w/actions/new-chat"), { method: "POST",
		headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "n", input: "x".repeat(40_000) }) });
	checkOurs(large, 201, "a body above the site's limit");
});

test("files work below the site", async () => {
	const target = "/files/w/s/attachments/a%20page.php";
	const body = "x".repeat(50_000);
	checkOurs(await ask(port, target, { method: "PUT", body, headers: { ...auth, "Content-Type": "text/html" } }), 201, "PUT");
	const whole = await ask(port, target, { headers: auth });
	checkOurs(whole, 200, "GET");
	assert.equal(whole.text, body);
	assert.equal(whole.headers["content-type"], "text/html");
	assert.equal(whole.headers["content-security-policy"], "sandbox; default-src 'none'");
	assert.equal(whole.headers["cache-control"], "private, no-cache");
	assert.equal(whole.headers.expires, undefined, "the site's expires");
	const part = await ask(port, target, { headers: { ...auth, Range: "bytes=-10" } });
	checkOurs(part, 206, "Range");
	assert.equal(part.text, body.slice(-10));
	checkOurs(await ask(port, target, { headers: { ...auth, Range: "bytes=50000-" } }), 416, "416");
	checkOurs(await ask(port, target, { method: "PUT", body }), 401, "PUT without a key");
	checkOurs(await ask(port, "/files/w/s/other/n", { method: "PUT", body, headers: auth }), 400, "PUT of no type");
	checkOurs(await ask(port, "/files/w/s/attachments/none.php", { headers: auth }), 404, "no such file");
	checkOurs(await ask(port, "/assets/w/a.php", { method: "DELETE", headers: auth }), 200, "DELETE");
	assert.equal((await ask(port, "/_craft_blob/00/", { headers: auth })).status, 404, "blobs by themselves");
	assert.equal((await ask(port, "/_craft_upload_check", { headers: auth })).status, 404, "the question whether a body may come");
});

test("what GitHub is needed for works below the site", async () => {
	const wish = { workspaceSlug: "w", repoKey: "o/r", repoUrl: "https://github.com/o/r" };
	const check = await ask(port, "/api/sandbox/check", { method: "POST", headers: { ...auth, "Content-Type": "application/json" },
		body: JSON.stringify(wish) });
	checkOurs(check, 200, "check");
	const { authUrl } = JSON.parse(check.text);
	checkOurs(await ask(port, authUrl.slice(new URL(authUrl).origin.length)), 503, "a good ticket without a client id");
	checkOurs(await ask(port, "/oauth/github/callback?code=x&state=y"), 400, "callback");
	checkOurs(await ask(port, "/api/sandbox/nothing", { headers: auth }), 404, "unknown");
	checkOurs(await ask(port, "/workspace/w/projects/o%2Fr/credential", { method: "DELETE", headers: auth }), 200, "DELETE");
	assert.equal((await ask(port, "/oauth/other")).text, "the site is sorry");
});

test("a WebSocket works below the site", async () => {
	const socket = new WebSocket(`wss://127.0.0.1:${port}${keyed("/workspace/a%2Fb?since=0")}`, { rejectUnauthorized: false });
	const texts = [];
	socket.on("message", (data) => texts.push(JSON.parse(data)));
	await waitFor(() => texts[0]?.type === "hello", { what: "hello" });
	socket.send(JSON.stringify({ type: "labels:save", data: { version: 1 }, requestId: 1 }));
	await waitFor(() => texts[1]?.type === "response", { what: "the response" });
	assert.deepEqual(texts[1].data, { success: true });
	assert.deepEqual(JSON.parse((await ask(port, "/workspace/a%2Fb/labels", { headers: auth })).text), { version: 1 });
	socket.close();
	checkOurs(await ask(port, "/workspace/w?apiKey=wrong-key-000", { headers: upgrade }), 401, "upgrade with a wrong key");
});

test("preflights are answered without a key", async () => {
	for (const target of ["/", "/workspace/w", "/workspace/w/sessions/x.php", "/workspace", "/workspace/w/actions/new-chat"]) {
		const answer = await ask(port, target, { method: "OPTIONS", headers: { ...upgrade, Connection: "close", Origin: "https://other.example",
			"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization" } });
		checkOurs(answer, 204, target);
		assert.equal(answer.headers["access-control-allow-methods"], "GET, POST, PUT, DELETE, HEAD, OPTIONS");
		assert.deepEqual(names(answer.headers["access-control-allow-headers"]), ALLOWED);
		assert.equal(answer.headers["access-control-max-age"], "86400");
	}
});

test("what nginx refuses in our locations is JSON", async () => {
	const body = "x".repeat(1_100_000);
	checkOurs(await ask(port, keyed("/workspace/w/actions/new-chat.html"), { method: "POST", body }), 413, "413");
	const chunked = await rawStatus(`POST ${keyed("/workspace/w/actions/new-chat")} HTTP/1.1\r\nHost: x\r\n`
		+ "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n");
	assert.match(chunked, /^HTTP\/1.1 400 [^]*Access-Control-Allow-Origin: \*[^]*\{"error":"Bad request"\}/);
	checkOurs(await ask(stuckPort, keyed("/workspace/w/sessions")), 504, "504 of FastCGI");
	checkOurs(await ask(stuckPort, keyed("/files/w/s/attachments/n")), 504, "504 of a download");
	checkOurs(await ask(stuckPort, keyed("/files/w/s/attachments/n"), { method: "PUT", body }), 502, "an upload that nobody agrees to");
	checkOurs(await ask(stuckPort, keyed("/workspace/w"), { headers: upgrade }), 504, "504 of an upgrade");
});

test("with the optional files unparsable requests are JSON too", async () => {
	const line = `GET ${keyed("/workspace/w/sessions")} HTTP/1.1\r\nHost: x\r\n`;
	const cases = {
		"a header of 64 KB": [`${line}X-Long: ${"a".repeat(65536)}\r\n\r\n`, 400],
		"an overlong URL": [`GET ${keyed(`/workspace/${"a".repeat(70000)}`)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
		"NUL in the path": [`GET ${keyed("/workspace/%00")} HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
		"no host": [`GET ${keyed("/workspace/w")} HTTP/1.1\r\n\r\n`, 400],
		"TRACE": [`TRACE ${keyed("/workspace/w")} HTTP/1.1\r\nHost: x\r\n\r\n`, 405],
		"HTTP/7": [`GET ${keyed("/workspace/w")} HTTP/7.1\r\nHost: x\r\n\r\n`, 505],
		"another transfer coding": [`${line}Transfer-Encoding: gzip\r\n\r\n`, 501],
	};
	for (const [what, [text, status]] of Object.entries(cases)) {
		const answer = await rawStatus(text);
		assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), what);
		assert.match(answer, /Access-Control-Allow-Origin: \*/, what);
		assert.match(answer, /X-Request-Id: [0-9a-f]{32}/, what);
		assert.match(answer, /Content-Type: application\/json/, what);
		assert.match(answer, /\{"error":"[^"]+"\}$/, what);
	}
});

test("the site's limits are answered in JSON", async () => {
	const sockets = await Promise.all([1, 2, 3].map(() => new Promise((resolve, reject) => {
		const socket = new WebSocket(`wss://127.0.0.1:${barePort}${keyed("/workspace/w")}`, { rejectUnauthorized: false });
		socket.on("open", () => resolve(socket)).on("error", reject);
	})));
	checkOurs(await ask(barePort, "/workspace/w/sessions", { headers: auth }), 429, "the fourth connection");
	checkOurs(await ask(barePort, keyed("/workspace/w"), { headers: upgrade }), 429, "the fourth upgrade");
	for (const socket of sockets) socket.close();
});

test("without workers and bridge it is 502 in JSON", async () => {
	const gone = async (name, socket) => {
		server.kill(name);
		await waitFor(async () => (await ask(port, keyed("/workspace/w/labels"),
			{ headers: name === "craft-fcgi" ? {} : upgrade })).status === 502, { what: `${name} to be gone` });
		// A socket without a listener behind it, and none at all, are different messages in the error log.
		try { unlinkSync(socket); } catch { /* the daemon removed it */ }
	};
	await gone("craft-fcgi", `${server.runDir}/fcgi.sock`);
	checkOurs(await ask(port, keyed("/workspace/w/labels")), 502, "no workers");
	checkOurs(await ask(port, "/"), 502, "/");
	checkOurs(await ask(port, keyed("/files/w/s/attachments/n"), { method: "PUT", body: "x" }), 502, "an upload");
	await gone("craft-ws-bridge", `${server.runDir}/ws-1.sock`);
	checkOurs(await ask(port, keyed("/workspace/w"), { headers: upgrade }), 502, "no bridge");
	const dead = net.createServer().listen(`${server.runDir}/fcgi.sock`);
	await new Promise((listening) => dead.on("listening", listening));
	if (process.getuid() === 0) chownSync(`${server.runDir}/fcgi.sock`, 33, 33);
	checkOurs(await ask(port, "/workspace/w/labels", { method: "OPTIONS" }), 204, "a preflight needs no worker");
	dead.close();
});

test("no key is in the site's logs", () => {
	const logs = site.logs();
	assert.ok(logs.includes("GET /page.html"), "the site logs");
	assert.ok(!logs.includes(KEY), logs.split("\n").find((line) => line.includes(KEY))?.slice(0, 300));
});
