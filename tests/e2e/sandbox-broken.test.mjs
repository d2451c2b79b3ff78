// What breaks a sandbox doesn't take its files: a box that doesn't start, files that can't be had at a restart, a disk that is full.

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { row } from "../harness/sandbox_life.mjs";
import { ROOT, alive, waitFor } from "../harness/server.mjs";

const DISK = 64 << 20;
const build = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build", "sandbox");
const libexec = mkdtempSync(path.join(tmpdir(), "craft-libexec-"));
chmodSync(libexec, 0o755);
for (const name of ["craft-box", "craft-sandbox-launch", "craft-sandbox-gateway"]) copyFileSync(path.join(build, name), path.join(libexec, name));
const rig = await startSandboxRig({ env: { CRAFT_LIBEXEC: libexec, SANDBOX_DISK: String(DISK) } });
after(async () => {
	await rig.stop();
	rmSync(libexec, { recursive: true, force: true });
});
const { server } = rig;
await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
const root = process.getuid() === 0 ? false : "this machine can't: only root has disks";

/** Replaces a program by another one, as an upgrade does: what runs goes on. */
function replace(name, make) {
	const target = path.join(libexec, name);
	make(`${target}.new`);
	chmodSync(`${target}.new`, 0o755);
	renameSync(`${target}.new`, target);
}
const breakBox = () => replace("craft-box", (file) => writeFileSync(file, "#!/no/such/program\n"));
const mendBox = () => replace("craft-box", (file) => copyFileSync(path.join(build, "craft-box"), file));

/** Ends the box of the only sandbox. */
function killBox() {
	for (const { pid, cmdline } of rig.daemonProcesses()) if (/^\/usr\/bin\/bwrap .*\/opt\/craft\/craft-box init/.test(cmdline)) process.kill(pid, "SIGKILL");
}

test("a box that doesn't start is tried again, later and later; the files stay", async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	await client.bash("echo kept >kept");
	breakBox();
	killBox();
	await client.wait((m) => m.type === "status" && /box has ended.*files are kept/.test(m.message ?? ""), { what: "that clients are told" });
	try {
		// More failures than it once had patience for.
		await waitFor(async () => {
			const { success, error } = await client.tool("Bash", { command: "cat kept" });
			assert.equal(success, false);
			if (!/The sandbox's box (has ended|ended \d+ times right after its start)/.test(error)) assert.fail(error);
			return /ended [4-9] times right after its start\. The files are kept; it is started again when something is asked in \d+ seconds/.test(error);
		}, { every: 300, deadline: 30_000, what: "four failures" });
		const { error } = await client.execute("Say hi");
		assert.match(error, /ended \d+ times right after its start/);
		assert.equal((await client.session()).status, "ready");
	} finally {
		mendBox();
	}
	const output = await waitFor(async () => {
		const result = await client.tool("Bash", { command: "cat kept" });
		return result.success && result.output;
	}, { deadline: 60_000, what: "the box to be started again" });
	assert.equal(output, "kept\n");
	assert.equal((await client.execute("Say hi")).result.success, true);
	// It counts anew: the next end costs nobody a wait.
	killBox();
	await waitFor(async () => (await client.tool("Bash", { command: "cat kept" })).success, { deadline: 10_000, what: "the next box" });
	await client.delete();
	await rig.gone(client.sessionId);
});

test("a gateway that doesn't start is tried again; the files stay", async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	await client.bash("echo kept >kept");
	replace("craft-sandbox-gateway", (file) => writeFileSync(file, "#!/bin/false\n"));
	for (const { pid, cmdline } of rig.daemonProcesses()) if (/craft-sandbox-gateway/.test(cmdline.split(" ")[0])) process.kill(pid, "SIGKILL");
	try {
		await waitFor(() => (server.logs("craft-sandboxd").match(/the gateway ended by itself/g) ?? []).length >= 3, { deadline: 30_000, what: "three starts that failed" });
		assert.equal((await client.bash("cat kept")).output, "kept\n");
	} finally {
		replace("craft-sandbox-gateway", (file) => copyFileSync(path.join(build, "craft-sandbox-gateway"), file));
	}
	await waitFor(async () => (await client.execute("Say hi")).result?.success, { deadline: 60_000, what: "a task" });
	assert.equal((await client.session()).status, "ready");
	await client.delete();
	await rig.gone(client.sessionId);
});

