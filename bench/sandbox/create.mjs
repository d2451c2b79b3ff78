// create.mjs: how long POST create takes to answer, and how long it is until a repository is there, beside a bare clone.

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import { bareClone, createTimed, figure, limit, median, note, percentile, remove, spread, withRig } from "./rig.mjs";

const CREATES = 30;
const CLONES = 5;
const FILES = 3000;
const COMMITS = 30;

// Words from a small generator, so that the repository is the same each time and about as compressible as a program.
function* words(seed) {
	for (let x = seed + 1;;) {
		x = (x * 1103515245 + 12345) % 2147483648;
		yield x % 7 === 0 ? "\n" : `${(x >> 8).toString(36).slice(0, 2 + (x % 5))} `;
	}
}

function textOf(seed, length) {
	const parts = [];
	let size = 0;
	for (const word of words(seed)) {
		parts.push(word);
		size += word.length;
		if (size >= length) return parts.join("");
	}
	return "";
}

function* numbers(count) { for (let i = 0; i < count; i++) yield i; }

/** 3,000 files in 100 directories, 12 MB, with a history. */
async function addBigRepo(rig, repoKey) {
	const name = (i) => `part${i % 100}/file${i}.txt`;
	const files = [...numbers(FILES)].map((i) => [name(i), textOf(i, 500 + (i % 15) * 500)]);
	await rig.addRepo(repoKey, Object.fromEntries(files));
	for (const c of numbers(COMMITS)) {
		const changed = [...numbers(100)].map((i) => [name(c * 100 + i), textOf(c * FILES + i, 4000)]);
		await rig.github.commit(repoKey, { message: `Change ${c}`, files: Object.fromEntries(changed) });
	}
}

async function answers(rig) {
	const times = [];
	for (let i = 0; i <= CREATES; i++) {
		const { client, answered } = await createTimed(rig, "alice/small");
		await remove(rig, client);
		// The first one is for connections and caches.
		if (i > 0) times.push(answered);
	}
	figure("sandbox-create", median(times));
	figure("sandbox-create-p95", percentile(times, 0.95));
	note(`create answers in ms: ${spread(times)}`);
}

async function once(rig, times) {
	// What was written before, and by the other side, is nobody's to wait for.
	const sync = () => execFileSync("sync", ["-f", rig.server.dir]);
	sync();
	// None is removed before the next: while ext4 has many inodes that were freed just now, making files is slow.
	times.bare.push((await bareClone(rig, "alice/big", `clone${times.bare.length}`)).ms);
	rmSync(path.join(rig.server.dir, "sandboxes/cache"), { recursive: true, force: true });
	sync();
	const first = await createTimed(rig, "alice/big");
	times.first.push(first.ready);
	const second = await createTimed(rig, "alice/big");
	times.second.push(second.ready);
	const { output } = await second.client.bash("git status --short | wc -l; git ls-files | wc -l");
	if (output.trim().split(/\s+/).join() !== `0,${FILES}`) throw new Error(`not the whole checkout: ${output}`);
	await remove(rig, first.client);
	await remove(rig, second.client);
}

async function clones(rig) {
	const times = { bare: [], first: [], second: [] };
	await addBigRepo(rig, "alice/big");
	for (let i = 0; i < CLONES; i++) await once(rig, times);
	for (const row of ["first", "second"]) {
		figure(`sandbox-${row}-clone`, median(times[row]));
		limit(`sandbox-${row}-clone`, median(times.bare));
	}
	for (const [name, all] of Object.entries(times)) note(`${name} in ms: ${spread(all)}`);
}

export const run = () => withRig({}, async (rig) => {
	await rig.addRepo("alice/small");
	await answers(rig);
	await clones(rig);
});
