// nginx.mjs: an nginx of a test's own: somebody else's site, into which the snippet is included.

import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT, waitFor } from "./server.mjs";

const BUILD = process.env.CRAFT_BUILD_DIR ?? path.join(ROOT, "build");

/** A port that was free a moment ago. */
export function freePort() {
	return new Promise((resolve, reject) => {
		const probe = net.createServer().on("error", reject).listen(0, "127.0.0.1", () => {
			const { port } = probe.address();
			probe.close(() => resolve(port));
		});
	});
}

/** The nginx files as `make install` leaves them, in a new directory; edits: [[pattern, text]...] applied to each.
 *  Returns the directory. Throws when a placeholder was left in. */
export function installSnippet(edits = []) {
	const dest = mkdtempSync(path.join(tmpdir(), "craft-nginx-"));
	chmodSync(dest, 0o755);
	const made = spawnSync("make", ["-s", "-C", BUILD, "install-data-local", `DESTDIR=${dest}`], { encoding: "utf8" });
	if (made.status !== 0) throw new Error(`make install-data-local: ${made.stderr}`);
	const found = readdirSync(dest, { recursive: true, withFileTypes: true })
		.find((entry) => entry.name === "craft-agent-cloud.conf");
	const at = path.join(found.parentPath ?? found.path);
	const installed = at.slice(dest.length);
	for (const name of readdirSync(at)) {
		let text = readFileSync(path.join(at, name), "utf8");
		const left = text.match(/@[A-Z_]+@/);
		if (left) throw new Error(`${name}: ${left[0]} was left in`);
		text = text.replaceAll(installed, at);
		for (const [pattern, replacement] of edits) text = text.replaceAll(pattern, replacement);
		writeFileSync(path.join(at, name), text);
	}
	return { dir: at, remove: () => rmSync(dest, { recursive: true, force: true }) };
}

/** Starts nginx with the text that write(dir) returns; dir has log/ and tmp/. Returns {dir, logs(), stop()}. */
export async function startNginx(port, write) {
	const dir = mkdtempSync(path.join(tmpdir(), "craft-site-"));
	chmodSync(dir, 0o755);
	for (const sub of ["log", "tmp", "html"]) mkdirSync(path.join(dir, sub));
	writeFileSync(path.join(dir, "nginx.conf"), write(dir));
	const nginx = spawn("/usr/sbin/nginx", ["-e", `${dir}/log/error.log`, "-c", `${dir}/nginx.conf`, "-g", "daemon off;"],
		{ stdio: ["ignore", "ignore", "pipe"] });
	let stderr = "", ended = false;
	nginx.stderr.setEncoding("utf8").on("data", (text) => { stderr += text; });
	const end = new Promise((resolve) => nginx.on("exit", () => { ended = true; resolve(); }));
	const kill = () => nginx.kill("SIGKILL");
	process.on("exit", kill);
	await waitFor(() => {
		if (ended) throw new Error(stderr);
		return new Promise((resolve) => {
			const probe = net.connect(port, "127.0.0.1", () => { probe.destroy(); resolve(true); })
				.on("error", () => resolve(false));
		});
	}, { what: "nginx to listen" });
	return {
		dir,
		logs: () => readdirSync(path.join(dir, "log")).map((name) => readFileSync(path.join(dir, "log", name), "utf8")).join(""),
		async stop() {
			nginx.kill("SIGTERM");
			await end;
			process.off("exit", kill);
			rmSync(dir, { recursive: true, force: true });
		},
	};
}

/** One request without checking the certificate: {status, headers, text}. */
export function ask(port, target, { method = "GET", headers = {}, body } = {}) {
	return new Promise((resolve, reject) => {
		const request = https.request({ host: "127.0.0.1", port, path: target, method, headers, agent: false,
			rejectUnauthorized: false });
		request.on("response", (answer) => {
			let text = "";
			answer.setEncoding("utf8").on("data", (part) => { text += part; });
			answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
		});
		request.on("error", reject);
		request.end(body);
	});
}
