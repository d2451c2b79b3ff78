// blocks.mjs: the statements of a document, which a test runs as they stand there: those behind a line
// <!-- run: NAME --> or <!-- query: NAME --> (… as owner), fenced.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./server.mjs";

/** { kind, name, owner, language, text } of each. */
export function blocks(file) {
	const text = readFileSync(path.join(ROOT, file), "utf8");
	return [...text.matchAll(/^<!-- (run|query): ([\w-]+)( as owner)? -->\n```(\w+)\n(.*?)^```$/gms)]
		.map(([, kind, name, owner, language, body]) => ({ kind, name, owner: owner !== undefined, language, text: body }));
}

export function block(file, name) {
	const found = blocks(file).filter((one) => one.name === name);
	if (found.length !== 1) throw new Error(`${file} has ${found.length} blocks ${name}`);
	return found[0].text;
}

/** Runs shell text, as the user that owns the database cluster. Throws with its output when it fails. */
export function shell(text, env, { user = "postgres", cwd = "/" } = {}) {
	const bin = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" }).stdout?.trim();
	const line = ["bash", "-c", text];
	const [file, ...args] = process.getuid() === 0 && user ? ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", ...line] : line;
	const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: "utf8", env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, ...env } });
	if (status !== 0) throw new Error(`${text}\nended with ${status}\n${stdout}${stderr}`);
	return stdout;
}
