// run.mjs: runs the jobs given on stdin, a few at a time, and adds up what they report.
//
// One job a line: KIND <tab> SECONDS <tab> NAME <tab> COMMAND (for sh -c). KIND is `tap` (the command prints
// TAP) or `step` (its exit status is the one result). SECONDS are those of a machine of its own (pace.mjs). Options: --jobs N (default 2).
// Ends with the line "N passed, N failed, N skipped"; exit status 1 when anything failed. With CI=true a skip
// is a failure, unless its reason starts with "this machine can't".

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { paced } from "./pace.mjs";
import { parseTap } from "./tap.mjs";

const CI = process.env.CI === "true";
const option = process.argv.indexOf("--jobs");
const parallel = option < 0 ? 2 : Number(process.argv[option + 1]);
const total = { passed: 0, failed: 0, skipped: 0 };
const failedNames = [];
const children = new Set();

/** Runs a shell command in a process group of its own: {status, stdout, stderr, timedOut, ms}. */
function execute(command, seconds) {
	return new Promise((resolve) => {
		const begin = Date.now();
		const child = spawn("sh", ["-c", command], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
		const out = { stdout: "", stderr: "" };
		let timedOut = false;
		children.add(child);
		for (const stream of ["stdout", "stderr"])
			child[stream].setEncoding("utf8").on("data", (text) => { out[stream] += text; });
		// TERM first: a test file then stops the servers that it started.
		const signal = (name) => { try { process.kill(-child.pid, name); } catch { /* it is gone */ } };
		const timers = [
			paced(seconds * 1000, () => { timedOut = true; signal("SIGTERM"); }),
			paced((seconds + 40) * 1000, () => signal("SIGKILL")),
		];
		// "exit" and not "close": a process left behind could hold the pipe open for ever.
		child.on("exit", (code, name) => setTimeout(() => {
			timers.forEach((timer) => timer.clear());
			children.delete(child);
			child.stdout.destroy();
			child.stderr.destroy();
			resolve({ ...out, status: code ?? name, timedOut, ms: Date.now() - begin });
		}, 100));
	});
}

const indent = (text, lines = 60) => text.trimEnd().split("\n").slice(-lines).map((line) => `      ${line}`).join("\n");

function report(job, run) {
	const result = job.kind === "tap" ? parseTap(run.stdout)
		: { passed: 0, failed: 0, skipped: 0, failures: [], skips: [], error: null };
	if (job.kind === "step" && run.status === 0) result.passed = 1;
	if (CI) {
		for (const skip of result.skips.filter(({ reason }) => !/^this machine can't/i.test(reason ?? ""))) {
			result.skipped--;
			result.failed++;
			result.failures.push({ name: skip.name, diagnostic: `skipped, and CI may not: ${skip.reason}` });
		}
	}
	const whole = run.timedOut ? `not done after ${job.seconds} s of a machine of its own`
		: result.error ?? (run.status !== 0 && result.failed === 0 ? `ended with ${run.status}` : null);
	if (whole) {
		result.failed++;
		result.failures.push({ name: "", diagnostic: `${whole}\n${job.kind === "step" ? run.stdout.slice(-8000) : ""}` });
	}
	for (const key of Object.keys(total)) total[key] += result[key];
	const counts = [`${result.passed} passed`];
	if (result.failed) counts.push(`${result.failed} failed`);
	if (result.skipped) counts.push(`${result.skipped} skipped`);
	console.log(`${result.failed ? "FAIL" : "ok  "} ${job.name}: ${counts.join(", ")} (${(run.ms / 1000).toFixed(1)} s)`);
	for (const skip of result.skips) console.log(`    skipped: ${skip.name}: ${skip.reason}`);
	for (const { name, diagnostic } of result.failures) {
		failedNames.push(`${job.name}${name ? ` > ${name}` : ""}`);
		console.log(`    failed: ${name || "(as a whole)"}\n${indent(diagnostic)}`);
	}
	if (result.failed && run.stderr.trim()) console.log(`    stderr:\n${indent(run.stderr, 40)}`);
}

for (const signal of ["SIGINT", "SIGTERM"])
	process.on(signal, () => {
		for (const child of children) try { process.kill(-child.pid, "SIGTERM"); } catch { /* it is gone */ }
		process.exitCode = 1;
		setTimeout(() => process.exit(1), 30_000).unref();
		jobs.length = 0;
	});

const jobs = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => {
	const [kind, seconds, name, command] = line.split("\t");
	return { kind, seconds: Number(seconds), name, command };
});
async function worker() {
	for (let job = jobs.shift(); job; job = jobs.shift())
		report(job, await execute(job.command, job.seconds));
}
await Promise.all(Array.from({ length: parallel }, worker));

if (failedNames.length) console.log(`\nFailed:\n${failedNames.map((name) => `  ${name}`).join("\n")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
if (total.failed || total.passed === 0) process.exitCode = 1;
