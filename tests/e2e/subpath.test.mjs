// The service below a path of a site, by the example of docs/nginx.md: REST, files, links, pages, OAuth and WebSockets.

import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { ask, freePort, installSnippet, startNginx } from "../harness/nginx.mjs";
import { ROOT, startServer, waitFor } from "../harness/server.mjs";

const KEY = "the-key-below-a-path-0123456789";
const auth = { Authorization: `Bearer ${KEY}` };
let server, snippet, site, port, base;

before(async () => {
	port = await freePort();
	base = `https://127.0.0.1:${port}/craft`;
	server = await startServer({ env: { API_KEY: KEY, PUBLIC_URL: `${base}/`, GITHUB_CLIENT_ID: "id", GITHUB_CLIENT_SECRET: "secret-of-the-app" } });
	snippet = installSnippet([
		["/run/craft-agent-cloud/fcgi.sock", `${server.runDir}/fcgi.sock`],
		["/run/craft-agent-cloud/fcgi-upload.sock", `${server.runDir}/fcgi-upload.sock`],
		["/run/craft-agent-cloud/fcgi-github.sock", `${server.runDir}/fcgi-github.sock`],
		["/run/craft-agent-cloud/ws.sock", `${server.runDir}/ws-1.sock`],
		["/var/lib/craft-agent-cloud/blobs", `${server.dir}/blobs`],
	]);
	site = await startNginx(port, configuration);
});

after(async () => {
	await site?.stop();
	snippet?.remove();
	await server?.stop();
});

// The example as it stands, with this test's places and a site around it.
function configuration(dir) {
	chmodSync(dir, 0o755);
	const [, example] = readFileSync(path.join(ROOT, "docs", "nginx.md"), "utf8").match(/## Below a path of a site\n[^]*?\n((?:    .*\n)+)/);
	const filled = example
		.replace("# what the site has", `listen 127.0.0.1:${port} ssl;
			ssl_certificate ${server.dir}/tls/cert.pem;
			ssl_certificate_key ${server.dir}/tls/key.pem;
			location / { return 200 "the site"; }`)
		.replaceAll("unix:/run/craft-agent-cloud-inner.sock", `unix:${dir}/inner.sock`)
		.replaceAll("/etc/craft-agent-cloud/nginx", snippet.dir);
	return `
${process.getuid() === 0 ? "user www-data;" : ""}
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/log/error.log notice;
events { }
http {
	${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/tmp/${name};`).join(" ")}
	access_log ${dir}/log/access.log combined;
	${filled}
}`;
}

async function get(target, status, options = {}) {
	const answer = await ask(port, target, { headers: auth, ...options });
	assert.equal(answer.status, status, `${options.method ?? "GET"} ${target}: ${answer.text}`);
	return answer;
}

const below = (url) => {
	assert.ok(url.startsWith(`${base}/`), url);
	return url.slice(new URL(base).origin.length);
};

test("the service answers below the path, the site beside it", async () => {
	assert.equal((await get("/", 200)).text, "the site");
	assert.equal((await get("/craftwork", 200)).text, "the site");
	assert.equal(JSON.parse((await get("/craft/", 200)).text).status, "ok");
	assert.equal((await get("/craft/workspace/a%2Fb/sessions", 200)).text, "[]");
	await get("/craft/workspace/w/sessions", 401, { headers: {} });
	assert.equal(JSON.parse((await get("/craft/nothing", 404)).text.replace(/^<[^]*$/, '{"error":""}')).error !== undefined, true);
});

test("files: stored, signed and paged there", async () => {
	const dir = "/craft/files/a%2Bb%20c/s%23/attachments";
	for (const name of ["a%20b.txt", "b%2525.txt", "c.txt"]) await get(`${dir}/${name}`, 201, { method: "PUT", body: `I am ${name}` });
	const { url } = JSON.parse((await get(`${dir}/b%2525.txt/sign`, 200, { method: "POST" })).text);
	assert.match(url, /\/craft\/files\//);
	assert.equal((await get(below(url), 200, { headers: {} })).text, "I am b%2525.txt");
	await get(below(url).replace(/.$/, (digit) => (digit === "0" ? "1" : "0")), 403, { headers: {} });
	let found = [], target = `${dir}?limit=1`;
	while (target) {
		const { text, headers } = await get(target, 200);
		found = found.concat(JSON.parse(text));
		target = headers.link && below(new URL(headers.link.match(/<([^>]*)>/)[1], base).href);
	}
	assert.deepEqual(found.map((file) => file.name), ["a b.txt", "b%25.txt", "c.txt"]);
	await get("/craft/assets/w/icons/x.svg", 201, { method: "PUT", body: "<svg/>" });
	const asset = JSON.parse((await get("/craft/assets/w/sign/icons/x.svg", 200, { method: "POST" })).text);
	assert.equal((await get(below(asset.url), 200, { headers: {} })).headers["content-type"], "image/svg+xml");
});

test("the way to GitHub and back", async () => {
	const wish = { workspaceSlug: "w", repoKey: "o/r", repoUrl: "https://github.com/o/r" };
	const check = await get("/craft/api/sandbox/check", 200, { method: "POST", body: JSON.stringify(wish) });
	const { authUrl } = JSON.parse(check.text);
	// Perhaps by a page that asks first.
	const answer = await ask(port, below(authUrl));
	const location = answer.headers.location ?? answer.text;
	assert.match(decodeURIComponent(location), new RegExp(`redirect_uri=${base}/oauth/github/callback`));
	await get("/craft/oauth/github/callback?code=x&state=y", 400, { headers: {} });
});

test("a WebSocket", async () => {
	const socket = new WebSocket(`${base.replace("https", "wss")}/workspace/a%2Fb?since=0&apiKey=${KEY}`, { rejectUnauthorized: false });
	const texts = [];
	socket.on("message", (data) => texts.push(JSON.parse(data)));
	await waitFor(() => texts[0]?.type === "hello", { what: "hello" });
	socket.close();
});
