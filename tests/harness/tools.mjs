// tools.mjs: the file tools of craft-box, run as programs in a directory of the test's own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach } from "node:test";
import { ROOT } from "./server.mjs";

const PROGRAM = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build", "sandbox/craft-box");
export const base = realpathSync(mkdtempSync(path.join(tmpdir(), "craft-tools-")));
after(() => rmSync(base, { recursive: true, force: true }));

/** The current test's directory. */
export let dir;
let serial = 0;
beforeEach(() => {
	dir = path.join(base, String(serial++));
	mkdirSync(dir);
});

/** Runs a program with bytes on stdin: {code, out, err}, out as bytes. */
export function run(args, input, env = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn(PROGRAM, args, { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ...env } });
		const chunks = { out: [], err: [] };
		child.on("error", reject);
		child.stdin.on("error", () => {});
		child.stdout.on("data", (data) => chunks.out.push(data));
		child.stderr.on("data", (data) => chunks.err.push(data));
		child.on("close", (code) => resolve({
			code, out: Buffer.concat(chunks.out), err: Buffer.concat(chunks.err).toString(),
		}));
		child.stdin.end(input);
	});
}

/** A tool's run with this text, or this object, as its input. */
export const raw = (name, text, env) => run(["tool", name], text, env);
export const tool = (name, input, env) => raw(name, JSON.stringify(input), env);

/** Its result, when it went well. */
export async function ok(name, input, env) {
	const { code, out, err } = await tool(name, input, env);
	assert.equal(err, "");
	assert.equal(code, 0);
	return out.toString();
}

/** It must fail with this sentence. */
export async function fails(name, input, message, env) {
	const { code, out, err } = await tool(name, input, env);
	assert.equal(code, 1);
	assert.equal(out.toString(), "");
	if (message instanceof RegExp)
		assert.match(err, message);
	else
		assert.equal(err, message);
}

/** Files below the test's directory. */
export const at = (name) => path.join(dir, name);
export const put = (name, content) => {
	mkdirSync(path.dirname(at(name)), { recursive: true });
	writeFileSync(at(name), content);
};
export const bytes = (name) => readFileSync(at(name));
