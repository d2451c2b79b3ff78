// agent.mjs: Claude Code in a box of its own for a test, started by agent_driver as the daemon does it.
//
//   const box = await startAgentBox({ model: anthropic.url });
//   after(() => box.stop());
//   box.key(anthropic.keys.add());
//   await box.shell("git init");
//   box.start();
//   const { lines, result } = await box.turn("do it");

import { execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";
import { ownMs } from "./pace.mjs";
import { ROOT, waitFor } from "./server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const running = new Set();

const exec = promisify(execFile);

/** Claude Code's program: SANDBOX_AGENT's, or what script/bootstrap installs; null when there is none. */
export async function agentProgram() {
	const { stdout } = await exec("bash", ["-c", ". script/lib.sh && agent_program"], { cwd: ROOT });
	return existsSync(stdout.trim()) ? stdout.trim() : null;
}

/** Why no box with an agent can be had here; false when it can. */
export async function noAgentBox() {
	if (!await agentProgram()) return "no Claude Code: script/bootstrap";
	try {
		await exec("bwrap", ["--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true"]);
		return false;
	} catch (error) {
		return `this machine can't make a box: ${error.message}`;
	}
}

/** settings: as agent_driver has them: model (the API's URL), agent, mode. */
export async function startAgentBox(settings = {}) {
	const box = new AgentBox({ agent: await agentProgram(), ...settings });
	running.add(box);
	try {
		await box.begin();
	} catch (error) {
		await box.stop();
		throw error;
	}
	return box;
}

export class AgentBox {
	#closed;
	#turn = null;

	/** lines: all of the agent's; refused: what the gateway refused; ended: exit code of the agent's last process. */
	constructor(settings) {
		this.dir = mkdtempSync(path.join(tmpdir(), "craft-agent-"));
		chmodSync(this.dir, 0o755);
		this.settings = { dir: this.dir, libexec: path.join(BUILD, "sandbox"), ...settings };
		Object.assign(this, { lines: [], refused: [], failed: [], shells: [], ready: false, ended: null, errors: "",
			said: "" });
	}

	async begin() {
		this.child = spawn(path.join(BUILD, "tests/agent_driver"), { stdio: ["pipe", "pipe", "pipe"] });
		this.child.on("error", (error) => this.failed.push(error.message));
		this.child.stdin.on("error", () => {});
		this.child.stderr.setEncoding("utf8").on("data", (said) => { this.said += said; });
		this.#closed = new Promise((resolve) => this.child.on("close", (code, signal) => resolve(code ?? signal)));
		readline.createInterface({ input: this.child.stdout }).on("line", (line) => this.#hear(JSON.parse(line)));
		for (const [name, value] of Object.entries(this.settings)) this.tell(name, value);
		this.tell("box");
		await this.#wait(() => this.ready, "the box's start");
	}

	#hear({ line, result, ended, failed, refused, errors, ready, shell, output }) {
		if (ready) this.ready = true;
		if (line !== undefined) this.lines.push(line);
		if (result) this.#turn?.(result);
		if (ended !== undefined) this.ended = ended;
		if (failed) this.failed.push(failed);
		if (refused) this.refused.push(refused);
		if (errors !== undefined) this.errors = errors;
		if (shell !== undefined) this.shells.shift()?.({ code: shell, output });
	}

	async #wait(cond, what, deadline = 30_000) {
		await waitFor(() => cond() || this.failed.length, { what, deadline });
		if (this.failed.length) throw new Error(`${this.failed.join("; ")}\n${this.said}`);
	}

	tell(command, value = "") { this.child.stdin.write(`${command} ${value}`.trim() + "\n"); }
	key(key = "") { this.tell("key", key); }
	oauth(token = "") { this.tell("oauth", token); }

	/** Starts the agent's process, as one that has an API key or an OAuth token. */
	start(kind = "api_key") {
		this.ended = null;
		this.tell("start", kind);
	}

	/** Begins a turn. Resolves to {lines, messages (those of the lines that are JSON), result, ms} at its end. */
	async turn(text, { deadline = 60_000 } = {}) {
		const from = this.lines.length, since = ownMs();
		let result = null;
		this.#turn = (value) => { result = value; };
		this.tell("turn", JSON.stringify(text));
		await this.#wait(() => result, "the end of the turn", deadline);
		const lines = this.lines.slice(from);
		return { lines, messages: lines.map(parsed).filter(Boolean), result, ms: ownMs() - since };
	}

	/** Until a line from now on has these values. */
	async line(wanted, from = this.lines.length) {
		const fits = (message) => message && Object.entries(wanted).every(([name, value]) => message[name] === value);
		await this.#wait(() => this.lines.slice(from).map(parsed).find(fits), `a line ${JSON.stringify(wanted)}`);
	}

	/** Ends the agent's process and resolves to its exit code. */
	async end() {
		this.tell("stop");
		await this.#wait(() => this.ended !== null, "the agent's end");
		return this.ended;
	}

	/** Runs a shell command in the box; one at a time. Resolves to its output; throws when it fails. */
	async shell(command) {
		const { code, output } = await new Promise((resolve) => {
			this.shells.push(resolve);
			this.tell("shell", JSON.stringify(command));
		});
		if (code !== 0) throw new Error(`${command} in the box: ${code}\n${output}`);
		return output;
	}

	write(file, text) {
		return this.shell(`mkdir -p "$(dirname '${file}')" && printf %s '${text.replaceAll("'", "'\\''")}' >'${file}'`);
	}

	read(file) { return this.shell(`cat '${file}'`); }

	async stop() {
		if (!running.delete(this)) return;
		this.child.stdin.end();
		const code = await this.#closed;
		rmSync(this.dir, { recursive: true, force: true });
		if (code !== 0 || this.failed.length) throw new Error(`agent_driver: ${code}; ${this.failed}\n${this.said}`);
	}

	kill() {
		this.child.kill("SIGKILL");
		rmSync(this.dir, { recursive: true, force: true });
	}
}

export function parsed(line) {
	try {
		return JSON.parse(line);
	} catch {
		return null;
	}
}

process.on("exit", () => { for (const box of running) box.kill(); });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(1));
