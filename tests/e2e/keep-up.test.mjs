// What script/up has started it keeps up: what is killed is started again, and told.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ROOT, alive, script, startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const base = mkdtempSync(path.join(tmpdir(), "craft-keep-"));
chmodSync(base, 0o755);
after(() => {
	for (const name of readdirSync(base)) spawnSync(path.join(ROOT, "script/down"), ["--dir", `${base}/${name}`]);
	rmSync(base, { recursive: true, force: true });
});

const DEADLINE = 60_000;
const recordOf = (dir, name) => Number(readFileSync(`${dir}/pids/${name}`, "utf8").split(" ")[0]);
const recordsOf = (dir) => readdirSync(`${dir}/pids`).filter((name) => name !== "supervisor");
const readyOf = (dir) => JSON.parse(readFileSync(`${dir}/ready.json`, "utf8"));

function processesOf(dir) {
	return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => {
		try {
			const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
			return command.includes(`${dir}/`) || command.includes(`${dir} `) ? `${pid} ${command}` : "";
		} catch {
			return ""; // it ended meanwhile
		}
	}).filter((text) => text && alive(Number(text.split(" ")[0])));
}

/** Kills these by record, and waits until others have their places and are in ready.json. */
async function killed(dir, names) {
	const before = new Map(names.map((name) => [name, recordOf(dir, name)]));
	for (const pid of before.values()) process.kill(pid, "SIGKILL");
	await waitFor(() => names.every((name) => existsSync(`${dir}/pids/${name}`) && recordOf(dir, name) !== before.get(name) &&
		alive(recordOf(dir, name)) && Object.values(readyOf(dir).pids).flat().includes(recordOf(dir, name))),
	{ deadline: DEADLINE, every: 100, what: `${names} to be started again` });
}

/** Everything: nginx, workers and database, each bridge, and the daemon of the sandboxes has signed on. */
async function answers(server, since) {
	await waitFor(async () => (await server.request("/workspace/w/sessions")).status === 200, { deadline: DEADLINE, what: "REST" });
	for (let i = 0; i < 2; i++) {
		const client = await waitFor(() => connect(server, "w", { since: 0 }), { deadline: DEADLINE, every: 200, what: "a bridge" });
		await client.close();
	}
	await waitFor(async () => (await server.query(`select 1 from app.sandbox_host where stopped_at is null and
		started_at >= to_timestamp(${since / 1000})`)).length, { deadline: DEADLINE, every: 200, what: "craft-sandboxd" });
}

test("killed one by one and all at once: everything answers again by itself", async (t) => {
	const dir = `${base}/all`, other = `${base}/other`;
	const [server, beside] = await Promise.all([startServer({ dir, bridges: 2, respawn: true }), startServer({ dir: other, respawn: true })]);
	t.after(() => Promise.all([server.stop(), beside.stop()]));
	const untouched = readyOf(other).pids;
	const names = recordsOf(dir);
	assert.deepEqual(names.sort(), ["craft-fcgi", "craft-sandboxd", "craft-ws-bridge-1", "craft-ws-bridge-2", "nginx", "postgres"]);
	await server.request("/workspace/w/actions/new-chat", { method: "POST", body: { name: "acknowledged" } });
	const began = Date.now();
	for (const name of names) {
		await killed(dir, [name]);
		const [line] = server.logs("supervisor").match(new RegExp(`^==> \\d\\d:\\d\\d:\\d\\d ${name} died: starting it again$`, "m")) ?? [];
		assert.ok(line, server.logs("supervisor"));
	}
	await answers(server, began);
	const again = Date.now();
	await killed(dir, names);
	await answers(server, again);
	assert.equal((await server.request("/workspace/w/sessions")).json[0].name, "acknowledged");
	assert.deepEqual(readyOf(other).pids, untouched, "those of another directory run on");
	assert.ok(Object.values(untouched).flat().every(alive));
	server.ready = readyOf(dir);

	// Stopped on purpose is not started again; the supervisor looks twice a second.
	assert.equal((await script("down", ["--dir", dir, "--only", "craft-ws-bridge-2"])).code, 0);
	await killed(dir, ["craft-ws-bridge-1"]);
	assert.ok(!existsSync(`${dir}/pids/craft-ws-bridge-2`));
	// Replaced on purpose neither: its successor has the place, and is kept up too, with the workers of a killed master in its way.
	const old = recordOf(dir, "nginx");
	const replaced = await script("up", ["--dir", dir, "--restart", "nginx"], server.env);
	assert.equal(replaced.code, 0, replaced.stderr);
	assert.notEqual(recordOf(dir, "nginx"), old);
	await killed(dir, ["nginx"]);
	await waitFor(async () => (await server.request("/")).status === 200, { deadline: DEADLINE, what: "nginx" });

	await server.stop();
	assert.deepEqual(processesOf(dir), []);
	assert.ok(Object.values(untouched).flat().every(alive));
});

