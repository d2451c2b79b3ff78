// git.mjs: clones and diffs as craft-sandboxd makes them, by tests/git_driver, against a fake GitHub.
//
//   const driver = startDriver(github, { SANDBOX_REPO_MAX: "8M" });
//   after(() => driver.stop());
//   const sandbox = await driver.sandbox();                      // an instance of its own, empty
//   const { outcome, commit, text, ms } = await sandbox.clone("alice/notes", "main", token);
//   const { ok, patch, notes, ms } = await sandbox.diff();       // patch: a Buffer
//   const { dir, tree } = applied(repositoryOnTheServer, commit, patch);
//
//   const { github, driver, tokens, options, repository, clone, checkout } = await startCheckouts("notes");   // all of that
//   test("…", options, async () => { const { sandbox, commit, server, at } = await checkout({ "a.txt": "a\n" }); });

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, existsSync, lchownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { startGitHub } from "../fakes/github.mjs";
import { ownUsers } from "./sandbox_traces.mjs";
import { ROOT } from "./server.mjs";

// The same for all drivers of a test: one finds the directories of the one before it.
const users = ownUsers();
const build = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");

/** A directory that other users can pass through. */
export function workDirectory(name = "git-test-") {
	const dir = mkdtempSync(path.join(tmpdir(), name));
	chmodSync(dir, 0o755);
	return dir;
}

/** Runs git where nothing of this machine's configuration counts; resolves to stdout without the last newline. Throws
 *  what it says on stderr. */
export function git(dir, args, { input, env = {}, encoding = "utf8" } = {}) {
	const settings = ["-c", "safe.directory=*", "-c", "user.name=T", "-c", "user.email=t@example.com"];
	const run = spawnSync("git", [...settings, ...args], {
		cwd: dir, input, encoding, maxBuffer: 1 << 30, env: { PATH: process.env.PATH, HOME: "/nonexistent", LC_ALL: "C.UTF-8",
			GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0",
			...env } });
	if (run.error) throw run.error;
	if (run.status !== 0) throw new Error(`git ${args.join(" ")}: ${run.status ?? run.signal}: ${run.stderr}`);
	return encoding === "utf8" ? run.stdout.replace(/\n$/, "") : run.stdout;
}

/** A fresh clone with the patch applied by git apply --index: {dir, tree}. The caller removes dir. */
export function applied(source, commit, patch) {
	const dir = workDirectory("git-apply-");
	try {
		git(dir, ["clone", "-q", "--no-local", `file://${source}`, "."]);
		git(dir, ["checkout", "-q", commit]);
		if (patch.length) git(dir, ["apply", "--index", "--whitespace=nowarn", "-"], { input: patch });
		return { dir, tree: git(dir, ["write-tree"]) };
	} catch (error) {
		rmSync(dir, { recursive: true });
		throw error;
	}
}

class Sandbox {
	constructor(driver, slot) { Object.assign(this, { driver, slot }); }

	/** Where the checkout is for this process: the driver has mounts of its own. */
	get repo() { return path.join(this.root, "disk/repo"); }

	get root() { return `/proc/${this.driver.pid}/root${this.dir}`; }

	async #ask(answers, ...fields) {
		const answer = await this.driver.ask(this.slot, [answers, "cancelled", "failed"], fields);
		if (answer[0] === "failed") throw new Error(`${fields[0]}: ${answer[2]}`);
		return answer;
	}

	async create() {
		const [, , uid, dir] = await this.#ask("created", "create");
		return Object.assign(this, { uid: Number(uid), dir });
	}

	/** workspace: whose cache is used. */
	async clone(repo, branch, token = "", workspace = "team") {
		const [kind, , outcome, commit, ms, text] = await this.#ask("cloned", "clone", repo, branch, token, workspace);
		return kind === "cancelled" ? { outcome: kind } : { outcome, commit, ms: Number(ms), text };
	}

	async diff() {
		const file = path.join(this.driver.dir, `patch-${this.slot}`);
		const [kind, , how, , ms, notes] = await this.#ask("diffed", "diff", file);
		return kind === "cancelled" ? { outcome: kind }
			: { ok: how === "ok", patch: readFileSync(file), ms: Number(ms),
				notes: notes.replaceAll("\\n", "\n").trimEnd() };
	}

	/** The clone or diff that runs then resolves to {outcome: "cancelled"}. */
	cancel(what) { this.driver.tell([`cancel-${what}`, this.slot]); }

	remove() { return this.#ask("removed", "remove"); }
}

// Another user can't reach a build below /root.
function programsFor(uid, dir) {
	if (uid === undefined) return { driver: path.join(build, "tests/git_driver"), libexec: path.join(build, "sandbox") };
	copyFileSync(path.join(build, "tests/git_driver"), path.join(dir, "git_driver"));
	copyFileSync(path.join(build, "sandbox/craft-sandbox-launch"), path.join(dir, "craft-sandbox-launch"));
	return { driver: path.join(dir, "git_driver"), libexec: dir };
}

class Driver {
	#waiting = [];
	#rest = "";
	#slots = 0;
	errors = "";

