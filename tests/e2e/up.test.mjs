// script/up and script/down: what is started, kept, refused and left behind.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ROOT, alive, script, startServer, waitFor } from "../harness/server.mjs";
import { WebSocket } from "ws";

const base = mkdtempSync(path.join(tmpdir(), "craft-up-"));
chmodSync(base, 0o755);
after(() => {
	// A test that failed has left its own running.
	for (const name of readdirSync(base)) spawnSync(path.join(ROOT, "script/down"), ["--dir", `${base}/${name}`]);
	rmSync(base, { recursive: true, force: true });
});

const pidsOf = (server) => Object.values(server.ready.pids).flat();

const tried = (look) => {
	try {
		return look();
	} catch {
		return undefined; // it ended meanwhile
	}
};

// The paths of a process's open files.
const filesOf = (pid) => (tried(() => readdirSync(`/proc/${pid}/fd`)) ?? []).map((fd) => tried(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "");

// All processes whose command line names the directory, or that have a file in it open, whoever started them.
function processesOf(dir) {
	return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => {
		const command = tried(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")) ?? "";
		const ours = command.includes(dir) || filesOf(pid).some((file) => file.startsWith(`${dir}/`));
		return ours && alive(Number(pid)) ? `${pid} ${command}` : "";
	}).filter(Boolean);
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);

test("help and bad usage", async () => {
	for (const name of ["up", "down", "bootstrap", "test"]) {
		const help = await script(name, ["--help"]);
		assert.equal(help.code, 0);
		assert.match(help.stdout, new RegExp(`^Usage: script/${name}`));
		const bad = await script(name, ["--nonsense"]);
		assert.equal(bad.code, 2, name);
		assert.match(bad.stderr, /Usage/);
	}
	for (const args of [["--port", "99999"], ["--port"], ["--dir"], ["--dir", "a$b"]]) {
		const { code, stderr } = await script("up", args);
		assert.notEqual(code, 0, args.join(" "));
		assert.match(stderr, /^error: .+/, args.join(" "));
	}
	const { code, stdout } = await script("down", ["--dir", `${base}/nothing`]);
	assert.equal(code, 0);
	assert.match(stdout, /nothing runs/);
});

test("up, again, down, and up with the data", async (t) => {
	const server = await startServer({ dir: `${base}/life` });
	t.after(() => server.stop());
	const { ready } = server;
	assert.match(ready.url, /^https:\/\/127\.0\.0\.1:\d+$/);
	assert.match(ready.apiKey, /^[0-9a-f]{64}$/);
	assert.deepEqual(Object.keys(ready.pids).sort(), ["craft-fcgi", "craft-sandboxd", "craft-ws-bridge", "nginx", "postgres"]);
	for (const pid of pidsOf(server)) assert.ok(alive(pid));
	assert.equal(statSync(`${base}/life/ready.json`).mode & 0o777, 0o600);
	assert.equal(statSync(`${base}/life/conf/craft-agent-cloud.conf`).mode & 0o777, 0o600);
	assert.equal(statSync(`${base}/life/tls/key.pem`).mode & 0o777, 0o600);

	// No secret in what anybody can list.
	const encryptionKey = () => readFileSync(`${base}/life/conf/craft-agent-cloud.conf`, "utf8").match(/^ENCRYPTION_KEY=([0-9a-f]{64})$/m)?.[1];
	const madeUp = encryptionKey();
	assert.ok(madeUp && madeUp !== ready.apiKey, "an encryption key is made up");
	for (const pid of pidsOf(server))
		for (const file of ["cmdline", "environ"])
			for (const secret of [ready.apiKey, madeUp])
				assert.ok(!readFileSync(`/proc/${pid}/${file}`, "utf8").includes(secret), `${file} of ${pid}`);

	const again = await script("up", ["--dir", `${base}/life`, "--port", "0", "--detach"]);
	assert.equal(again.code, 0, again.stderr);
	assert.match(again.stdout, /runs already/);
	assert.ok(again.stdout.includes(ready.url));

	const chat = await server.request("/workspace/w/actions/new-chat", { method: "POST", body: { name: "kept" } });
	assert.equal(chat.status, 201);
	await server.down();
	assert.ok(!existsSync(`${base}/life/ready.json`));
	assert.deepEqual(processesOf(`${base}/life`), []);
	await server.up();
	assert.equal(server.apiKey, ready.apiKey, "the key is kept");
	assert.equal(encryptionKey(), madeUp, "and so is the other one");
	assert.equal(server.url, ready.url);
	const list = await server.request("/workspace/w/sessions");
	assert.equal(list.json[0].name, "kept");
	await server.stop();
	assert.deepEqual(processesOf(`${base}/life`), []);
});

test("configuration of the environment is kept, and the next one wins", async (t) => {
	writeFileSync(`${base}/key`, `${"0f".repeat(32)}\n`, { mode: 0o600 });
	const server = await startServer({ dir: `${base}/conf`, env: { API_KEY: "key-of-the-environment", ENCRYPTION_KEY_FILE: `${base}/key`, WS_MAX_MESSAGE: "2M", WS_PING_INTERVAL: "5000" } });
	t.after(() => server.stop());
	assert.equal(server.apiKey, "key-of-the-environment");
	const conf = () => readFileSync(`${base}/conf/conf/craft-agent-cloud.conf`, "utf8");
	assert.match(conf(), /^WS_MAX_MESSAGE=2M$/m);
	assert.match(conf(), /^ENCRYPTION_KEY=(0f){32}$/m, "secrets come from files too");
	server.env = {};
	await server.restart({ env: { WS_MAX_MESSAGE: "3M" } });
	assert.equal(server.apiKey, "key-of-the-environment");
	assert.match(conf(), /^WS_MAX_MESSAGE=3M$/m);
	assert.match(conf(), /^WS_PING_INTERVAL=5000$/m);
	assert.match(conf(), /^ENCRYPTION_KEY=(0f){32}$/m);
	await server.stop();
	const { code, stderr } = await script("up", ["--dir", `${base}/conf`, "--port", "0", "--detach"], { WS_MAX_MESSAGE: "plenty" });
	assert.notEqual(code, 0);
	assert.match(stderr, /WS_MAX_MESSAGE/);
	const unreadable = await script("up", ["--dir", `${base}/conf`, "--port", "0", "--detach"], { ENCRYPTION_KEY_FILE: `${base}/none` });
	assert.notEqual(unreadable.code, 0);
	assert.match(unreadable.stderr, /ENCRYPTION_KEY_FILE: can't read/);
	assert.deepEqual(processesOf(`${base}/conf`), []);
});

test("a port in use is an error, with the reason, and nothing stays", async () => {
	const taken = net.createServer().listen(0, "127.0.0.1");
	await new Promise((listening) => taken.on("listening", listening));
	const { code, stderr } = await script("up", ["--dir", `${base}/taken`, "--port", String(taken.address().port), "--detach"]);
	taken.close();
	assert.notEqual(code, 0);
	assert.match(stderr, /Address already in use/);
	assert.ok(!existsSync(`${base}/taken/ready.json`));
	assert.deepEqual(processesOf(`${base}/taken`), []);
});

test("two side by side, two bridges, and a directory too long for a socket", async () => {
	const long = `${base}/${"long".repeat(20)}/with a space`;
	const [one, two] = await Promise.all([startServer({ dir: `${base}/one` }), startServer({ dir: long, bridges: 2 })]);
	try {
		assert.notEqual(one.port, two.port);
		assert.equal(two.ready.pids["craft-ws-bridge"].length, 2);
		assert.equal((await two.request("/workspace/w/labels")).status, 200);
		assert.equal((await one.request("/", { key: two.apiKey })).status, 401);
		const short = realpathSync(`${long}/run`);
		assert.match(short, /^\/tmp\//);
		await two.stop();
		assert.ok(!existsSync(short));
		assert.equal((await one.request("/")).status, 200);
	} finally {
		await two.stop();
		await one.stop();
	}
});

test("a directory below one that is closed to the daemons' users",
	{ skip: process.getuid() !== 0 && "this machine can't: not root" }, async (t) => {
		const closed = `${base}/closed`;
		mkdirSync(closed, { mode: 0o700 });
		const server = await startServer({ dir: `${closed}/state` });
		t.after(() => server.stop());
		assert.equal((await server.request("/workspace/w/sessions")).status, 200);
		// craft-sandboxd gives each sandbox a user; its check at the start ran a box with what lies in there.
		const [daemon] = server.ready.pids["craft-sandboxd"];
		for (const pid of pidsOf(server).filter((each) => each !== daemon))
			assert.notEqual(statSync(`/proc/${pid}`).uid, 0, "nothing else runs as root");
		assert.match(server.logs("craft-sandboxd"), /is shown to sandboxes as \/mnt\/sandboxes/);
		await server.stop();
	});

// In the foreground: {child, output(), ended}.
function foreground(dir) {
	const child = spawn(path.join(ROOT, "script/up"), ["--dir", dir, "--port", "0", "--no-respawn"], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
	let text = "";
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => { text += part; });
	return { child, output: () => text, ended: new Promise((resolve) => child.on("exit", (code) => resolve(code))) };
}

test("in the foreground: Ctrl-C, script/down, and, without respawning, a component that dies", async () => {
	const dir = `${base}/front`;
	const isReady = () => existsSync(`${dir}/ready.json`);
	for (const [how, stop, expected] of [
		["Ctrl-C", (up) => process.kill(-up.child.pid, "SIGINT"), 0],
		["TERM", (up) => up.child.kill("SIGTERM"), 0],
		["script/down", () => script("down", ["--dir", dir]), 0],
		["death", () => process.kill(JSON.parse(readFileSync(`${dir}/ready.json`, "utf8")).pids["craft-ws-bridge"][0], "SIGKILL"), 1],
	]) {
		const up = foreground(dir);
		try {
			await waitFor(isReady, { deadline: 60_000, what: `ready before ${how}` });
			await waitFor(() => /Ctrl-C/.test(up.output()), { what: "the prompt" });
			await stop(up);
			assert.equal(await up.ended, expected, `${how}: ${up.output()}`);
			if (how === "death") assert.match(up.output(), /craft-ws-bridge-1 died/);
			assert.deepEqual(processesOf(dir), [], how);
		} finally {
			spawnSync(path.join(ROOT, "script/down"), ["--dir", dir]);
		}
	}
});

test("after a crash of everything the next up starts again", async (t) => {
	const server = await startServer({ dir: `${base}/crash` });
	t.after(() => server.stop());
	await server.request("/workspace/w/actions/new-chat", { method: "POST", body: { name: "acknowledged" } });
	const crash = async () => {
		const workers = childrenOf(server.ready.pids.nginx[0]);
		for (const name of Object.keys(server.ready.pids)) server.kill(name, "SIGKILL");
		await waitFor(() => !pidsOf(server).some(alive), { what: "the crash" });
		// Nobody tells them that their master has gone.
		assert.ok(workers.length && workers.every(alive), "workers of nginx stay");
		return workers;
	};
	const old = await crash();
	await server.up(0);
	assert.ok(!old.some(alive), "the next script/up ends them");
	assert.equal((await server.request("/workspace/w/sessions")).json[0].name, "acknowledged");
	await crash();
	await server.stop();
	assert.deepEqual(processesOf(`${base}/crash`), [], "and so does script/down");
});

test("nginx alone starts again on its port after its master was killed", async (t) => {
	const server = await startServer({ dir: `${base}/master` });
	t.after(() => server.stop());
	const workers = childrenOf(server.ready.pids.nginx[0]);
	server.kill("nginx", "SIGKILL");
	await waitFor(() => !pidsOf(server).every(alive), { what: "the master's end" });
	const { code, stderr } = await script("up", ["--dir", server.dir, "--only", "nginx"]);
	assert.equal(code, 0, stderr);
	assert.ok(!workers.some(alive));
	await waitFor(async () => (await server.request("/")).status === 200, { what: "an answer" });
	await server.stop();
	assert.deepEqual(processesOf(`${base}/master`), []);
});

test("a pid on record that belongs to somebody else is not signalled", async () => {
	const dir = `${base}/stranger`;
	mkdirSync(`${dir}/pids`, { recursive: true });
	const stranger = spawn("sleep", ["60"]);
	const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	writeFileSync(`${dir}/pids/nginx`, `${stranger.pid} 1 ${boot}\n`);
	assert.equal((await script("down", ["--dir", dir])).code, 0);
	assert.ok(alive(stranger.pid));
	stranger.kill();
});

test("nor is somebody in a session with the number of a pid on record", async () => {
	const dir = `${base}/session`;
	mkdirSync(`${dir}/pids`, { recursive: true });
	const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	// The first of the session ends at once.
	const { stdout } = spawnSync("setsid", ["--wait", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $$ $!"], { encoding: "utf8" });
	const [session, stranger] = stdout.trim().split(" ").map(Number);
	try {
		assert.ok(!alive(session) && alive(stranger));
		writeFileSync(`${dir}/pids/nginx`, `${session} 1 ${boot}\n`);
		assert.equal((await script("down", ["--dir", dir])).code, 0);
		assert.ok(alive(stranger));
		assert.ok(!existsSync(`${dir}/pids/nginx`));
	} finally {
		process.kill(stranger, "SIGKILL");
	}
});

test("the database goes and comes back under the daemons", async (t) => {
	const server = await startServer({ dir: `${base}/database` });
	t.after(() => server.stop());
	const socket = new WebSocket(server.wsUrl("w"), server.wsOptions());
	await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
	const before = server.ready.pids;
	await server.stopDatabase();
	const away = await server.request("/workspace/w/sessions");
	assert.equal(away.status, 503);
	assert.match(away.json.error, /^Database unavailable/);
	await server.startDatabase();
	assert.notDeepEqual(server.ready.pids.postgres, before.postgres);
	assert.deepEqual(server.ready.pids["craft-fcgi"], before["craft-fcgi"]);
	await waitFor(async () => (await server.request("/workspace/w/sessions")).status === 200, { what: "the database to be back" });
	assert.equal(socket.readyState, WebSocket.OPEN);
	socket.close();
	await server.stop();
});
