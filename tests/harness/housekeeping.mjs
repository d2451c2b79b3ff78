// housekeeping.mjs: what the tests of blobs' housekeeping share: craft-cloud run as the daemons' user, and files put
// into the directory of blobs behind the server's back.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, copyFileSync, existsSync, lutimesSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sha256 } from "./files.mjs";
import { ROOT } from "./server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");

/** The blob directory of a server, and the programs that look after it. */
export class BlobDir {
	constructor(server) {
		this.server = server;
		this.root = path.join(server.dir, "blobs");
		({ uid: this.uid, gid: this.gid } = statSync(this.root));
		// The build may be where the daemons' user can't go.
		this.program = path.join(server.dir, "craft-cloud");
		copyFileSync(path.join(BUILD, "cli/craft-cloud"), this.program);
	}

	/** The command line of craft-cloud as the daemons' user, or another one. */
	command(args, { uid = this.uid, gid = this.gid } = {}) {
		const line = [this.program, ...args, "--config", path.join(this.server.dir, "conf/craft-agent-cloud.conf")];
		return process.getuid() === 0 ? ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", ...line] : line;
	}

	/** Runs it: {code, stdout, stderr, lines}. */
	cloud(args, { env = {}, ...who } = {}) {
		const [file, ...rest] = this.command(args, who);
		return new Promise((resolve) => {
			execFile(file, rest, { env: { ...process.env, ...env }, cwd: "/", maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
				resolve({ code: error ? (error.code ?? 1) : 0, stdout, stderr, lines: stdout.trimEnd().split("\n") }));
		});
	}

	/** craft-cloud gc: what it counted: {gone, strays, orphans, foreign}, each [number, bytes]. */
	async gc(...args) {
		const { code, stdout, stderr } = await this.cloud(["gc", ...args]);
		assert.equal(code, 0, stderr);
		const verb = args.includes("--dry-run") ? "would remove" : "removed";
		const match = stdout.match(new RegExp(`^deleted blobs +${verb} (\\d+), (\\d+) bytes
stray uploads +${verb} (\\d+), (\\d+) bytes
orphans +${verb} (\\d+), (\\d+) bytes
(?:foreign things +left alone (\\d+)
)?$`));
		assert.ok(match, stdout);
		const [gone, goneBytes, strays, strayBytes, orphans, orphanBytes, foreign] = match.slice(1).map((n) => Number(n ?? 0));
		return { gone: [gone, goneBytes], strays: [strays, strayBytes], orphans: [orphans, orphanBytes], foreign };
	}

	/** craft-cloud check --blobs: the findings, sorted; its exit code and last line have to agree with them. */
	async check() {
		const { code, stderr, lines } = await this.cloud(["check", "--blobs"]);
		assert.equal(stderr, "");
		const findings = lines.slice(0, -1);
		const counts = ["missing", "damaged", "orphan"].map((kind) => findings.filter((line) => line.startsWith(`${kind} `)).length);
		const [, blobs, bytes, ...found] = lines.at(-1)
			.match(/^checked (\d+) blobs, (\d+) bytes: (\d+) missing, (\d+) damaged, (\d+) orphans$/).map(Number);
		assert.deepEqual(found, counts, lines.join("\n"));
		assert.equal(code, findings.length ? 1 : 0);
		return Object.assign(findings.sort(), { blobs, bytes });
	}

	async isClean(what = "the blobs") {
		assert.deepEqual([...await this.check()], [], what);
	}

	at(id) { return path.join(this.root, id.slice(0, 2), id); }
	has(id) { return existsSync(this.at(id)); }

	#own(...files) {
		if (process.getuid() === 0) for (const file of files) chownSync(file, this.uid, this.gid);
	}

	/** A directory for the blob. */
	shard(id) {
		const dir = path.dirname(this.at(id));
		if (!existsSync(dir)) {
			mkdirSync(dir);
			this.#own(dir);
		}
		return dir;
	}

	/** A file in the place of a blob; age: seconds since its modification. */
	plant(data, { id = randomUUID(), age = 0, file = this.at(id) } = {}) {
		if (file === this.at(id)) this.shard(id);
		writeFileSync(file, data);
		this.#own(file);
		makeOld(file, age);
		return id;
	}

	plantLink(target, { id = randomUUID(), age = 0, file = this.at(id) } = {}) {
		if (file === this.at(id)) this.shard(id);
		symlinkSync(target, file);
		makeOld(file, age);
		return id;
	}

	/** A file in the workspace `w`, without an upload: its bytes and its row. Names that are refused today are of rows that were
	 *  there before. */
	store(name, data, { id = randomUUID(), session = "s1", type = "attachments", workspace = "w" } = {}) {
		this.plant(data, { id });
		const quote = (text) => `'${text.replaceAll("'", "''")}'`;
		const plain = (text) => text.replaceAll(/[\x01-\x1f\x7f]/g, "_");
		const quoted = [workspace, plain(session), type, plain(name)].map(quote).join(", ");
		assert.equal(this.server.psqlValue(`select status from api.file_put(${quoted}, '${id}', ${data.length}, 'text/plain',
			decode('${sha256(data)}', 'hex'))`), "ok");
		if (plain(session + name) !== session + name)
			this.server.psql(`update app.file set session_id = ${quote(session)}, name = ${quote(name)} where blob = '${id}'`);
		return id;
	}

	/** As if the blobs that no file names now had been replaced or deleted that many seconds earlier. */
	ageGone(seconds) {
		this.server.psql(`update app.blob_gone set gone_at = gone_at - interval '${seconds} s'`);
	}

	goneRows() { return Number(this.server.psqlValue("select count(*) from app.blob_gone")); }
}

export function makeOld(file, age) {
	const then = Date.now() / 1000 - age;
	lutimesSync(file, then, then);
}

/** A psql session as superuser that holds what its SQL locked until end(). */
export async function holding(server, sql) {
	const child = spawn("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", path.join(server.runDir, "pg"), "-U", "postgres", "-d", "craft"],
		{ stdio: ["pipe", "pipe", "inherit"] });
	const ended = new Promise((resolve) => child.on("exit", resolve));
	child.stdin.write(`begin;\n${sql};\n\\echo held\n`);
	await new Promise((resolve, reject) => {
		let text = "";
		child.stdout.on("data", (part) => (text += part).includes("held\n") && resolve());
		child.on("exit", () => reject(new Error(`psql: ${sql}`)));
	});
	return { end(how = "rollback") { child.stdin.end(`${how};\n`); return ended; } };
}