async function restart(meanwhile) {
	const [daemon] = server.ready.pids["craft-sandboxd"];
	process.kill(daemon, "SIGTERM");
	await waitFor(() => !alive(daemon), { what: "the daemon's end", deadline: 20_000 });
	await server.stopSandboxd();
	meanwhile();
	await server.startSandboxd();
}

test("files that can't be had at a restart are kept, and had later", { skip: root }, async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	await client.bash("echo kept >kept");
	const image = path.join(rig.instanceDir(client.sessionId), "disk.img");
	await restart(() => renameSync(image, `${image}.away`));
	await client.connect({ since: client.messages.at(-1)?.seq ?? 0 });
	await waitFor(() => /cannot find .*\/home/.test(server.logs("craft-sandboxd")), { what: "the first try" });
	const result = await client.tool("Bash", { command: "cat kept" });
	assert.match(result.error, /files can't be had at the moment.*They are kept, and it is tried again/);
	assert.deepEqual(row(client, "ended_at is null"), ["t"]);
	renameSync(`${image}.away`, image);
	await waitFor(async () => (await client.tool("Bash", { command: "cat kept" })).output === "kept\n", { deadline: 60_000, what: "the files" });
	await client.delete();
	await rig.gone(client.sessionId);
});

const fill = "cat /dev/zero >/workspace/big; cat /dev/zero >/tmp/more; for i in $(seq 2000); do echo x >~/f$i || break; done; for i in $(seq 100); do echo x >>/tmp/more || break; done";

test("a full disk: clients are told, tasks work or say so within seconds, rm works", { skip: root }, async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	const reserve = path.join(`/proc/${server.ready.pids["craft-sandboxd"][0]}/root`, rig.instanceDir(client.sessionId), "disk/.reserve");
	await client.bash(`{ ${fill}; } 2>/dev/null`, { fails: true });
	const told = await client.wait((m) => m.type === "status" && /disk is full/.test(m.message ?? ""), { what: "that the disk is full" });
	assert.match(told.message, /\d+\.\d of \d+\.\d MiB|\d+\.\d MiB of \d+\.\d MiB are used \(SANDBOX_DISK\).*Bash.*rm.*du /);
	// The reserve is nobody's to see.
	assert.match((await client.bash("find / -name .reserve 2>/dev/null; echo none")).output, /^none\n$/);
	const { result } = await client.execute("Say hi", { deadline: 30_000 });
	assert.equal(result.success, true, result.output);
	// What the task got is filled, too: the next one says so at once.
	await client.bash(`{ ${fill.replaceAll("/tmp/more", "/tmp/again").replace("/workspace/big", "/workspace/big2")}; } 2>/dev/null`, { fails: true });
	const began = ownMs();
	const { error } = await client.execute("Say hi", { deadline: 30_000 });
	assert.match(error, /The sandbox's disk is full: .*SANDBOX_DISK.*rm/);
	assert.ok(ownMs() - began < 10_000);
	assert.match((await client.tool("Write", { file_path: "/workspace/new", content: "x".repeat(1 << 20) })).error, /disk is full/);
	await client.bash("rm -f /workspace/big /workspace/big2 /tmp/more /tmp/again ~/f*");
	await client.wait((m) => m.type === "status" && /has room again/.test(m.message ?? ""), { what: "that there is room" });
	assert.equal((await client.execute("Say hi")).result.success, true);
	await waitFor(() => readdirSync(reserve).length === 32, { what: "the reserve to be kept again" });
	await client.delete();
	await rig.gone(client.sessionId);
});

test("a disk that fills up while a task runs ends the task with words, not with silence", { skip: root }, async () => {
	const client = await rig.ready("alice/notes", { params: { since: 0 } });
	rig.anthropic.script(({ prompt }) => (/hang/.test(prompt) ? { text: "Never.", hold: new Promise(() => {}) } : { text: "Done." }));
	client.startTask("Please hang");
	await client.wait((m) => m.type === "stream");
	await client.bash(`{ for n in 1 2 3 4 5; do ${fill.replaceAll("/tmp/more", "/tmp/more$n").replace("big", "big$n").replace("~/f", "~/$n-f")}; sleep 1.5; done; } 2>/dev/null`, { fails: true });
	const { result } = await client.taskEnd({ deadline: 60_000 });
	assert.equal(result.success, false);
	assert.match(result.output, /The sandbox's disk is full: /);
	await client.delete();
	await rig.gone(client.sessionId);
});
