// What is big in one sandbox, and its neighbours: output, lines and diffs are bounded as they are sent, encoded in pieces, and nobody
// waits for them; and a message that the database refuses stops nothing.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

let rig, noisy, neighbour;

before(async () => {
	rig = await startSandboxRig();
	await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
	[noisy, neighbour] = [await rig.ready("alice/notes"), await rig.ready("alice/notes")];
});

after(() => rig?.stop());

const MB = 1 << 20;
const daemonKB = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${rig.server.ready.pids["craft-sandboxd"][0]}/status`, "utf8"))[1]);

async function times(run) {
	const all = [];
	do {
		const start = performance.now();
		await neighbour.bash("true");
		all.push(performance.now() - start);
	} while (run(all.length));
	return all.sort((a, b) => a - b);
}

test("64 MB of output, 384 MB as JSON: what is sent is bounded and says so, and a neighbour doesn't wait for it", async (t) => {
	const undisturbed = await times((n) => n < 100);
	const before = daemonKB("VmRSS");
	let results = 0, running = true;
	const flood = (async () => {
		for (let i = 0; i < 3; i++) {
			const result = await noisy.bash("head -c 67108864 /dev/zero; echo the end", { deadline: 120_000 });
			assert.ok(result.output.startsWith("\0\0\0") && result.output.endsWith("the end\n"));
			assert.match(result.output, /\[66\d{6} bytes are left out here: a result has at most 1048576 bytes, as JSON \(SANDBOX_OUTPUT_MAX\)/);
			assert.ok(JSON.stringify(result.output).length <= MB + 1000);
			results++;
		}
		running = false;
	})();
	const beside = await times((n) => running || n < 20);
	await flood;
	const p = (list, q) => list[Math.min(list.length - 1, Math.floor(list.length * q))];
	const grown = (daemonKB("VmHWM") - before) / 1024;
	t.diagnostic(`true: p50 ${p(undisturbed, 0.5).toFixed(1)} ms, p95 ${p(undisturbed, 0.95).toFixed(1)} undisturbed; beside ${results} × 64 MB: p50 ${p(beside, 0.5).toFixed(1)}, p95 ${p(beside, 0.95).toFixed(1)}, most ${beside.at(-1).toFixed(1)} of ${beside.length}; the daemon grew by ${grown.toFixed(1)} MB`);
	// The command itself takes the neighbour's CPU; a message that is made in one go took seconds.
	assert.ok(p(beside, 0.5) < 10 * p(undisturbed, 0.95) + 20, "a neighbour waited");
	assert.ok(grown < 64, `the daemon grew by ${grown} MB`);
	assert.equal(rig.server.psqlValue(`select max(octet_length(body)) < ${MB} + 1000 from app.sandbox_message`), "t");
});

test("both outputs are bounded, errors too; what fits is whole", async () => {
	const result = await noisy.bash("head -c 3000000 /dev/zero >&2; exit 3", { fails: true });
	assert.ok(JSON.stringify(result).length < MB + 64 * 1024 * 6 + 1000);
	assert.equal(result.exitCode, 3);
	const whole = "0123456789abcdef".repeat(60_000);
	assert.equal((await noisy.bash("for i in $(seq 60000); do printf 0123456789abcdef; done")).output, whole);
	const text = await noisy.tool("Write", { file_path: "/workspace/long", content: "äöü€\n".repeat(200_000) });
	assert.ok(text.success);
	const { output } = await noisy.tool("Read", { file_path: "/workspace/long" });
	assert.match(output, /^ {5}1\täöü€\n/);
	assert.match(output, /200000\täöü€\n$/);
	assert.match(output, /\[\d+ bytes are left out here/);
	assert.ok(!output.includes("\ufffd"), "no half of a character");
	await noisy.bash("rm long");
});

test("a diff of 25 MB arrives whole, and applies", async () => {
	await noisy.bash("yes '\"a line of it\"' | head -n 1500000 >big.txt");
	const patch = await noisy.diff();
	assert.ok(patch.length > 23_000_000, `${patch.length} bytes`);
	assert.equal(patch.split("\n").filter((line) => line === '+"a line of it"').length, 1_500_000);
	assert.ok(!patch.includes("# diff cut"));
	// As JSON it has more than SANDBOX_DIFF_MAX.
	await noisy.bash("rm big.txt; head -c 20000000 /dev/zero | tr '\\0' '\"' | fold -w 80 >quotes.txt");
	const cut = await noisy.diff();
	assert.match(cut, /\n# diff cut at \d+ bytes: as JSON the changes make a longer one than SANDBOX_DIFF_MAX allows \(32 MiB\)\n$/);
	assert.ok(JSON.stringify(cut).length <= 33 * MB);
	await noisy.bash("rm quotes.txt");
});

test("a task's message is kept no longer than until it began", async () => {
	let open;
	rig.anthropic.script([{ text: "Held", hold: new Promise((resolve) => { open = resolve; }) }]);
	noisy.startTask("Go", { context: "Human: x\n".repeat(50_000) });
	const state = (what) => rig.server.psqlValue(`select ${what} from app.sandbox_job where session_id = '${noisy.sessionId}' and kind = 'execute' order by id desc limit 1`);
	try {
		await waitFor(() => state("payload is null and ended_at is null and bytes_in > 400000") === "t", { deadline: 30_000, what: "its row to be emptied" });
	} finally {
		open();
	}
	assert.equal((await noisy.taskEnd({ from: 0 })).complete.exitCode, 0);
});

test("what the database refuses is told in its place, and the stream goes on", async () => {
	const { server } = rig;
	const from = noisy.messages.length;
	server.psql(`create function app.test_refuse() returns trigger language plpgsql as $$ begin
		if new.body like '%REFUSE ME%' then raise exception 'too large' using errcode = '54000'; end if; return new; end $$;
		create trigger test_refuse before insert on app.sandbox_message for each row execute function app.test_refuse()`);
	try {
		const all = await Promise.all([noisy.bash("echo before"), noisy.tool("Bash", { command: "echo REFUSE; echo 'REFUSE M''E'", timeout: 5000 }, { id: "small" }),
			noisy.bash("echo beside"), noisy.tool("Bash", { command: "head -c 900000 /dev/zero | tr '\\0' x; echo 'REFUSE M''E'" }, { id: "big" })]);
		assert.deepEqual([all[0].output, all[2].output], ["before\n", "beside\n"]);
		for (const refused of [all[1], all[3]]) {
			assert.equal(refused.success, false);
			assert.match(refused.error, /^The answer was refused by the database, and is left out: \d+ bytes$/);
		}
		rig.anthropic.script([{ tools: [{ name: "Bash", input: { command: "echo 'REFUSE M''E'" } }] }, { text: "It is done" }]);
		const { lines, result, complete } = await noisy.execute("Say it");
		assert.ok(lines.some((line) => line.subtype === "line_left_out"), "a line that says so");
		assert.deepEqual([result.success, result.output, complete.exitCode], [true, "It is done", 0]);
		assert.equal((await neighbour.bash("echo well")).output, "well\n");
		assert.deepEqual(server.psql(`select count(*) from app.sandbox_job where ended_at is null`), [["0"]]);
	} finally {
		server.psql("drop trigger test_refuse on app.sandbox_message; drop function app.test_refuse()");
	}
	const seqs = noisy.messages.slice(from).map((m) => m.seq).filter(Boolean);
	assert.equal(new Set(seqs).size, seqs.length);
	assert.equal((await noisy.bash("echo after")).output, "after\n");
});
