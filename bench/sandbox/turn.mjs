// turn.mjs: the first and the next turns of Claude Code in a sandbox beside Claude Code outside, with the same fake API.

import { agent, bareClone, BareAgent, createTimed, figure, limit, median, note, percentile, remove, spread, withRig }
	from "./rig.mjs";

const FIRSTS = 4;
const NEXTS = 15;

async function outside(rig, claude, clone, times) {
	const bare = new BareAgent(rig, claude, { cwd: clone });
	const cold = await bare.firstTurn("hello");
	times.cold.push(cold.result);
	times.coldFirst.push(cold.first);
	return bare;
}

async function inside(rig, times) {
	const { client } = await createTimed(rig, "alice/small");
	const turn = await client.timeTask("hello");
	times.first.push(turn.result);
	times.firstLine.push(turn.first);
	return client;
}

// A new process on both sides each time, alternately.
async function firstTurns(rig, claude, clone, times) {
	for (let i = 0; i < FIRSTS; i++) {
		await (await outside(rig, claude, clone, times)).stop();
		await remove(rig, await inside(rig, times));
	}
}

async function nextTurns(rig, claude, clone, times) {
	const bare = await outside(rig, claude, clone, times);
	const client = await inside(rig, times);
	for (let i = 0; i < NEXTS; i++) {
		const { result: warm, first: warmFirst } = await bare.turn(`turn ${i}`);
		const { first, result, complete } = await client.timeTask(`turn ${i}`);
		for (const [name, value] of Object.entries({ warm, warmFirst, begin: first, next: result, complete }))
			times[name].push(value);
	}
	await bare.stop();
	await remove(rig, client);
}

function tell(times) {
	figure("sandbox-first-turn", median(times.first));
	limit("sandbox-first-turn", median(times.cold));
	figure("sandbox-next-turn", median(times.next));
	limit("sandbox-next-turn", median(times.warm));
	figure("sandbox-overhead", median(times.next) - median(times.warm));
	figure("sandbox-begin", median(times.begin));
	figure("sandbox-begin-p95", percentile(times.begin, 0.95));
	for (const [name, all] of Object.entries(times)) note(`${name} in ms: ${spread(all)}`);
}

export const run = async () => {
	const claude = await agent();
	await withRig({}, async (rig) => {
		const names = ["cold", "coldFirst", "first", "firstLine", "warm", "warmFirst", "next", "begin", "complete"];
		const times = Object.fromEntries(names.map((name) => [name, []]));
		rig.anthropic.script(({ prompt }) => `You said ${prompt}`);
		await rig.addRepo("alice/small");
		const { dir } = await bareClone(rig, "alice/small");
		await firstTurns(rig, claude, dir, times);
		await nextTurns(rig, claude, dir, times);
		tell(times);
	});
};
