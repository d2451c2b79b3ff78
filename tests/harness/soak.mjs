// soak.mjs: the fault campaign of script/soak. Random faults, from a seed, on servers under load; the oracle looks after
// each few. A world lasts some tens of faults, so that its log of changes and what the oracle keeps of it stay small.
//
//	node tests/harness/soak.mjs --minutes 60 --faults 0 --seed 1
//
// Ends after so many minutes, or so many faults if that comes first (0: no limit). A world in which something is wrong
// ends there, and its logs stay in build/artifacts; the exit status is 1 then.
//   --only TEXT: faults whose name has it in it; --hold MS: what is stopped or full stays so for so long.

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Chaos, faults } from "./chaos.mjs";
import { World } from "./chaos_world.mjs";
import { Load } from "./oracle.mjs";
import { randomOf } from "./oracle_ops.mjs";

const WORLD_FAULTS = 150;
const CHECK_EVERY = 4;
const LONG_HOLD = 20_000;
const RECOVERY_LIMIT = 60_000;
const SLOW = 15_000; // worth a look at the logs, and at what else the machine does

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, faults: { type: "string", default: "0" },
	seed: { type: "string", default: "1" }, only: { type: "string", default: "" }, hold: { type: "string" } } });
const end = Date.now() + Number(values.minutes) * 60_000;
const most = Number(values.faults) || Infinity;
const seed = Number(values.seed);

const total = { faults: 0, violations: [], worlds: 0, badWorlds: 0, counts: {}, byName: new Map(), errors: {} };
const over = () => total.faults >= most || Date.now() >= end || total.badWorlds >= 5;
const seconds = (ms) => (ms / 1000).toFixed(1);

function say(text) { console.log(`${new Date().toISOString().slice(11, 19)} ${text}`); }

/** What strikes next: SIGSTOP holds the 20 s now and then, all else is short. */
function* plan(random, chaos) {
	const names = Object.keys(faults).filter((name) => name.includes(values.only) && !chaos.impossible(name));
	for (;;) {
		const name = names[Math.floor(random() * names.length)];
		const long = /SIGSTOP|nothing passes/.test(name) && random() < 0.04;
		yield { name, hold: values.hold ? Number(values.hold) : long ? LONG_HOLD : Math.round(100 + 900 * random()) };
	}
}

function note({ name, hold, all, outage }) {
	total.faults++;
	if (!total.byName.has(name)) total.byName.set(name, []);
	total.byName.get(name).push({ all, outage });
	say(`${String(total.faults).padStart(5)}  ${name}${hold >= LONG_HOLD ? ` for ${hold / 1000} s` : ""}: ` +
		`all writers write again after ${seconds(all)} s; without an answer for ${seconds(outage)} s`);
}

function add(sums, counts) {
	for (const [key, n] of Object.entries(counts)) if (typeof n === "number") sums[key] = (sums[key] ?? 0) + n;
}

function count(load) {
	if (!load) return;
	const { errors, ...counts } = load.summary();
	add(total.counts, counts);
	add(total.errors, errors);
}

async function look(load, world, last) {
	const wrong = await load.check();
	if (wrong.length === 0) return;
	for (const text of wrong) say(`VIOLATION after ${last}: ${text}`);
	total.violations.push(...wrong);
	say(`the logs are in ${world.keepLogs(`soak-${total.worlds}`)}`);
}

async function strikes(world, load, chaos, next) {
	const before = total.violations.length;
	for (let n = 1; n <= WORLD_FAULTS && !over() && total.violations.length === before; n++) {
		const { name, hold } = next.next().value;
		chaos.hold = hold;
		const felt = await chaos.strike(name, RECOVERY_LIMIT);
		note({ ...felt, hold });
		if (felt.all > SLOW) say(`slow; the machine's load is ${loadavg()[0].toFixed(1)}, the logs are in ${world.keepLogs("slow")}`);
		if (n % CHECK_EVERY === 0) await look(load, world, name);
	}
	if (total.violations.length === before) await look(load, world, "the last one");
}

// A machine that does much else may be too slow for it at times.
async function openWorld(tries = 3) {
	try {
		return await World.open({ bridges: 2, disk: 400 << 20, clocks: true, proxy: true, link: true });
	} catch (error) {
		if (tries === 1) throw error;
		say(`no world, once more: ${error.message}`);
		return openWorld(tries - 1);
	}
}

async function oneWorld() {
	const before = total.violations.length;
	const random = randomOf(seed + total.worlds++);
	const world = await openWorld();
	let load, chaos;
	try {
		total.load = load = await Load.start(world.server, { pause: 40, port: () => world.port, seed: seed + total.worlds });
		chaos = new Chaos(world, load, { random });
		say(`world ${total.worlds}: ${world.server.url}, ${world.dir}`);
		for (const why of new Set([world.noDisk, world.noClocks, world.noLink].filter(Boolean))) say(`left out: ${why}`);
		await strikes(world, load, chaos, plan(random, chaos));
	} catch (error) {
		total.violations.push(error.message);
		say(`VIOLATION: ${error.stack} ${error.cause?.stack ?? ""}`);
		say(`the logs are in ${world.keepLogs(`soak-${total.worlds}`)}`);
	} finally {
		chaos?.end();
		count(load);
		total.load = null;
		await load?.stop();
		await world.close().catch((error) => {
			total.violations.push(error.message);
			say(`VIOLATION at the end of the world: ${error.message}`);
		});
		if (total.violations.length > before) total.badWorlds++;
	}
}

function median(list) { return [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]; }

function report(begin) {
	const { counts } = total;
	count(total.load);
	console.log(`\n${total.faults} faults in ${((Date.now() - begin) / 60_000).toFixed(1)} minutes, ${total.worlds} worlds, seed ${seed}`);
	console.log("\n         recovery s    outage s");
	console.log("  times  median  max  median  max");
	for (const [name, list] of [...total.byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
		const columns = ["all", "outage"].flatMap((key) => [median(list.map((one) => one[key])), Math.max(...list.map((one) => one[key]))]);
		console.log(`${String(list.length).padStart(7)}${columns.map((ms, i) => seconds(ms).padStart(i % 2 ? 5 : 8)).join("")}  ${name}`);
	}
	console.log(`\nchanges acknowledged ${counts.acked ?? 0}, refused ${counts.refused ?? 0}, of unknown outcome ${counts.unknown ?? 0}; ` +
		`events delivered ${counts.events ?? 0}, resumes ${counts.resumes ?? 0}, connections given up ${counts.timeouts ?? 0}`);
	console.log("errors that clients were told:");
	for (const [text, n] of Object.entries(total.errors).sort((a, b) => b[1] - a[1])) console.log(`${String(n).padStart(7)}  ${text.trim()}`);
	console.log(`losses and other violations: ${total.violations.length}`);
}

const begin = Date.now();
// Also when it is told to stop.
process.on("exit", () => report(begin));
while (!over()) await oneWorld();
process.exit(total.violations.length ? 1 : 0);
