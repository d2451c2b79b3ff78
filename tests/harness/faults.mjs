// faults.mjs: breaking a server while files are uploaded, and the oracle for what must hold afterwards.
//
//   const trace = await Strace.attach(pid, "-e", "trace=fsync", "-e", "inject=fsync:signal=SIGKILL:when=1");
//   …                                                          // the process dies before its first fsync
//   const log = await trace.end();                             // strace's lines
//   await audit(server, { leftovers: true });                  // no row without its bytes, nothing that isn't swept

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync,
	rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { Room, bytes, sha256 } from "./files.mjs";
import { backstop } from "./pace.mjs";
import { ROOT, alive, startServer, waitFor } from "./server.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const blobDir = (server) => path.join(server.dir, "blobs");

// ---- processes ----

/** The living children of a process, oldest first. */
export function childrenOf(pid) {
	return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((child) => {
		try {
			// Behind the name, which may hold anything: state, parent.
			const stat = readFileSync(`/proc/${child}/stat`, "latin1");
			return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid) && alive(child);
		} catch {
			return false;
		}
	}).sort((a, b) => ageOf(b) - ageOf(a));
}

/** Seconds since the process was started. */
export function ageOf(pid) {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
		return Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) - ticks / 100;
	} catch {
		return 0;
	}
}

