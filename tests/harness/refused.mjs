// refused.mjs: how usual clients meet the refusal of a big upload: each sends it as it does, and says which status it saw.
//
//   const seen = await nodeFetch(server, "/files/w/s/attachments/f", { size: 300 << 20, key: "wrong" });   // {status, json} or {error}

import { execFile } from "node:child_process";
import path from "node:path";

const run = (file, args, options = {}) => new Promise((resolve) => {
	execFile(file, args, { maxBuffer: 64 << 20, ...options }, (error, stdout, stderr) =>
		resolve({ code: error ? (error.code ?? 1) : 0, stdout, stderr }));
});

// In a process of its own: its trust in the certificate is read at its start.
const FETCH = `
const { url, size, headers, streamed } = JSON.parse(process.env.REQUEST);
const block = Buffer.alloc(1 << 20);
let sent = 0;
const stream = () => new ReadableStream({ pull(c) {
	if (sent >= size) return c.close();
	sent += block.length;
	c.enqueue(block);
} }, { highWaterMark: 0 });
fetch(url, { method: "PUT", headers, ...(streamed ? { body: stream(), duplex: "half" } : { body: Buffer.alloc(size) }) })
	.then(async (r) => ({ status: r.status, json: await r.json() }), (e) => ({ error: String(e.cause ?? e) }))
	.then((seen) => { console.log(JSON.stringify({ ...seen, sent })); process.exit(0); });
`;

const headersOf = (server, { key = server.apiKey, headers = {} }) => ({ Authorization: `Bearer ${key}`, ...headers });

/** Node's own fetch. streamed: the body is a stream, so no length is declared. */
export async function nodeFetch(server, target, { size, streamed = false, ...options }) {
	const request = { url: server.url + target, size, streamed, headers: headersOf(server, options) };
	const { stdout, stderr } = await run(process.execPath, ["-e", FETCH], { env: { ...process.env, REQUEST: JSON.stringify(request),
		NODE_EXTRA_CA_CERTS: path.join(server.dir, "tls/cert.pem") } });
	return stdout ? JSON.parse(stdout) : { error: stderr };
}

/** curl. version: "1.1" or "2"; expect: with Expect: 100-continue (as curl does by itself over HTTP/1.1). */
export async function curl(server, target, { size, streamed = false, version = "1.1", expect = true, ...options }) {
	const headers = headersOf(server, { ...options, headers: { ...(expect ? {} : { Expect: "" }), ...options.headers } });
	const args = ["-sS", "-k", `--http${version}`, "-w", "\n%{http_code} %{http_version} %{size_upload}", ...Object.entries(headers).flatMap(([name, value]) =>
		["-H", `${name}:${value ? ` ${value}` : ""}`])];
	const source = streamed ? `head -c ${size} /dev/zero | curl "$@" -T - "$URL"`
		: `f=$(mktemp); truncate -s ${size} "$f"; curl "$@" -T "$f" "$URL"; c=$?; rm -f "$f"; exit $c`;
	const { code, stdout, stderr } = await run("bash", ["-c", source, "curl", ...args], { env: { ...process.env, URL: server.url + target } });
	const [text, figures = ""] = stdout.split(/\n(?=[^\n]*$)/);
	const [status, http, sent] = figures.split(" ");
	if (code !== 0 || !text.startsWith("{")) return { error: `curl ended with ${code}: ${stderr}${stdout}`, status: Number(status) };
	return { status: Number(status), http, sent: Number(sent), json: JSON.parse(text) };
}
