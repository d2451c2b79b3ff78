// Each kind of process stopped (SIGSTOP) for 20 s, as by a host that swaps or a debugger. What it is can't be told from
// outside, so clients wait, are answered with an error, or go elsewhere, and nothing is lost. Three servers, each for some
// of the kinds, because 20 s are long.

import { describe } from "node:test";
import { Scene } from "../harness/chaos_tests.mjs";

const HOLD = 20_000;
const groups = [
	["SIGSTOP of a bridge", "SIGSTOP of a worker", "SIGSTOP of all of PostgreSQL"],
	["SIGSTOP of an nginx worker", "SIGSTOP of a writing backend", "SIGSTOP of the master of craft-fcgi"],
	["SIGSTOP of a listening backend", "SIGSTOP of the postmaster", "SIGSTOP of PostgreSQL's own processes"],
];

const scenes = await Promise.all(groups.map(() => Scene.open({ bridges: 2 }, { workspaces: 1, named: 1, pause: 50 })));

describe("stopped for 20 s", { concurrency: true }, () => {
	groups.forEach((names, i) => describe(`server ${i + 1}`, { concurrency: false }, () => {
		for (const name of names) scenes[i].fault(name, { hold: HOLD });
	}));
});
