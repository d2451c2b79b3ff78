// Programs that hold keys: no core files of them, and nobody of their user looks into them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { after, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";

const rig = await startSandboxRig();
after(() => rig.stop());
await rig.addRepo("alice/notes");
const sandbox = await rig.ready("alice/notes");

const comm = (pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim();

/** All processes of ours that hold keys: [pid, name]. */
function holders() {
	const found = [];
	const walk = (pid, name) => {
		found.push([pid, `${name} ${pid}`]);
		for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean)) walk(child, name);
	};
	for (const name of ["craft-fcgi", "craft-ws-bridge"]) for (const pid of rig.server.ready.pids[name]) walk(pid, name);
	for (const pid of rig.server.ready.pids["craft-sandboxd"]) found.push([pid, `craft-sandboxd ${pid}`]);
	for (const { pid } of rig.daemonProcesses().filter((process) => /craft-sandbox-gateway/.test(process.cmdline.split(" ")[0])))
		found.push([pid, `craft-sandbox-gateway ${pid}`]);
	return found;
}

/** Another process of that one's user, without the capabilities that let root look anywhere. */
function asUserOf(pid, words) {
	const { uid, gid } = statSync(`/proc/${pid}/task/${pid}/stat`);
	const user = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? uid;
	const group = /^Gid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? gid;
	const become = process.getuid() === 0
		? ["setpriv", `--reuid=${user}`, `--regid=${group}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"] : [];
	return [...become, ...words];
}

function look(pid, command) {
	const [program, ...args] = asUserOf(pid, ["sh", "-c", command]);
	return spawnSync(program, args, { encoding: "utf8" });
}

test("every program that holds keys is there", () => {
	const names = new Set(holders().map(([, name]) => name.split(" ")[0]));
	assert.deepEqual([...names].sort(), ["craft-fcgi", "craft-sandbox-gateway", "craft-sandboxd", "craft-ws-bridge"]);
	assert.ok(holders().length > 5, "workers, too");
});

test("no core files", () => {
	for (const [pid, name] of holders())
		assert.match(readFileSync(`/proc/${pid}/limits`, "utf8"), /^Max core file size\s+0\s+0\s/m, name);
});

test("another process of the same user reads neither memory nor environment nor descriptors", async (t) => {
	if (/asan|tsan/.test(process.env.CRAFT_BUILD_DIR ?? "")) return t.skip("this machine can't: the leak checker looks as a debugger does");
	for (const [pid, name] of holders()) {
		// What may be read of anything is read, so the command itself is good.
		const control = asUserOf(pid, ["sleep", "60"]);
		const sleeper = spawn(control[0], control.slice(1), { stdio: "ignore", env: { PATH: process.env.PATH, MARK: "seen" } });
		try {
			while (comm(sleeper.pid) !== "sleep") await new Promise((resolve) => setTimeout(resolve, 5));
			assert.match(look(pid, `cat /proc/${sleeper.pid}/environ`).stdout, /MARK=seen/, name);
		} finally {
			sleeper.kill("SIGKILL");
		}
		for (const file of ["environ", "mem", "maps", "auxv"]) {
			const { status, stdout, stderr } = look(pid, `head -c 1 /proc/${pid}/${file}`);
			assert.notEqual(status, 0, `${name} ${file}: ${stdout}`);
			assert.match(stderr, /Permission denied|Operation not permitted/, `${name} ${file}`);
		}
		assert.notEqual(look(pid, `readlink /proc/${pid}/fd/2`).status, 0, `${name} fd`);
	}
	assert.ok(readdirSync("/proc/self/fd").length > 0);
});

test("and all of it works: a tool, a task, a file, the stop", async () => {
	assert.equal((await sandbox.bash("cat README.md")).output, "# Notes\n");
	const { result } = await sandbox.execute("Say hi");
	assert.equal(result.success, true);
	sandbox.close();
});