// Does the process wait for connections to that socket? Both are open in all of them. A socket is bound to a name of
// its own first, which begins with the later one.
function listensTo(pid, socket) {
	try {
		const fds = readdirSync(`/proc/${pid}/fd`);
		const epoll = fds.find((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === "anon_inode:[eventpoll]");
		const watched = [...readFileSync(`/proc/${pid}/fdinfo/${epoll}`, "utf8").matchAll(/^tfd:\s*(\d+)/gm)]
			.map(([, fd]) => readlinkSync(`/proc/${pid}/fd/${fd}`).match(/^socket:\[(\d+)\]/)?.[1]);
		return readFileSync("/proc/net/unix", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
			.some(([, , , , , , inode, name]) => name?.startsWith(socket) && watched.includes(inode));
	} catch {
		return false;
	}
}

/** The child that sends to slow readers; it isn't replaced with the workers. */
function isSender(pid) {
	try {
		return readFileSync(`/proc/${pid}/comm`, "utf8") === "craft-fcgi-send\n";
	} catch {
		return false; // it is gone
	}
}

/** The workers; slow: those that take uploads in, or (false) the others. */
export const workersOf = (server, slow) => childrenOf(server.ready.pids["craft-fcgi"][0]).filter((pid) =>
	slow === undefined ? !isSender(pid) : listensTo(pid, path.join(server.runDir, slow ? "fcgi-upload.sock" : "fcgi.sock")));
export const nginxWorkersOf = (server) => childrenOf(server.ready.pids.nginx[0]);

export async function killed(pids) {
	for (const pid of pids) process.kill(pid, "SIGKILL");
	await waitFor(() => !pids.some(alive), { what: "the processes to be gone" });
}

// ---- strace ----

/** False, or why processes can't be traced. */
export async function noStrace() {
	const prey = spawn("sleep", ["60"], { stdio: "ignore" });
	try {
		await (await Strace.attach(prey.pid)).end();
		return false;
	} catch (error) {
		return `this machine can't trace processes: ${error.message.split("\n")[0]}`;
	} finally {
		prey.kill("SIGKILL");
	}
}

/** strace on one process; -y names files, -s 300 shows the statements' names. */
export class Strace {
	static async attach(pid, ...options) {
		const trace = new Strace();
		trace.dir = mkdtempSync(path.join(tmpdir(), "craft-strace-"));
		trace.out = path.join(trace.dir, "log");
		trace.child = spawn("strace", ["-y", "-s", "300", "-o", trace.out, ...options, "-p", String(pid)],
			{ stdio: ["ignore", "ignore", "pipe"] });
		let said = "", over = null;
		trace.child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
		trace.ended = new Promise((resolve) => {
			trace.child.on("error", (error) => { over = error; resolve(); });
			trace.child.on("close", (code) => { over ??= new Error(`strace ended with ${code}: ${said}`); resolve(); });
		});
		try {
			await waitFor(() => over || / attached/.test(said), { every: 2, what: "strace to attach" });
			if (!/ attached/.test(said)) throw over;
		} catch (error) {
			await trace.end();
			throw error;
		}
		return trace;
	}

	/** Lets go of the process: the lines so far. */
	async end() {
		this.child.kill("SIGTERM");
		await this.ended;
		try {
			return readFileSync(this.out, "utf8").split("\n").filter(Boolean);
		} catch {
			return [];
		} finally {
			rmSync(this.dir, { recursive: true, force: true });
		}
	}
}

/** The calls in strace's lines as {name, nth (of that name), line}. */
export function calls(lines) {
	const counts = new Map();
	return lines.flatMap((line) => {
		const name = line.match(/^(\w+)\(/)?.[1];
		if (!name) return [];
		counts.set(name, (counts.get(name) ?? 0) + 1);
		return [{ name, nth: counts.get(name), line }];
	});
}

// ---- the database ----

/** Holds the lock of a workspace's files in a transaction of its own; resolves to a function that ends it. */
export async function holdFiles(server, slug) {
	const psql = spawn("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", path.join(server.runDir, "pg"), "-U", "postgres",
		"-d", "craft"], { stdio: ["pipe", "pipe", "inherit"] });
	let said = "";
	psql.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
	const ended = new Promise((resolve) => psql.on("close", resolve));
	psql.stdin.on("error", () => {});
	psql.stdin.write(`begin; select 'held' from app.file_usage u join app.workspace w on w.id = u.workspace_id
		where w.slug = '${slug}' for update of u;\n`);
	await waitFor(() => /held/.test(said), { what: "the lock of the workspace's files" });
	return async () => {
		psql.stdin.end("rollback;\n");
		await ended;
	};
}

const ACTIVE = `from pg_stat_activity where usename = 'craft_daemon' and application_name = 'craft-fcgi'`;

/** Until `n` of the workers' backends wait for a lock: their pids. */
export const waitingBackends = (server, n = 1) => waitFor(() => {
	const pids = server.psql(`select pid ${ACTIVE} and wait_event_type = 'Lock'`).map(([pid]) => Number(pid));
	return pids.length >= n && pids;
}, { what: `${n} backends to wait for a lock` });

/** Until the database has ended what dead workers began. */
export const settled = (server) =>
	waitFor(() => server.psqlValue(`select count(*) ${ACTIVE} and state <> 'idle'`) === "0",
		{ what: "the backends to be idle" });

// ---- the oracle ----

/** What is on the disk: blobs by id, uploads under way, and what is neither. */
export function onDisk(server) {
	const dir = blobDir(server);
	const found = { blobs: new Map(), incoming: [], odd: [] };
	for (const shard of readdirSync(dir, { withFileTypes: true })) {
		const at = path.join(dir, shard.name);
		if (!shard.isDirectory() || !/^([0-9a-f]{2}|incoming)$/.test(shard.name)) {
			found.odd.push(at);
			continue;
		}
		for (const entry of readdirSync(at, { withFileTypes: true })) {
			const file = path.join(at, entry.name);
			if (!entry.isFile()) found.odd.push(file);
			else if (shard.name === "incoming") found.incoming.push(file);
			else if (UUID.test(entry.name) && entry.name.startsWith(shard.name)) found.blobs.set(entry.name, file);
			else found.odd.push(file);
		}
	}
	return found;
}

/** Makes all directories of blobs that are missing. */
export function makeShards(server) {
	const { uid, gid } = statSync(blobDir(server));
	for (let i = 0; i < 256; i++) {
		const dir = path.join(blobDir(server), i.toString(16).padStart(2, "0"));
		if (existsSync(dir)) continue;
		mkdirSync(dir, { mode: 0o750 });
		chownSync(dir, uid, gid);
	}
}

/** The blobs on the disk that no row names. */
export function unnamed(server, blobs = onDisk(server).blobs) {
	const rows = server.psql("select blob_id from report.files union all select blob_id from report.deleted_blobs");
	const named = new Set(rows.map(([id]) => id));
	return [...blobs].filter(([id]) => !named.has(id)).map(([, file]) => file).sort();
}

/** craft-cloud as the daemons' user: {status, stdout, stderr}. */
export function cloud(server, ...args) {
	const program = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build", "cli/craft-cloud");
	const config = ["--config", path.join(server.dir, "conf", "craft-agent-cloud.conf")];
	// Where the build is closed to that user, the daemons have this capability too.
	for (const caps of ["", "+dac_read_search", "+dac_override"]) {
		const become = process.getuid() !== 0 ? [] : ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups",
			"--no-new-privs", ...(caps ? [`--inh-caps=${caps}`, `--ambient-caps=${caps}`] : []), "--"];
		const run = (...rest) => {
			const [name, ...argv] = [...become, program, ...rest];
			return spawnSync(name, argv, { cwd: "/", encoding: "utf8", timeout: backstop(60_000) });
		};
		if (run("--version").status === 0) return run(...args, ...config);
	}
	throw new Error(`${program} can't be run`);
}

/** While nothing is being uploaded: each row has its bytes; beside them there is only what the sweeper removes, and
 *  without `leftovers` not even that. Resolves to {orphans, incoming}: the paths of what is left over. */
export async function audit(server, { leftovers = false } = {}) {
	await settled(server);
	// nginx removes its file of an upload when the request has ended, which is behind the answer.
	if (!leftovers) await waitFor(() => onDisk(server).incoming.length === 0, { what: "incoming/ to be empty" });
	const { blobs, incoming, odd } = onDisk(server);
	const rows = server.psql("select blob_id, size, sha256, workspace || '/' || name from report.files");
	for (const [id, size, digest, name] of rows) {
		assert.ok(blobs.has(id), `${name}: a row without its bytes`);
		assert.equal(lstatSync(blobs.get(id)).size, Number(size), name);
		assert.equal(sha256(readFileSync(blobs.get(id))), digest, name);
	}
	const orphans = unnamed(server, blobs);
	assert.deepEqual(odd, [], "what no sweeper removes");
	const usage = server.psql(`select w.slug from app.file_usage u join app.workspace w on w.id = u.workspace_id
		where row(u.files, u.bytes) is distinct from (select row(count(*), coalesce(sum(f.size), 0)::bigint) from app.file f
			where f.workspace_id = u.workspace_id)`);
	assert.deepEqual(usage, [], "workspaces whose files are counted wrongly");
	if (!leftovers) assert.deepEqual([orphans, incoming], [[], []], "leftovers");
	const { status, stdout, stderr } = cloud(server, "check", "--blobs");
	assert.equal(status, orphans.length ? 1 : 0, `check --blobs: ${stdout}${stderr}`);
	assert.doesNotMatch(stdout + stderr, /^(missing|damaged)\b/m);
	return { orphans, incoming };
}

/** The sweeper takes the leftovers, all of them, once they are old. */
export async function sweep(server) {
	const { orphans, incoming } = await audit(server, { leftovers: true });
	const old = Date.now() / 1000 - 100_000;
	for (const file of [...orphans, ...incoming]) utimesSync(file, old, old);
	const { status, stdout, stderr } = cloud(server, "gc");
	assert.equal(status, 0, stdout + stderr);
	await audit(server);
	return { orphans: orphans.length, incoming: incoming.length };
}

// ---- suites ----

// A file system of `size` bytes for the blobs, which can hold `inodes` files and directories (undefined: many); false, or why there is none.
function mountBlobs(dir, size, inodes) {
	if (process.getuid() !== 0) return "this machine can't mount a small file system for a user";
	const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755${inodes ? `,nr_inodes=${inodes}` : ""}`, "craft-test", dir],
		{ encoding: "utf8" });
	return status === 0 ? false : `this machine can't mount a small file system: ${stderr.trim()}`;
}

/** Runs suite(server, mode, unmounted) for both ways in which a body comes to the disk, side by side. One worker takes
 *  uploads in: it is the one that is traced, and whoever holds it up is noticed. disk: the blobs have a file system of
 *  so many bytes (and inodes); `unmounted` is why not. In the end what is left over must be what the sweeper removes. */
export async function bothModes(suite, { disk, inodes } = {}) {
	const base = mkdtempSync(path.join(tmpdir(), "craft-faults-"));
	chmodSync(base, 0o755);
	const mounts = [], modes = [];
	const cleanUp = () => {
		while (mounts.length) spawnSync("umount", ["-l", mounts.pop()]);
		rmSync(base, { recursive: true, force: true });
	};
	const stop = async () => {
		const stops = await Promise.allSettled(modes.map(({ server }) => server.stop()));
		cleanUp();
		for (const { status, reason } of stops) if (status === "rejected") throw reason;
	};
	process.on("exit", cleanUp);
	after(stop);
	const starts = await Promise.allSettled(["file", "stream"].map(async (mode) => {
		const dir = path.join(base, mode);
		mkdirSync(`${dir}/blobs`, { recursive: true });
		const unmounted = disk ? mountBlobs(`${dir}/blobs`, disk, inodes) : "";
		if (unmounted === false) mounts.push(`${dir}/blobs`);
		const env = { UPLOAD_MODE: mode, FCGI_WORKERS: "1", FCGI_UPLOAD_WORKERS: "1", SWEEP_INTERVAL: "0" };
		modes.push({ mode, unmounted, server: await startServer({ dir, env }) });
	}));
	const failed = starts.find(({ status }) => status === "rejected");
	if (failed) {
		await stop();
		throw failed.reason;
	}
	describe("both modes", { concurrency: true }, () => {
		for (const { mode, server, unmounted } of modes)
			describe(`mode ${mode}`, { concurrency: false }, () => {
				suite(server, mode, unmounted);
				test("in the end nothing is left over", () => sweep(server));
			});
	});
}

/** A workspace with a file that is uploaded again and again: what was there for sure, and what may be. */
export class Subject {
	target = "s/attachments/f";

	static async make(server) {
		const w = new Room(server);
		const subject = Object.assign(new Subject(), { server, w, old: bytes(300_000) });
		await w.put(subject.target, subject.old);
		return subject;
	}

	/** Uploads something new; the answer is one of `statuses`. */
	async upload(statuses, options) {
		this.next = bytes(300_000);
		this.answer = await this.w.put(this.target, this.next, { status: statuses, agent: false, ...options });
		return this.answer;
	}

	/** Which of both is there? Goes on with that one as the old one. */
	async outcome() {
		await settled(this.server);
		const { body } = await this.w.get(this.target, { agent: false });
		const which = body.equals(this.old) ? "old" : body.equals(this.next) ? "new" : null;
		assert.ok(which, `a mix: ${body.length} bytes`);
		if (which === "new") this.old = this.next;
		return which;
	}
}
