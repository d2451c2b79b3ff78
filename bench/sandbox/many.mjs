// many.mjs: twenty sandboxes at once: each clones, has a task and tools at the same time, and all must come out right;
// beside as many clones and Claude Codes outside.

import assert from "node:assert/strict";
import { agent, BareAgent, bareClone, createTimed, figure, limit, note, now, remove, scratch, withRig } from "./rig.mjs";

const COUNT = 20;
const REPOS = 4;
const TOOLS = 5;

const repoOf = (i) => `alice/many${i % REPOS}`;

// "write 7": writes a file, reads it back by the shell, and says what was in it.
function script({ prompt, results }) {
	const number = /write (\d+)/.exec(prompt)[1], file = `task-${number}.txt`;
	return [{ tools: [{ name: "Write", input: { file_path: `${/outside (\S+)/.exec(prompt)?.[1] ?? "/workspace"}/${file}`,
		content: `of ${number}\n` } }] }, { tools: [{ name: "Bash", input: { command: `cat ${file}` } }] },
	{ text: `It says ${results.at(-1)?.text}` }];
}

async function tools(client, i) {
	const calls = Array.from({ length: TOOLS }, (_, n) => client.bash(`sleep 0.${n}; cat own.txt; echo ${i}-${n}`));
	for (const [n, { output }] of (await Promise.all(calls)).entries())
		assert.equal(output, `${repoOf(i)}\n${i}-${n}\n`);
}

async function one(rig, i) {
	const { client } = await createTimed(rig, repoOf(i));
	const [{ messages }] = await Promise.all([client.timeTask(`write ${i}`), tools(client, i)]);
	const { output, diff } = messages.find(({ type }) => type === "result");
	assert.equal(output.trim(), `It says of ${i}`);
	assert.match(diff, new RegExp(`^\\+of ${i}$`, "m"));
	assert.deepEqual([...diff.matchAll(/^diff --git a\/(\S+)/gm)].map(([, name]) => name), [`task-${i}.txt`]);
	const seqs = client.messages.map(({ seq }) => seq).filter((seq) => seq !== undefined);
	assert.deepEqual(seqs, seqs.map((_, n) => n + 1), "a message is missing");
	return client;
}

async function outside(rig, claude, i) {
	const { dir } = await bareClone(rig, repoOf(i), `clone${i}`);
	const bare = new BareAgent(rig, claude, { cwd: dir, home: scratch(rig, `home${i}`),
		args: ["--allowedTools", "Write,Bash(cat:*)"] });
	const { text } = await bare.firstTurn(`write ${i} outside ${dir}`);
	assert.equal(text.trim(), `It says of ${i}`);
	await bare.stop();
}

async function seconds(body) {
	const begin = now();
	const values = await Promise.all(Array.from({ length: COUNT }, (_, i) => body(i)));
	return { values, seconds: (now() - begin) / 1000 };
}

export const run = async () => {
	const claude = await agent();
	await withRig({ env: { SANDBOX_MAX: String(COUNT), SANDBOX_WORKSPACE_MAX: String(COUNT) } }, async (rig) => {
		rig.anthropic.script(script);
		for (let i = 0; i < REPOS; i++) await rig.addRepo(repoOf(i), { "own.txt": `${repoOf(i)}\n` });
		const bare = await seconds((i) => outside(rig, claude, i));
		const inside = await seconds((i) => one(rig, i));
		limit("sandbox-many", bare.seconds);
		figure("sandbox-many", inside.seconds);
		const begin = now();
		await Promise.all(inside.values.map((client) => remove(rig, client)));
		note(`${COUNT} sandboxes, all results right; ended and removed in ${((now() - begin) / 1000).toFixed(1)} s`);
	});
};