test("what can't start is told with the reason, and tried again after longer and longer pauses, until it can", async (t) => {
	const dir = `${base}/bad`, conf = `${dir}/conf/craft-agent-cloud.conf`;
	const server = await startServer({ dir, respawn: true });
	t.after(() => server.stop());
	const good = readFileSync(conf, "utf8");
	appendFileSync(conf, "WS_MAX_MESSAGE=plenty\n");
	process.kill(recordOf(dir, "craft-ws-bridge-1"), "SIGKILL");
	const said = () => server.logs("supervisor");
	await waitFor(() => /craft-ws-bridge-1 (died again|could not be started).*: next try in 4 s/.test(said()),
		{ deadline: DEADLINE, every: 100, what: "three tries" });
	const pauses = () => [...said().matchAll(/craft-ws-bridge-1 .*next try in (\d+) s/g)].map(([, s]) => Number(s));
	assert.deepEqual(pauses().slice(0, 3), [1, 2, 4]);
	assert.match(said(), /==> \d\d:\d\d:\d\d {5}craft-ws-bridge: .*WS_MAX_MESSAGE has a malformed value/);
	// The tries themselves: one at once, and one after each pause.
	const tries = server.logs("craft-ws-bridge-1").match(/WS_MAX_MESSAGE has a malformed value/g).length;
	assert.ok(tries >= 3 && tries <= pauses().length + 1, `${tries} tries`);
	assert.equal((await server.request("/workspace/w/sessions")).status, 200, "the others go on");
	assert.deepEqual(readyOf(dir).pids["craft-ws-bridge"], []);
	writeFileSync(conf, good);
	const client = await waitFor(() => connect(server, "w", { since: 0 }), { deadline: DEADLINE, every: 200, what: "the bridge" });
	await client.close();
	await server.stop();
	assert.deepEqual(processesOf(dir), []);
});

test("script/up sees to it that somebody looks, also when that one was killed", async (t) => {
	const dir = `${base}/nobody`;
	const server = await startServer({ dir, respawn: true });
	t.after(() => server.stop());
	const first = recordOf(dir, "supervisor");
	assert.ok(!readFileSync(`/proc/${first}/environ`, "utf8").includes(server.apiKey));
	process.kill(first, "SIGKILL");
	await waitFor(() => !alive(first));
	const again = await script("up", ["--dir", dir, "--detach"], server.env);
	assert.equal(again.code, 0, again.stderr);
	assert.match(again.stdout, /runs already/);
	assert.notEqual(recordOf(dir, "supervisor"), first);
	await killed(dir, ["craft-fcgi"]);
	await waitFor(async () => (await server.request("/workspace/w/sessions")).status === 200, { deadline: DEADLINE, what: "an answer" });
	await server.stop();
	assert.deepEqual(processesOf(dir), []);
});

test("in the foreground it is told on the terminal, and Ctrl-C ends all", async (t) => {
	const dir = `${base}/front`;
	const up = spawn(path.join(ROOT, "script/up"), ["--dir", dir, "--port", "0"], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
	let output = "";
	for (const stream of [up.stdout, up.stderr]) stream.setEncoding("utf8").on("data", (text) => { output += text; });
	const ended = new Promise((resolve) => up.on("exit", resolve));
	t.after(() => script("down", ["--dir", dir]));
	await waitFor(() => /Ctrl-C stops it/.test(output), { deadline: 2 * DEADLINE, every: 100, what: "ready" });
	await killed(dir, ["craft-fcgi", "nginx"]);
	for (const name of ["craft-fcgi", "nginx"]) assert.match(output, new RegExp(`${name} died: starting it again`));
	process.kill(-up.pid, "SIGINT");
	assert.equal(await ended, 0, output);
	assert.deepEqual(processesOf(dir), []);
});
