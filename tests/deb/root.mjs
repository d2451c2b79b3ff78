// root.mjs: the Debian root file system that script/test-deb has made: commands in it, its processes, its package's next
// version, and its server for the harness of the other tests.

import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { Server, waitFor } from "../harness/server.mjs";

export const ROOT = process.env.CRAFT_DEB_ROOT;
const PACKAGES = process.env.CRAFT_DEB_DIR;
const CONF = "/etc/craft-agent-cloud/craft-agent-cloud.conf";
const ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive", HOME: "/" };

export const at = (name) => path.join(ROOT, name);
export const read = (name) => readFileSync(at(name), "utf8");
export const write = (name, text) => writeFileSync(at(name), text);

/** Kernel file systems, as a machine has them. */
export function mountAll() {
	for (const [name, ...args] of [["proc", "-t", "proc", "proc"], ["dev", "--rbind", "/dev"], ["sys", "--rbind", "/sys"]]) {
		const { status, stderr } = spawnSync("mount", [...args, at(name)], { encoding: "utf8" });
		if (status !== 0) throw new Error(`mount ${name}: ${stderr}`);
	}
}

/** Runs a shell command in there, as root: {code, out} with both of its outputs. Daemons may stay behind. */
export function tried(command) {
	const log = path.join(mkdtempSync("/tmp/craft-deb-"), "out");
	// Into a file: what stays behind would hold a pipe open.
	const { status } = spawnSync("sh", ["-c", `exec chroot "$0" sh -c "$1" >"$2" 2>&1 </dev/null`, ROOT, command, log], { env: ENV });
	const out = readFileSync(log, "utf8");
	rmSync(path.dirname(log), { recursive: true });
	return { code: status, out };
}

/** The same; its output when it went well. */
export function sh(command) {
	const { code, out } = tried(command);
	if (code !== 0) throw new Error(`${command}: exit code ${code}\n${out}`);
	return out;
}

/** The same while the world goes on. */
export function shAsync(command) {
	return new Promise((resolve, reject) => {
		const dir = mkdtempSync("/tmp/craft-deb-"), log = path.join(dir, "out");
		const child = spawn("sh", ["-c", `exec chroot "$0" sh -c "$1" >"$2" 2>&1 </dev/null`, ROOT, command, log], { env: ENV, stdio: "ignore" });
		child.on("error", reject);
		child.on("exit", (code) => {
			const out = readFileSync(log, "utf8");
			rmSync(dir, { recursive: true });
			if (code === 0) resolve(out);
			else reject(new Error(`${command}: exit code ${code}\n${out}`));
		});
	});
}

/** Processes of that program: [{ pid, uid, groups, environ, cmdline }]. */
export function processes(name) {
	return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).flatMap((pid) => {
		try {
			if (path.basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, "") !== name) return [];
			const status = readFileSync(`/proc/${pid}/status`, "utf8");
			return [{ pid: Number(pid), uid: Number(status.match(/^Uid:\s+(\d+)/m)[1]), groups: status.match(/^Groups:\s*(.*?)\s*$/m)[1],
				environ: readFileSync(`/proc/${pid}/environ`, "utf8"), cmdline: readFileSync(`/proc/${pid}/cmdline`, "utf8") }];
		} catch {
			return [];
		}
	});
}

/** Has nginx read its files, and waits until no worker of before accepts any more. */
export async function reloadNginx() {
	const old = processes("nginx").map(({ pid }) => pid);
	sh("nginx -t && service nginx reload");
	await waitFor(() => {
		const workers = processes("nginx").filter(({ cmdline }) => /worker process/.test(cmdline));
		return workers.some(({ pid }) => !old.includes(pid)) &&
			workers.every(({ pid, cmdline }) => !old.includes(pid) || /shutting down/.test(cmdline));
	}, { what: "nginx's new workers" });
}

/** The value of a configuration key. */
export const configured = (key) => read(CONF).match(new RegExp(`^${key}=(.*)$`, "m"))?.[1];

/** The file of a package that was built. */
export const packageFile = (name) => readdirSync(PACKAGES).find((file) => file.startsWith(`${name}_`) && file.endsWith(".deb"));

function run(command, args, options) {
	const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", ...options });
	if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
	return stdout;
}

/** The next version of the package craft-agent-cloud in the root's /srv: the same programs, and a migration more. */
export function makeNextVersion() {
	const dir = mkdtempSync("/tmp/craft-deb-");
	const file = path.join(PACKAGES, packageFile("craft-agent-cloud"));
	run("dpkg-deb", ["-R", file, `${dir}/tree`]);
	const control = readFileSync(`${dir}/tree/DEBIAN/control`, "utf8");
	const version = control.match(/^Version: (.*)$/m)[1], next = `${version}+next`;
	writeFileSync(`${dir}/tree/DEBIAN/control`, control.replace(/^Version: .*$/m, `Version: ${next}`));
	const migrations = `${dir}/tree/usr/share/craft-agent-cloud/sql/migrations`;
	const number = String(readdirSync(migrations).length + 1).padStart(4, "0");
	writeFileSync(`${migrations}/${number}_next.sql`, "create table app.next_version (one boolean primary key default true);\n");
	// A file of nginx's part that an administrator hasn't touched changes as well.
	appendFileSync(`${dir}/tree/etc/craft-agent-cloud/nginx/preflight.conf`, "# of the next version\n");
	run("sh", ["-c", "find . -path ./DEBIAN -prune -o -type f -printf '%P\\0' | xargs -0 md5sum >DEBIAN/md5sums"], { cwd: `${dir}/tree` });
	const to = `srv/craft-agent-cloud_${next}_amd64.deb`;
	run("dpkg-deb", ["--root-owner-group", "-b", `${dir}/tree`, at(to)]);
	rmSync(dir, { recursive: true });
	return { version, next, file: `/${to}`, number };
}

/** The server behind the root's nginx, as the harness knows servers. */
export class DebServer extends Server {
	constructor(port) {
		super("", false, {});
		Object.assign(this, { port, url: `https://127.0.0.1:${port}`, apiKey: configured("API_KEY"),
			agent: new https.Agent({ keepAlive: true, rejectUnauthorized: false }) });
	}

	async query(sql) {
		const dir = mkdtempSync(at("tmp/craft-sql-"));
		const name = `/tmp/${path.basename(dir)}`;
		writeFileSync(`${dir}/sql`, sql);
		run("chmod", ["755", dir]);
		try {
			await shAsync(`cd / && runuser -u postgres -- psql -XqAt -F '\u001f' -R '\u001e' -v ON_ERROR_STOP=1 -d craft -f ${name}/sql >${name}/rows`);
			const text = readFileSync(`${dir}/rows`, "utf8").replace(/\n$/, "");
			return text === "" ? [] : text.split("\u001e").map((row) => row.split("\u001f"));
		} finally {
			rmSync(dir, { recursive: true });
		}
	}
}
