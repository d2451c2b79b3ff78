// sandbox_traces.mjs: what of sandboxes is on this machine: processes, mounts, files, sockets, cgroups, loop devices.
//
//   const rig = await startSandboxRig({ env: { ...ownUsers() } });      // its processes are told from those of others
//   assert.deepEqual(tracesOf(rig, sessionId), []);
//   assert.deepEqual(processesOf(rig), []);

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { waitFor } from "./server.mjs";

const USERS = 1000;
let rigs = 0;

/** Configuration of a range of users that no other rig has. */
export const ownUsers = () => ({ SANDBOX_UID_BASE: String(100_000_000 + (process.pid % 400_000) * 8 * USERS + rigs++ * USERS) });

function read(file) {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return "";
	}
}

function list(dir, fits) {
	try {
		return readdirSync(dir).filter((name) => fits.test(name));
	} catch {
		return [];
	}
}

/** Processes of the rig's own users, also those that lost their parent: ["PID NAME"]. Not zombies. */
export function processesOf(rig) {
	const base = Number(rig.rig.configured("SANDBOX_UID_BASE"));
	return list("/proc", /^\d+$/).filter((pid) => {
		const status = read(`/proc/${pid}/status`);
		const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
		return uid >= base && uid < base + USERS && !/^State:\s+Z/m.test(status);
	}).map((pid) => `${pid} ${read(`/proc/${pid}/comm`).trim()}`);
}

const grep = (text, word, what) => text.split("\n").filter((line) => line.includes(word)).map((line) => `${what} ${line}`);

function cgroupsOf(word) {
	return execFileSync("find", ["/sys/fs/cgroup", "-maxdepth", "8", "-type", "d", "-name", word], { encoding: "utf8" })
		.split("\n").filter(Boolean).map((dir) => `cgroup ${dir}`);
}

/** All that names a sandbox. */
export function tracesOf(rig, sessionId) {
	const [daemon] = rig.server.ready.pids["craft-sandboxd"];
	const loops = list("/sys/block", /^loop/).map((name) => read(`/sys/block/${name}/loop/backing_file`)).join("");
	return [...(existsSync(rig.instanceDir(sessionId)) ? [`files ${rig.instanceDir(sessionId)}`] : []),
		...grep(read(`/proc/${daemon}/mountinfo`), sessionId, "mount"), ...grep(read("/proc/self/mountinfo"), sessionId, "mount"),
		...grep(loops, sessionId, "loop device"), ...grep(read("/proc/net/unix"), sessionId, "socket"), ...cgroupsOf(sessionId)];
}

/** Waits until nothing of a sandbox is left; alone: it was the rig's only one, so that no process may be left. */
export async function assertNoTraces(rig, sessionId, { alone = false } = {}) {
	const left = () => [...tracesOf(rig, sessionId), ...(alone ? processesOf(rig) : [])];
	await waitFor(() => left().length === 0, { every: 50, deadline: 15_000, what: "nothing to be left" })
		.catch((error) => { throw new Error(`left of ${sessionId}:\n${left().join("\n")}`, { cause: error }); });
	await rig.gone(sessionId);
}

/** Asks for diffs until the git of one of them could be stopped in the middle: that one is never answered. */
export async function stopDiff(rig, client) {
	const before = rig.daemonProcesses().map(({ pid }) => pid);
	const answered = () => client.messages.filter(({ type }) => type === "diff").length;
	let asked = answered();
	await waitFor(() => {
		if (answered() === asked) {
			client.send({ type: "diff" });
			asked++;
		}
		const git = rig.daemonProcesses().find(({ pid, comm }) => comm === "git" && !before.includes(pid));
		if (!git) return false;
		// It may be over by now.
		try {
			process.kill(git.pid, "SIGSTOP");
		} catch {
			return false;
		}
		return waitFor(() => /^State:\s+T/m.test(statusOf(git.pid)), { deadline: 500 }).then(() => true, () => false);
	}, { every: 1, deadline: 30_000, what: "a git to stop" });
}

function statusOf(pid) {
	try {
		return readFileSync(`/proc/${pid}/status`, "utf8");
	} catch {
		return "";
	}
}
