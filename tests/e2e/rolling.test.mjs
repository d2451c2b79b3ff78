// A rolling restart: each daemon is replaced several times while clients read, upload, change and listen. Not one request over
// REST fails; WebSockets are told by a close, come back, and lost nothing that was acknowledged.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, readFileSync, statSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, describe, test } from "node:test";
import { Load } from "../harness/oracle.mjs";
import { RestLoad } from "../harness/rest_load.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { ownUsers } from "../harness/sandbox_traces.mjs";
import { ROOT, alive, script, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const rig = await startSandboxRig({ bridges: 2, env: { SWEEP_INTERVAL: "0", ...ownUsers() } });
const { server } = rig;
const load = await Load.start(server, { workspaces: 1, rest: 0, pause: 30 });
after(async () => {
	await load.stop();
	await rig.stop();
});

const pidOf = (name) => Number(readFileSync(path.join(server.dir, "pids", name), "utf8").split(" ")[0]);

/** script/up --restart: another process has its place, and the old one is gone. */
async function restart(name) {
	const before = pidOf(name);
	const { code, stdout, stderr } = await script("up", ["--dir", server.dir, "--restart", name], server.env);
	assert.equal(code, 0, stdout + stderr);
	assert.doesNotMatch(stderr, /had to be killed/);
	assert.notEqual(pidOf(name), before);
	assert.ok(!alive(before), "the old one is gone");
	server.ready = JSON.parse(readFileSync(path.join(server.dir, "ready.json"), "utf8"));
}

/** Does something under load of which nothing may fail; and each writer goes on afterwards. */
async function under(t, what, options = {}) {
	const rest = new RestLoad(server, "team", options);
	try {
		await rest.open();
		await waitFor(() => rest.done > 50, { what: "load" });
		await what(rest);
		const enough = rest.done + 50;
		await waitFor(() => rest.done > enough, { what: "load afterwards" });
		await load.recovered(Date.now());
	} finally {
		await rest.stop();
	}
	t.diagnostic(`${rest.done} requests, the slowest took ${rest.slowest} ms; ${rest.resent} were sent again`);
	assert.deepEqual(rest.failures, []);
	assert.deepEqual((await load.check()).slice(0, 10), []);
}

test("craft-fcgi is replaced three times", async (t) => under(t, async () => {
	for (let i = 0; i < 3; i++) await restart("craft-fcgi");
}));

test("craft-fcgi replaces its workers", async (t) => under(t, async (rest) => {
	for (let i = 0; i < 3; i++) {
		process.kill(pidOf("craft-fcgi"), "SIGHUP");
		const enough = rest.done + 100;
		await waitFor(() => rest.done > enough, { what: "requests meanwhile" });
	}
}));

test("the bridges are replaced one after the other, twice: clients are told, come back, and each new one gets in", async (t) => {
	const codes = [], refused = [];
	let knocking = true;
	// Clients that come all the time: at whatever moment, each is let in and gets an answer or a close that says why.
	const knock = async () => {
		while (knocking) {
			try {
				const client = await connect(server, "team", { since: 0 });
				client.closed.then(({ code }) => codes.push(code));
				await client.ok("labels:save", { n: codes.length }).catch((error) => { if (!/closed \(1012/.test(error.message)) refused.push(error.message); });
				await client.close();
			} catch (error) {
				if (!/closed \(1012/.test(error.message)) refused.push(error.message);
			}
		}
	};
	const knocks = [knock(), knock(), knock()];
	const quiet = await Promise.all([0, 1].map((bridge) => connect(server, "team", { bridge })));
	await under(t, async () => {
		for (const name of ["craft-ws-bridge-1", "craft-ws-bridge-2", "craft-ws-bridge-1", "craft-ws-bridge-2"]) await restart(name);
	});
	knocking = false;
	await Promise.all(knocks);
	assert.deepEqual(refused, []);
	assert.deepEqual([...new Set(codes)].filter((code) => code !== 1000 && code !== 1012), []);
	for (const client of quiet) assert.equal((await client.closed).code, 1012);
	t.diagnostic(`${codes.length} connections were made, ${codes.filter((code) => code === 1012).length} of them sent elsewhere`);
});

test("connections that wait in the socket of a bridge that is replaced are let in, and told to come back", async () => {
	const name = "craft-ws-bridge-1", old = pidOf(name), socket = path.join(server.runDir, "ws-1.sock");
	const upgrade = `GET /workspace/team?since=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.apiKey}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
	process.kill(old, "SIGSTOP");
	let waiting, restarted;
	try {
		waiting = Array.from({ length: 5 }, () => new Promise((resolve, reject) => {
			const connection = net.connect(socket, () => connection.write(upgrade));
			const parts = [];
			connection.on("data", (data) => parts.push(data)).on("error", reject).on("close", () => resolve(Buffer.concat(parts)));
			// Answered with a close of its own, as a client does it.
			connection.on("data", () => { if (/\x03\xf4the server restarts$/.test(Buffer.concat(parts).toString("latin1"))) connection.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0])); });
		}));
		const inode = statSync(socket).ino;
		restarted = restart(name);
		await waitFor(() => statSync(socket).ino !== inode, { deadline: 30_000, what: "the new one to take over" });
		process.kill(old, "SIGTERM");
	} finally {
		process.kill(old, "SIGCONT");
	}
	await restarted;
	for (const answer of await Promise.all(waiting)) {
		const text = answer.toString("latin1");
		assert.match(text, /^HTTP\/1\.1 101 /);
		assert.match(text, /"type":"hello"/);
		assert.match(text, /\x03\xf4the server restarts$/, "closed with 1012");
	}
});

test("nginx reads its configuration anew, and is replaced", async (t) => under(t, async (rest) => {
	process.kill(pidOf("nginx"), "SIGHUP");
	const enough = rest.done + 200;
	await waitFor(() => rest.done > enough, { what: "requests meanwhile" });
	await restart("nginx");
}, { keepAlive: false, again: true }));

test("craft-sandboxd is replaced under a sandbox: REST goes on, the sandbox is as it was", async (t) => {
	await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
	const sandbox = await rig.ready("alice/notes", { params: { since: 0 } });
	await sandbox.bash("echo kept >kept");
	const more = [
		(rest) => rest.request("GET", `${sandbox.base}/status`),
		(rest) => rest.request("POST", `${sandbox.base}/heartbeat`),
		(rest) => rest.request("GET", `/workspace/${rig.slug}/sandbox/sessions`),
	];
	let n = 0;
	await under(t, async () => {
		for (let i = 0; i < 2; i++) {
			const restarted = restart("craft-sandboxd");
			// What is asked meanwhile is answered: by the old one, the next one, or by the word that it was restarted.
			for (let done = false; !done;) {
				const id = `asked-${++n}`;
				sandbox.send({ type: "tool", id, name: "Bash", input: { command: "cat kept" } });
				const answer = await sandbox.wait((m) => m.type === "tool_result" && m.id === id, { deadline: 40_000 });
				if (answer.success) assert.equal(answer.output, "kept\n", JSON.stringify(answer));
				else assert.match(answer.error, /server (was|is) restart/);
				done = await Promise.race([restarted.then(() => true), new Promise((go) => setTimeout(go, 20, false))]);
			}
			await restarted;
		}
	}, { more });
	assert.equal((await sandbox.bash("cat kept a.txt")).output, "kept\nhello\n");
	assert.equal(sandbox.closed, null, "its client stayed connected");
	await sandbox.delete();
});

// ---- as under systemd, which holds the sockets ----

describe("with sockets of a service manager", () => {
	let manager, lines = [];
	const started = () => lines.filter((line) => line.startsWith("started ")).length, ended = () => lines.filter((line) => line.startsWith("ended ")).length;
	const order = (word) => manager.stdin.write(`${word}\n`);
	const tell = (text, n) => waitFor(() => lines.filter((line) => line.startsWith(text)).length >= n, { deadline: 30_000, what: `${text} ${n} times; ${lines}` });

	async function manage(name, program, sockets, env = []) {
		lines = [];
		const paths = sockets.map((socket) => path.join(server.runDir, socket));
		const { code, stderr } = await script("down", ["--dir", server.dir, "--only", name], server.env);
		assert.equal(code, 0, stderr);
		const user = process.getuid() === 0 ? ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups"] : [];
		manager = spawn("perl", [path.join(ROOT, "tests/harness/service_manager.pl"), "60000000", path.join(server.runDir, `${name}-notify`), ...paths, "--",
			...user, "env", ...env, path.join(BUILD, program), "--config", path.join(server.dir, "conf/craft-agent-cloud.conf")], { stdio: ["pipe", "pipe", "ignore"] });
		let rest = "";
		manager.stdout.setEncoding("utf8").on("data", (data) => {
			const parts = `${rest}${data}`.split("\n");
			rest = parts.pop();
			lines.push(...parts);
		});
		order("start");
		await tell("started", 1);
		for (const socket of [...paths, path.join(server.runDir, `${name}-notify`)]) chmodSync(socket, 0o666);
	}

	async function giveBack(name) {
		order("TERM");
		await tell("ended", started());
		manager.stdin.end();
		await new Promise((resolve) => manager.on("exit", resolve));
		const { code, stderr } = await script("up", ["--dir", server.dir, "--only", name], server.env);
		assert.equal(code, 0, stderr);
	}

	test("craft-fcgi is stopped and started three times: who comes meanwhile waits", async (t) => {
		await manage("craft-fcgi", "fcgi/craft-fcgi", ["fcgi.sock", "fcgi-upload.sock", "fcgi-github.sock"]);
		try {
			await under(t, async (rest) => {
				for (let i = 0; i < 3; i++) {
					order("TERM");
					await tell("ended 0", ended() + 1);
					order("start");
					const enough = rest.done + 50;
					await waitFor(() => rest.done > enough, { what: "requests meanwhile" });
				}
			});
		} finally {
			await giveBack("craft-fcgi");
		}
	});
});
