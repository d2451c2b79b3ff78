// pace.mjs: patience in the time of a machine of its own. Beside a load a second counts for less, so that slow isn't taken for
// dead, and what is dead is noticed all the same. This is the rule; tests/unit/pace.h and script/lib.sh say it in their languages (but for
// the time that was stolen), and pace.test.mjs and test_pace.c hold all three to pace.txt.
//
//   const start = ownMs(); ...; assert.ok(ownMs() - start < 2000);
//   const patience = new Patience(10_000);
//   while (!done()) { if (patience.over) throw ...; await a little; }
//   const timer = paced(10_000, () => reject(...)); ... timer.clear();
//   test("...", { timeout: backstop(60_000) }, ...);        // where something takes only milliseconds

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

const CORES = availableParallelism();
/** More than that isn't load any more: it ends at some time. */
export const MOST = 32;
const LOOK_EVERY_MS = 250;

let at = -Infinity, factor = 1, ticks = null;

// The share of its time that the machine itself waited for (a virtual one, whose host is busy), since the last look.
function stolen() {
	const fields = /^cpu +(.*)/m.exec(readFileSync("/proc/stat", "utf8"))[1].split(" ").slice(0, 8).map(Number);
	const now = { all: fields.reduce((a, b) => a + b, 0), steal: fields[7] ?? 0 }, last = ticks ?? now;
	ticks = now;
	return now.all > last.all ? (now.steal - last.steal) / (now.all - last.all) : 0;
}

/** How many times slower than alone things go where /proc/loadavg says this: the tasks that run or wait to, and those that wait for a disk,
 *  for each CPU. At least 1. */
export function slownessOf(loadavg, cores, share = 0) {
	const [, load, running] = /^([\d.]+) \S+ \S+ (\d+)\//.exec(loadavg).map(Number);
	return Math.min(MOST, Math.max(1, load / cores, running / cores) / Math.max(1 - share, 1 / MOST));
}

/** The same at present. */
export function slowness() {
	if (performance.now() - at < LOOK_EVERY_MS) return factor;
	at = performance.now();
	factor = slownessOf(readFileSync("/proc/loadavg", "utf8"), CORES, stolen());
	return factor;
}

let own = 0, clock = performance.now();

/** Milliseconds of a machine of its own, since this process began: for how long something took. */
export function ownMs() {
	const now = performance.now();
	own += (now - clock) / slowness();
	clock = now;
	return own;
}

// What the load was meanwhile counts, and not only what it is when somebody asks.
setInterval(ownMs, LOOK_EVERY_MS).unref();

/** So many milliseconds on a machine of its own. */
export class Patience {
	constructor(ms) { Object.assign(this, { ms, begin: performance.now(), end: ownMs() + ms }); }

	get left() { return this.end - ownMs(); }

	get over() { return this.left <= 0; }

	/** For errors: "10000 ms", and by the clock where that was longer. */
	toString() {
		const clocked = Math.round(performance.now() - this.begin);
		return clocked < 1.5 * this.ms ? `${this.ms} ms` : `${this.ms} ms (${clocked} by the clock, beside a load)`;
	}
}

/** setTimeout() with patience; clear() ends it. It alone keeps no process alive when unref is true. */
export function paced(ms, callback, { unref = false } = {}) {
	const patience = new Patience(ms);
	let timer;
	const again = () => {
		timer = setTimeout(() => (patience.over ? callback(patience) : again()), Math.min(1000, Math.max(1, patience.left)));
		if (unref) timer.unref();
	};
	again();
	return { clear: () => clearTimeout(timer) };
}

/** For a daemon's settings: so many seconds (or ms), and as many more as the load of this moment asks for. */
export const stretched = (n) => Math.ceil(n * Math.min(16, slowness()));

/** For what takes a number only, and is there to end what hangs. */
export const backstop = (ms) => ms * MOST;
