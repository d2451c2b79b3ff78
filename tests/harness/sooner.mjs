// sooner.mjs: does one thing come sooner than another? By comparing pairs, which a load slows both, and not by a number of milliseconds.

import assert from "node:assert/strict";

const SHARE = 0.75, EACH = 10, ROUNDS = 12;

/** The share of pairs in which the first list's is less: 0.5 when nothing tells them apart. */
function share(less, more) {
	let wins = 0;
	for (const a of less) for (const b of more) wins += a < b ? 1 : a === b ? 0.5 : 0;
	return wins / (less.length * more.length);
}

/** one, other: do it once and resolve when it has come; or resolve to the ms that count. In turn, until in three of four pairs the first
 *  was sooner. */
export async function comesSooner(one, other, what) {
	const times = [[], []];
	const measure = async (list, act) => {
		const start = performance.now();
		const ms = await act();
		list.push(ms ?? performance.now() - start);
	};
	for (let round = 0; round < ROUNDS; round++) {
		for (let n = 0; n < EACH; n++) {
			await measure(times[0], one);
			await measure(times[1], other);
		}
		if (share(...times) >= SHARE) return;
	}
	const [median, than] = times.map((list) => Math.round(list.sort((a, b) => a - b)[list.length >> 1]));
	assert.fail(`${what}: half took over ${median} ms, and ${than} ms without`);
}
