// memory.mjs: what a sandbox without work takes: its box and gateway, and with them the agent that is kept warm.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { agent, BareAgent, bareClone, createTimed, figure, limit, note, remove, scratch, withRig } from "./rig.mjs";

const SANDBOXES = 3;
const STEADY = 0.02;
const MB = 1 << 20;

/** Bytes that a process has, of what it shares its share. */
function pss(pid) {
	try {
		return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]) * 1024;
	} catch {
		return 0;
	}
}

const sum = (values) => values.reduce((all, value) => all + value, 0);

/** What measure() says when it doesn't change any more, for a garbage collector takes its time. */
async function settled(measure) {
	for (let before = measure(), i = 0; ; before = measure(), i++) {
		await sleep(1000);
		if (Math.abs(measure() - before) < before * STEADY || i === 10) return measure();
	}
}

// Of all sandboxes together: {megabytes of each, and of which processes}.
async function perSandbox(rig) {
	const all = () => rig.daemonProcesses();
	const bytes = await settled(() => sum(all().map(({ pid }) => pss(pid))));
	const names = {};
	for (const { pid, comm } of all()) names[comm] = (names[comm] ?? 0) + pss(pid) / MB / SANDBOXES;
	const list = Object.entries(names).map(([name, mb]) => `${name} ${mb.toFixed(1)}`);
	return { mb: bytes / MB / SANDBOXES, names: list.join(", ") };
}

async function bareAgents(rig, claude) {
	const { dir } = await bareClone(rig, "alice/small");
	const homes = Array.from({ length: SANDBOXES }, (_, i) => scratch(rig, `home${i}`));
	const agents = homes.map((home) => new BareAgent(rig, claude, { cwd: dir, home }));
	for (const one of agents) await one.firstTurn("hello");
	const bytes = await settled(() => sum(agents.map(({ child }) => pss(child.pid))));
	await Promise.all(agents.map((one) => one.stop()));
	return bytes / MB / SANDBOXES;
}

export const run = async () => {
	const claude = await agent();
	await withRig({}, async (rig) => {
		await rig.addRepo("alice/small");
		const clients = [];
		while (clients.length < SANDBOXES) clients.push((await createTimed(rig, "alice/small")).client);
		for (const client of clients) await client.bash("true");
		const idle = await perSandbox(rig);
		figure("sandbox-idle", idle.mb);
		note(`MB of a sandbox: ${idle.names}`);
		for (const client of clients) await client.timeTask("hello");
		const warm = await perSandbox(rig);
		figure("sandbox-warm", warm.mb);
		note(`MB of a sandbox with the agent: ${warm.names}`);
		for (const client of clients) await remove(rig, client);
		limit("sandbox-warm", await bareAgents(rig, claude));
	});
};
