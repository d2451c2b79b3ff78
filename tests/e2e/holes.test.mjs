// Known holes of what the server stands on: craft-cloud check and the daemons warn of them, by the versions that dpkg-query or
// the programs themselves say, and nothing depends on it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { ROOT, startServer, waitFor } from "../harness/server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const dir = mkdtempSync(path.join(tmpdir(), "craft-holes-"));
chmodSync(dir, 0o755);
const bin = path.join(dir, "bin");
mkdirSync(bin);
const PATH = `${bin}:${process.env.PATH}`;

function program(name, text) {
	writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`);
	chmodSync(path.join(bin, name), 0o755);
}

// A dpkg-query that knows these packages; null: there is none.
const packages = (versions) => program("dpkg-query", versions === null ? "exit 127"
	: Object.entries(versions).map(([name, version]) => `echo 'installed ${name} ${version}'`).join("\n"));

const OLD = { bubblewrap: "0.8.0-2+deb12u1", nginx: "1.22.1-9+deb12u10", git: "1:2.39.5-0+deb12u2", libfcgi0ldbl: "2.4.2-2" };
const NEW = { bubblewrap: "0.12.0-1", nginx: "1.26.3-3+deb13u11", git: "1:2.47.3-0+deb13u1", libfcgi0t64: "2.4.5-1" };
const agent = path.join(dir, "agent");
mkdirSync(agent);
writeFileSync(path.join(agent, "claude"), "#!/bin/sh\necho '2.0.64 (Claude Code)'\n");
chmodSync(path.join(agent, "claude"), 0o755);

let server;
after(async () => {
	await server?.stop();
	rmSync(dir, { recursive: true, force: true });
});
packages(OLD);
server = await startServer({ env: { PATH } });
const conf = path.join(server.dir, "conf/craft-agent-cloud.conf");
const { uid, gid } = statSync(conf);
const WS_LISTEN = path.join(server.runDir, "ws-1.sock");
const who = process.getuid() === 0 ? { uid, gid } : {};

function check(env = {}) {
	const { status, stdout, stderr } = spawnSync(path.join(BUILD, "cli/craft-cloud"), ["check", "--json", "--sql", path.join(ROOT, "sql"), "--config", conf],
		{ cwd: "/", encoding: "utf8", env: { PATH, WS_LISTEN, SANDBOX_AGENT: path.join(agent, "claude"), ...env }, ...who });
	return { status, stderr, ...(stdout && JSON.parse(stdout)) };
}

test("check warns of each, says where it is mended, and all is well all the same", () => {
	const { status, problems, warnings, stderr } = check();
	assert.equal(status, 0, stderr + JSON.stringify(problems));
	assert.equal(warnings.length, 5, JSON.stringify(warnings));
	for (const pattern of [/^bubblewrap 0\.8\.0-2\+deb12u1 .*CVE-2026-87766.*bubblewrap 0\.12 and in Debian 13/, /^nginx 1\.22\.1-9\+deb12u10 .*CVE-2026-42533.*deb12u11/,
		/^git 1:2\.39\.5-0\+deb12u2 .*CVE-2025-48384.*deb12u3/, /^libfcgi 2\.4\.2-2 .*CVE-2025-23016.*2\.4\.2-2\+deb12u1/, /^Claude Code 2\.0\.64 .*2\.0\.65/])
		assert.equal(warnings.filter((text) => pattern.test(text)).length, 1, `${pattern}: ${JSON.stringify(warnings)}`);
	const { status: code, stdout, stderr: said } = spawnSync(path.join(BUILD, "cli/craft-cloud"), ["check", "--sql", path.join(ROOT, "sql"), "--config", conf],
		{ cwd: "/", encoding: "utf8", env: { PATH, WS_LISTEN, SANDBOX_AGENT: "/nonexistent" }, ...who });
	assert.equal(code, 0);
	assert.equal(said.split("\n").filter((line) => line.startsWith("craft-cloud: warning: ")).length, 4, said);
	assert.doesNotMatch(stdout, /CVE/);
});

test("what is mended isn't told", () => {
	packages(NEW);
	writeFileSync(path.join(agent, "package.json"), '{"name":"@anthropic-ai/claude-code-linux-x64","version":"2.1.197"}');
	assert.deepEqual(check().warnings, []);
});

test("without Debian's packages the programs are asked; what can't be asked is passed over", () => {
	packages(null);
	program("bwrap", "echo bubblewrap 0.10.0");
	program("nginx", "echo 'nginx version: nginx/1.28.0' >&2");
	program("git", "echo git version 2.44.3");
	assert.deepEqual(check().warnings.map((text) => text.split(" ").slice(0, 2).join(" ")).sort(), ["bubblewrap 0.10.0", "git 1:2.44.3", "nginx 1.28.0"]);
	program("bwrap", "exec sleep 600");
	program("nginx", "kill -9 $$");
	program("git", "head -c 1000000 /dev/zero");
	const began = ownMs();
	const { status, warnings } = check();
	assert.deepEqual([status, warnings], [0, []]);
	assert.ok(ownMs() - began < 60_000, "one that hangs is ended");
	for (const name of ["bwrap", "nginx", "git"]) rmSync(path.join(bin, name));
	packages(OLD);
});

test("craft-fcgi warns of its library at its start, craft-sandboxd of what makes its boxes", async () => {
	packages(OLD);
	const sockets = ["a", "b", "c"].map((name) => path.join(server.runDir, `holes-${name}.sock`));
	const child = spawn(path.join(BUILD, "fcgi/craft-fcgi"), ["--config", conf], { stdio: ["ignore", "ignore", "pipe"], ...who,
		env: { PATH, FCGI_LISTEN: sockets[0], FCGI_UPLOAD_LISTEN: sockets[1], FCGI_GITHUB_LISTEN: sockets[2], FCGI_WORKERS: "1", FCGI_UPLOAD_WORKERS: "1",
			FCGI_GITHUB_WORKERS: "1" } });
	let said = "";
	child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
	const ended = new Promise((resolve) => child.on("exit", resolve));
	try {
		await waitFor(() => /libfcgi 2\.4\.2-2 has a known hole/.test(said), { what: "craft-fcgi's warning" });
		assert.doesNotMatch(said, /nginx .* known hole|bubblewrap/);
	} finally {
		child.kill();
		await ended;
	}
	// script/up gives its daemons a PATH of its own: this one tells of this machine, as check does there.
	const { warnings } = check({ PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" });
	for (const text of warnings.filter((line) => /^(bubblewrap|git) /.test(line)))
		await waitFor(() => server.logs("craft-sandboxd").includes(text), { what: `craft-sandboxd's warning: ${text}` });
	assert.doesNotMatch(server.logs("craft-sandboxd"), /(libfcgi|nginx) .*known hole/);
});
