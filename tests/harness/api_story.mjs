// api_story.mjs: docs/api.md as steps: each fenced block of shell lines with the answer that stands under it.
//
//   for (const { title, code, answer } of story()) …
//   const shell = new Shell(dir, env);
//   const { stdout, curls, said } = await shell.run(code);      // variables that it exports stay for the next one
//   assertLike(parsed, answer);                                 // "…" is any value, or any part of a text; times are any time

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { backstop } from "./pace.mjs";
import { ROOT } from "./server.mjs";

const FENCE = /^```(\w+)\n(.*?)^```$/gms;
const A_TIME = 1e12; // numbers from here on are times

/** What stands under a block: {status, json}, {status, text} or {frames}. */
function readAnswer(language, text) {
	const status = /^(?:\/\/ )?(\d{3})\n/.exec(text);
	if (!status) return { frames: text.trim().split("\n").map((line) => (line === "…" ? line : JSON.parse(line))) };
	const rest = text.slice(status[0].length);
	return { status: Number(status[1]), ...(language === "json" ? { json: JSON.parse(rest) } : { text: rest.replace(/\n$/, "") }) };
}

export function story(file = "docs/api.md") {
	const steps = [];
	for (const [, language, text] of readFileSync(path.join(ROOT, file), "utf8").matchAll(FENCE)) {
		if (language === "sh") steps.push({ title: text.split("\n")[0].slice(0, 150), code: text, answer: null });
		else if (steps.length) {
			assert.equal(steps.at(-1).answer, null, `two answers to ${steps.at(-1).title}`);
			steps.at(-1).answer = readAnswer(language, text);
		}
	}
	return steps;
}

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Does a text read like this, where "…" is anything? */
export const reads = (text, pattern) => new RegExp(`^${pattern.split("…").map(quoted).join("[^]*")}$`).test(text);

export function assertLike(actual, expected, where = "") {
	if (expected === "…") return;
	if (typeof expected === "string" && typeof actual === "string") {
		assert.ok(reads(actual, expected), `${where}: ${JSON.stringify(actual)} isn't ${JSON.stringify(expected)}`);
	} else if (typeof expected === "number" && expected > A_TIME) {
		assert.ok(Number.isInteger(actual) && actual > A_TIME, `${where}: ${actual} is no time`);
	} else if (expected && typeof expected === "object" && actual && typeof actual === "object") {
		assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), where);
		for (const name of Object.keys(expected)) assertLike(actual[name], expected[name], `${where}/${name}`);
	} else {
		assert.deepEqual(actual, expected, where);
	}
}

/** Messages, one a line; a line "…" stands for any number that are like the one above. */
export function assertFrames(frames, expected) {
	const left = frames.slice();
	expected.forEach((message, i) => {
		const previous = expected[i - 1];
		if (message === "…") {
			while (left.length && left[0].type === previous.type) assertLike(left.shift(), previous, `frame ${frames.length - left.length}`);
			return;
		}
		assert.ok(left.length, `no more after ${JSON.stringify(frames.at(-1))}, wanted ${JSON.stringify(message)}`);
		assertLike(left.shift(), message, `frame ${frames.length - left.length}`);
	});
	assert.deepEqual(left, [], "more than is told");
}

// What curl tells of each request, apart from what it prints; and what say.mjs was given.
const CURLRC = 'silent\nshow-error\nwrite-out = "%{stderr}@@ %{http_code} %{method} %{url} %{content_type}\\n"\n';
const PREFACE = `set -o pipefail
[ ! -e .vars ] || . ./.vars
node() { if [ "$1" = say.mjs ]; then printf '%s\\n' "\${@:2}" >.said; fi; command node "$@"; }
`;
const EPILOGUE = "\nended=$?\nunset -f node\nexport -p >.vars\nexit $ended\n";

export class Shell {
	constructor(dir, env) {
		Object.assign(this, { dir, env: { PATH: process.env.PATH, HOME: dir, CURL_HOME: dir, LC_ALL: "C.UTF-8", ...env } });
		writeFileSync(path.join(dir, ".curlrc"), CURLRC);
	}

	run(code, { deadline = 120_000 } = {}) {
		const saidFile = path.join(this.dir, ".said");
		rmSync(saidFile, { force: true });
		return new Promise((resolve, reject) => {
			execFile("bash", ["-c", PREFACE + code + EPILOGUE], { cwd: this.dir, env: this.env, timeout: backstop(deadline), maxBuffer: 16 << 20 },
				(error, stdout, stderr) => {
					if (error) return reject(new Error(`${code}\nended with ${error.code ?? error.signal}\n${stdout}${stderr}`));
					const curls = [...stderr.matchAll(/^@@ (\d+) (\S+) (\S+) ?(.*)$/gm)].map(([, status, method, url, type]) => ({
						status: Number(status), method, type, pathname: new URL(url).pathname, target: url.slice(new URL(url).origin.length) }));
					const said = existsSync(saidFile) ? readFileSync(saidFile, "utf8").replace(/\n$/, "").split("\n") : [];
					resolve({ stdout, curls, url: said[0], said: said.slice(1) });
				});
		});
	}
}