	constructor(github, env, { uid, gid } = {}) {
		this.dir = workDirectory();
		if (uid !== undefined) chownSync(this.dir, uid, gid);
		this.sandboxes = env.SANDBOX_DIR ?? path.join(this.dir, "sandboxes");
		const programs = programsFor(uid, this.dir);
		const child = spawn(programs.driver, { uid, gid, stdio: ["pipe", "pipe", "pipe"], env: {
			PATH: process.env.PATH, API_KEY: "0123456789abcdef0123456789abcdef", ENCRYPTION_KEY: "a".repeat(64),
			DATABASE_URL: "postgresql:///none", SANDBOX_DIR: this.sandboxes, SANDBOX_LIBEXEC: programs.libexec,
			SANDBOX_AGENT: "/bin/true", SANDBOX_DISK: "0", ...users, GITHUB_URL: github.url,
			...(process.env.TSAN_OPTIONS && { TSAN_OPTIONS: process.env.TSAN_OPTIONS }),
			...(github.caFile && { GITHUB_CA_FILE: github.caFile }), ...env } });
		this.#child = child;
		this.pid = child.pid;
		child.stdin.on("error", () => {});
		child.stderr.setEncoding("utf8").on("data", (text) => { this.errors += text; });
		child.stdout.setEncoding("utf8").on("data", (text) => this.#take(text));
		this.ended = new Promise((resolve) => child.on("close", resolve));
		this.ended.then((status) => this.#waiting.forEach(({ reject }) =>
			reject(new Error(`git_driver ended with ${status}: ${this.errors}`))));
	}

	#child;

	#take(text) {
		const lines = (this.#rest + text).split("\n");
		this.#rest = lines.pop();
		for (const answer of lines.map((line) => line.split("\t"))) {
			const at = this.#waiting.findIndex(({ slot, kinds }) => slot === Number(answer[1]) && kinds.includes(answer[0]));
			if (at >= 0) this.#waiting.splice(at, 1)[0].resolve(answer);
		}
	}

	tell(fields) { this.#child.stdin.write(`${fields.join("\t")}\n`); }

	ask(slot, kinds, [command, ...fields]) {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ slot, kinds, resolve, reject });
			this.tell([command, slot, ...fields]);
		});
	}

	/** A new, empty instance. */
	sandbox() { return new Sandbox(this, ++this.#slots).create(); }

	/** Ends it; resolves to its exit status. */
	async stop() {
		this.#child.stdin.end();
		const status = await this.ended;
		if (!process.env.CRAFT_KEEP) rmSync(this.dir, { recursive: true, force: true });
		return status;
	}

	kill() { this.#child.kill("SIGKILL"); }
}

/** user: {uid, gid} to be instead of who runs the test. */
export const startDriver = (github, env = {}, user) => new Driver(github, env, user);

/** Why this machine can't run these tests, or null. */
export const unable = existsSync("/usr/bin/bwrap") ? null : "bubblewrap is not installed";

/** What a test file begins with: a fake GitHub with these users and a driver, which end when the file does, and what its
 *  tests do with them. Repositories are called LOGIN/PREFIX-1 and so on. */
export async function startCheckouts(prefix, logins = ["alice"]) {
	const github = await startGitHub();
	for (const login of logins) github.addUser(login);
	const tokens = Object.fromEntries(logins.map((login) => [login, github.issueToken(login, ["repo"])]));
	const driver = startDriver(github);
	after(async () => {
		const status = await driver.stop();
		await github.stop();
		assert.equal(status, 0, driver.errors);
	});
	let serial = 0;

	/** A new private repository with these files; more: as the fake's addRepo takes it. Resolves to its name. */
	async function repository(files, { by = logins[0], ...more } = {}) {
		const name = `${by}/${prefix}-${++serial}`;
		await github.addRepo(name, { private: true, files, ...more });
		return name;
	}

	/** A sandbox with a checkout of it: {sandbox, commit, server (its directory there), at(name): a file of the checkout}. */
	async function clone(repo, branch = "main", { workspace, login = logins[0], from = driver } = {}) {
		const sandbox = await from.sandbox();
		const { outcome, text, commit } = await sandbox.clone(repo, branch, tokens[login], workspace);
		assert.equal(outcome, "ok", text);
		return { sandbox, commit, server: github.findRepo(...repo.split("/")).dir, at: (name) => path.join(sandbox.repo, name) };
	}

	/** The same of a new repository with these files; commit: those of a second commit. */
	async function checkout(files, { commit, from } = {}) {
		const repo = await repository(files);
		if (commit) await github.commit(repo, { files: commit });
		return clone(repo, "main", { from });
	}

	return { github, driver, tokens, repository, clone, checkout,
		options: { skip: unable ? `this machine can't: ${unable}` : false } };
}

/** Gives what a test made in a checkout to the sandbox's user, as if the agent had made it. */
export function own(dir, uid) {
	for (const entry of readdirSync(dir, { withFileTypes: true, encoding: "buffer" })) {
		const name = Buffer.concat([Buffer.from(dir), Buffer.from("/"), entry.name]);
		lchownSync(name, uid, uid);
		if (entry.isDirectory()) own(name, uid);
	}
}
